# Kafka Connect with Debezium. Distributed, so that a connector outlives a restart. Sourced by scripts/servers.
# shellcheck shell=bash disable=SC2154

connect_address() { echo "http://127.0.0.1:$1"; }

connect_up() {
    mkdir -p "$state/connect"
    free_port "$state/connect/port"
    cat >"$state/connect/worker.properties" <<PROPERTIES
bootstrap.servers=$(address_of kafka)
group.id=connect
listeners=http://127.0.0.1:$(<"$state/connect/port")
plugin.path=$(jars_dir connect)/plugins
plugin.discovery=service_load
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
key.converter.schemas.enable=false
value.converter.schemas.enable=false
config.storage.topic=connect.configs
config.storage.replication.factor=1
offset.storage.topic=connect.offsets
offset.storage.replication.factor=1
offset.storage.partitions=1
status.storage.topic=connect.status
status.storage.replication.factor=1
status.storage.partitions=1
offset.flush.interval.ms=500
scheduled.rebalance.max.delay.ms=0
PROPERTIES
    connect_run
}

connect_run() {
    launch connect java "${java_options[@]}" -cp "$(jars_dir connect)/worker/*" \
        org.apache.kafka.connect.cli.ConnectDistributed "$state/connect/worker.properties"
}

# The list of connectors is answered only by a worker that has joined its group and read its topics.
connect_wait() { wait_until connect 120 python3 "$files/probe.py" connect "$(connect_address "$(<"$state/connect/port")")"; }

connect_ready() { connect_wait; }

# disconnect NAME: the connector of that name is gone; what it wrote stays.
disconnect() {
    (($# == 1)) || fail "disconnect needs the name of one connector"
    python3 "$files/probe.py" disconnect "$(address_of connect)" "$1" || fail "the connector '$1' cannot be ended"
}

# connector [KEY=VALUE ...]: makes or changes a connector and waits until its task runs. A second one beside it needs
# a name, topic.prefix and database.server.id of its own.
connector() {
    local connect kafka mysql user
    connect=$(address_of connect) kafka=$(address_of kafka) mysql=$(address_of mysql)
    [[ -n $connect && -n $kafka && -n $mysql ]] || fail "a connector needs 'up connect' first"
    # mysql://USER:PASSWORD@HOST:PORT/DATABASE; on our own server there is a user for this.
    local rest=${mysql#*://} credentials host database
    credentials=${rest%@*} rest=${rest##*@}
    host=${rest%%/*} database=${rest#*/} database=${database%%\?*}
    [[ $mysql != "$(own_address mysql)" ]] || credentials=debezium:debezium
    user=${credentials%%:*}
    python3 "$files/probe.py" connector "$connect" \
        name=portal \
        connector.class=io.debezium.connector.mariadb.MariaDbConnector \
        tasks.max=1 \
        database.hostname="${host%:*}" \
        database.port="${host##*:}" \
        database.user="$user" \
        database.password="${credentials#*:}" \
        database.server.id=223344 \
        database.ssl.mode=disable \
        database.include.list="$database" \
        table.include.list="$database.bytemark_tokens" \
        topic.prefix=cdc \
        snapshot.mode=initial \
        include.schema.changes=false \
        poll.interval.ms=50 \
        schema.history.internal.kafka.bootstrap.servers="$kafka" \
        schema.history.internal.kafka.topic=schema-history \
        topic.creation.default.replication.factor=1 \
        topic.creation.default.partitions=3 \
        topic.creation.default.cleanup.policy=compact \
        "$@" || fail "the connector does not run"
}
