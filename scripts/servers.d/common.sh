# Messages, the lock on a set's state, ports, and which address a server has. Sourced by scripts/servers.
# shellcheck shell=bash disable=SC2154,SC2034

say() { echo "servers: $*" >&2; }

fail() {
    say "$*"
    exit 1
}

# One command at a time changes a set. The directory itself is the lock, so that nothing is left when the set is gone;
# whoever waited for a directory that was removed meanwhile begins anew.
lock_state() {
    local lock
    while true; do
        mkdir -p "$state"
        exec {lock}<"$state" || continue
        flock -w 900 "$lock" || fail "another scripts/servers has held $state for 15 minutes"
        [[ ! $state -ef /proc/$BASHPID/fd/$lock ]] || break
        exec {lock}<&-
    done
    state_lock=$lock
}

ports=$cache/ports

# free_port FILE: writes a port into FILE that no server here has, once; later calls keep it.
# Below the range that the system gives to outgoing connections: those would take the port of a stopped server.
# A claim is a link named by the port to the set that has it, so that two sets choosing at once differ.
free_port() {
    [[ ! -s $1 ]] || return 0
    mkdir -p "$ports"
    local port
    for _ in {1..200}; do
        port=$((20000 + RANDOM % 10000))
        [[ -e $ports/$port ]] || rm -f "${ports:?}/$port"
        ! port_open "$port" || continue
        ln -sn "$state" "$ports/$port" 2>/dev/null || continue
        echo "$port" >"$1"
        return 0
    done
    fail "no free port between 20000 and 29999"
}

free_ports() {
    local claim
    for claim in "$ports"/*; do
        [[ $(readlink "$claim") != "$state" ]] || rm -f "$claim"
    done
    rmdir "$ports" 2>/dev/null || true
}

port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

variable_of() {
    case $1 in
        mongo) echo PASSFLOW_TEST_MONGODB ;;
        *) echo "PASSFLOW_TEST_${1^^}" ;;
    esac
}

# own_address NAME: where this set's server is, stopped or not; nothing when the set has none.
own_address() {
    [[ ! -s $state/$1/port ]] || "$1_address" "$(<"$state/$1/port")"
}

# address_of NAME: what the caller named, else this set's own.
address_of() {
    local variable
    variable=$(variable_of "$1")
    echo "${!variable:-$(own_address "$1")}"
}

# named_elsewhere NAME: true when the caller named a server that is not this set's; it must answer.
named_elsewhere() {
    local variable address host port
    variable=$(variable_of "$1")
    address=${!variable:-}
    [[ -n $address && $address != "$(own_address "$1")" ]] || return 1
    # The first host and port of SCHEME://USER:PASSWORD@HOST:PORT,HOST:PORT/PATH.
    host=${address#*://} host=${host##*@} host=${host%%[/,?]*} port=${host##*:} host=${host%:*}
    if ! timeout 10 bash -c "exec 3<>'/dev/tcp/$host/$port'" 2>/dev/null; then
        fail "$variable names $host:$port, where nothing answers; unset it to have a server started here"
    fi
    say "$1: using the one at $host:$port that $variable names"
}

# quoted TEXT: as a word of the shell, in quotes only where it needs them.
quoted() {
    if [[ $1 =~ ^[A-Za-z0-9_.,:/@-]+$ ]]; then
        echo "$1"
    else
        echo "'${1//\'/\'\\\'\'}'"
    fi
}
