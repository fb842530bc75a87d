# Starting, watching and ending one server's process. Sourced by scripts/servers.
# shellcheck shell=bash disable=SC2154

# launch NAME COMMAND...: in a session of its own, without this script's files, so that neither an interrupt nor a
# reader of our output hangs on it.
launch() {
    local name=$1 directory=$state/$1
    shift
    ! alive "$name" || return 0
    setsid "$@" </dev/null >>"$directory/log" 2>&1 {state_lock}<&- &
    echo "$! $(started_at "$!")" >"$directory/pid"
}

# The instant a process began tells it from a later one with the same number.
started_at() { process_field "$1" 20; }

# process_field PID N: the Nth field of /proc/PID/stat after the command's name, which may hold anything.
process_field() {
    local text fields
    text=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
    read -ra fields <<<"${text##*) }"
    echo "${fields[$2 - 1]}"
}

pid_of() {
    local pid _started
    read -r pid _started <"$state/$1/pid"
    echo "$pid"
}

# A process that ended and that nobody waited for (a zombie) is not alive.
alive() {
    local pid started
    [[ -s $state/$1/pid ]] && read -r pid started <"$state/$1/pid" || return 1
    [[ $(started_at "$pid") == "$started" && $(process_field "$pid" 1) != Z ]]
}

signal() {
    alive "$2" || fail "$2 is not running"
    kill "-$1" "$(pid_of "$2")"
}

# signal_and_wait SIGNAL NAME: until the process is gone; one that is gone already is fine.
signal_and_wait() {
    local deadline=$((SECONDS + 60))
    [[ ! -s $state/$2/pid ]] || ! alive "$2" || kill "-$1" "$(pid_of "$2")"
    while alive "$2"; do
        ((SECONDS < deadline)) || fail_with_log "$2" "$2 did not end within 60 s of SIG$1"
        sleep 0.05
    done
    rm -f "$state/$2/pid"
}

# wait_until NAME SECONDS CHECK...: fails with the log's end when the server dies or stays silent.
wait_until() {
    local name=$1 seconds=$2 deadline=$((SECONDS + $2))
    shift 2
    until "$@" >/dev/null 2>&1; do
        alive "$name" || fail_with_log "$name" "$name ended instead of getting ready"
        ((SECONDS < deadline)) || fail_with_log "$name" "$name was not ready within $seconds s"
        sleep 0.1
    done
}

fail_with_log() {
    say "$2; the end of $state/$1/log:"
    tail -n 20 "$state/$1/log" >&2
    exit 1
}

memory_mb() { awk '/^VmRSS/ { print int($2 / 1024) }' "/proc/$(pid_of "$1")/status"; }
