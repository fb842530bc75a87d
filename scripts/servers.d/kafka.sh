# Kafka: one node that is broker and controller. Sourced by scripts/servers.
# shellcheck shell=bash disable=SC2154

kafka_address() { echo "127.0.0.1:$1"; }

kafka_java() { java "${java_options[@]}" -cp "$(jars_dir kafka)/*" "$@"; }

# Formatting storage takes a Java process of its own, so it is done once and copied.
kafka_template() { echo "$cache/kafka-template-$(fingerprint "$files/pom.xml")"; }

fill_kafka_template() {
    kafka_settings 1 2 "$1/data" >"$1/format.properties"
    kafka_java kafka.tools.StorageTool format -t cGFzc2Zsb3ctdGVzdHMtMQ -c "$1/format.properties" >&2
    rm "$1/format.properties"
}

# kafka_settings PORT CONTROLLER_PORT DIRECTORY
# Written data is left to the system's cache: it outlives a killed process, which is what the tests do to it.
# A restarted broker is let in once its earlier life's session is over: 3 s, not 9.
# No topic is made by being mentioned, as in production: a test that forgot one shall fail.
kafka_settings() {
    cat <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$2
listeners=PLAINTEXT://127.0.0.1:$1,CONTROLLER://127.0.0.1:$2
advertised.listeners=PLAINTEXT://127.0.0.1:$1
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs=$3
auto.create.topics.enable=false
num.partitions=3
num.network.threads=2
num.io.threads=2
num.recovery.threads.per.data.dir=2
background.threads=2
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=5
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=5
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.retention.ms=-1
log.segment.bytes=67108864
log.index.size.max.bytes=1048576
log.cleaner.dedupe.buffer.size=2097152
log.cleaner.threads=1
controller.quorum.election.timeout.ms=100
controller.quorum.election.backoff.max.ms=100
broker.heartbeat.interval.ms=300
broker.session.timeout.ms=3000
PROPERTIES
}

kafka_up() {
    mkdir -p "$state/kafka"
    free_port "$state/kafka/port"
    free_port "$state/kafka/controller_port"
    [[ -d $state/kafka/data ]] || cp -a "$(kafka_template)/data" "$state/kafka/data"
    kafka_settings "$(<"$state/kafka/port")" "$(<"$state/kafka/controller_port")" "$state/kafka/data" \
        >"$state/kafka/server.properties"
    kafka_run
}

kafka_run() {
    launch kafka java "${java_options[@]}" -cp "$(jars_dir kafka)/*" kafka.Kafka "$state/kafka/server.properties"
}

# The broker stands in its own list of brokers once the controller lets clients to it.
kafka_wait() { wait_until kafka 90 python3 "$files/probe.py" kafka "$(<"$state/kafka/port")"; }

kafka_ready() { kafka_wait; }
