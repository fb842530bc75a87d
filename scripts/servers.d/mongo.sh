# MongoDB: a replica set of one member, or of three for tests of elections. Sourced by scripts/servers.
# shellcheck shell=bash disable=SC2154

mongo_members() {
    local name
    for name in mongo mongo2 mongo3; do
        [[ ! -d $state/$name ]] || echo "$name"
    done
}

# The members' addresses, separated by commas.
mongo_hosts() {
    local name hosts=()
    for name in $(mongo_members); do
        hosts+=("127.0.0.1:$(<"$state/$name/port")")
    done
    (
        IFS=,
        echo "${hosts[*]}"
    )
}

mongo_address() { echo "mongodb://$(mongo_hosts)/?replicaSet=rs0"; }

mongo_up() {
    local name names=(mongo) members=${PASSFLOW_MONGO_MEMBERS:-1}
    case $members in
        1) ;;
        3) names+=(mongo2 mongo3) ;;
        *) fail "PASSFLOW_MONGO_MEMBERS is '$members', not 1 or 3" ;;
    esac
    # A set that runs already keeps its members when no number is asked for.
    if [[ -d $state/mongo && $(mongo_members | wc -l) != "$members" ]]; then
        [[ -z ${PASSFLOW_MONGO_MEMBERS:-} ]] || fail "the replica set in $state has not $members members; use 'down' first"
        mapfile -t names < <(mongo_members)
    fi
    for name in "${names[@]}"; do
        mkdir -p "$state/$name/data"
        free_port "$state/$name/port"
    done
    for name in "${names[@]}"; do
        mongo_run "$name"
    done
}

# Majority writes wait for the journal, as in production; it is written out every few milliseconds, not every 100.
mongo_run() {
    launch "$1" "$(mongod_path)" --dbpath "$state/$1/data" --port "$(<"$state/$1/port")" --bind_ip 127.0.0.1 \
        --nounixsocket --replSet rs0 --wiredTigerCacheSizeGB 0.25 --oplogSize 100 --journalCommitInterval 5 \
        --quiet --setParameter diagnosticDataCollectionEnabled=false
}

mongo_ready() {
    local name
    for name in $(mongo_members); do
        wait_until "$name" 60 port_open "$(<"$state/$name/port")"
    done
    python3 "$files/probe.py" mongo-initiate "$(mongo_hosts)" || fail_with_log mongo "cannot make the replica set"
    for name in $(mongo_members); do
        mongo_wait "$name"
    done
    # A member of three may be ready before any is elected.
    wait_until mongo 60 mongo_primary
}

# A lone member must be the primary, one of three may follow.
mongo_wait() {
    local wanted=member
    [[ $(mongo_members | wc -l) == 3 ]] || wanted=primary
    wait_until "$1" 60 python3 "$files/probe.py" "mongo-$wanted" "$(<"$state/$1/port")"
}

# The name of the member that takes writes.
mongo_primary() {
    local name
    for name in $(mongo_members); do
        if alive "$name" && python3 "$files/probe.py" mongo-primary "$(<"$state/$name/port")" 2>/dev/null; then
            echo "$name"
            return 0
        fi
    done
    say "no member of the replica set in $state takes writes"
    return 1
}
