# Getting things whole: the system's packages, Java archives, and directories that appear complete or not at all.
# Sourced by scripts/servers.
# shellcheck shell=bash disable=SC2154,SC2034

# apt_install PACKAGE...
apt_install() {
    command -v apt-get >/dev/null || fail "please install $* (no apt-get here)"
    local as_root=()
    [[ $(id -u) == 0 ]] || as_root=(sudo)
    say "installing $*"
    "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=600 update -qq >/dev/null
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends "$@" >/dev/null
}

# need COMMAND PACKAGE...: installs the packages when the command is missing.
need() {
    local command=$1
    shift
    command -v "$command" >/dev/null || apt_install "$@"
}

# once DIRECTORY FUNCTION: has FUNCTION fill a directory beside it, then renames that, so that what stands under its
# name is whole. One process at a time; the others find it done.
once() {
    [[ ! -d $1 ]] || return 0
    local lock made
    exec {lock}>"$cache/install.lock"
    flock -w 1800 "$lock" || fail "another scripts/servers has been installing for 30 minutes"
    if [[ ! -d $1 ]]; then
        rm -rf "$1.part"
        mkdir -p "$1.part"
        # In a condition the shell would go on after the first command that fails.
        set +e
        (set -e; "$2" "$1.part")
        made=$?
        set -e
        ((made == 0)) || fail "could not make $1"
        mv "$1.part" "$1"
    fi
    exec {lock}>&-
}

# fingerprint FILE...: names a directory after what it was made from, so that a change makes a new one.
fingerprint() { cat "$@" | sha256sum | cut -c1-12; }

jars_dir() { echo "$cache/jars/$1-$(fingerprint "$files/pom.xml")"; }

# copy_jars PROFILE DIRECTORY: a profile of pom.xml with all it depends on. Maven checks each file's checksum.
copy_jars() {
    need java default-jre-headless
    need mvn maven
    say "fetching the Java archives of $1"
    mvn -B -ntp -q -Dstyle.color=never --strict-checksums -f "$files/pom.xml" -P "$1" \
        org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
        -DoutputDirectory="$2" -DincludeScope=runtime >&2
}

# Small and quick to start, for servers that live for minutes. `-Xshare:auto` and C1 alone halve the start.
java_options=(-Xms64m -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+ExitOnOutOfMemoryError -Xshare:auto
    -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dorg.slf4j.simpleLogger.showDateTime=true
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS")
