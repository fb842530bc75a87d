# MariaDB with the row binlog that Debezium follows. Sourced by scripts/servers.
# shellcheck shell=bash disable=SC2154

mysql_address() { echo "mysql://passflow:passflow@127.0.0.1:$1/portal"; }

# Making the system tables takes seconds, so it is done once for each version and copied.
mysql_template() { echo "$cache/mariadb-template-$(mariadbd --version | fingerprint -)"; }

fill_mysql_template() {
    say "preparing MariaDB's system tables"
    mkdir "$1/data"
    mysql_settings 0 "$1/data" >"$1/install.cnf"
    if ! mariadb-install-db --defaults-file="$1/install.cnf" --auth-root-authentication-method=normal --skip-test-db \
        >"$1/install.log" 2>&1; then
        tail -n 20 "$1/install.log" >&2
        return 1
    fi
    rm -f "$1"/install.* "$1"/data/binlog.*
}

# mysql_settings PORT DIRECTORY
# Commits go to the system's cache without a flush: they outlive a killed process, which is what the tests do to it.
# The socket's path is relative to the data: an absolute one can be longer than the 107 bytes that Linux allows.
mysql_settings() {
    cat <<CNF
[mysqld]
datadir=$2
port=$1
bind-address=127.0.0.1
socket=mariadb.sock
pid-file=$2/mariadb.pid
skip-name-resolve
server_id=4711
log_bin=$2/binlog
binlog_format=ROW
binlog_row_image=FULL
binlog_row_metadata=FULL
gtid_strict_mode=ON
character_set_server=utf8mb4
sync_binlog=0
innodb_flush_log_at_trx_commit=2
innodb_buffer_pool_size=32M
innodb_log_file_size=16M
innodb_log_buffer_size=2M
key_buffer_size=1M
aria_pagecache_buffer_size=2M
performance_schema=OFF
CNF
    [[ $(id -u) != 0 ]] || echo user=root
}

mysql_up() {
    mkdir -p "$state/mysql"
    free_port "$state/mysql/port"
    if [[ ! -d $state/mysql/data ]]; then
        rm -rf "$state/mysql/data.part"
        cp -a "$(mysql_template)/data" "$state/mysql/data.part"
        mv "$state/mysql/data.part" "$state/mysql/data"
    fi
    mysql_settings "$(<"$state/mysql/port")" "$state/mysql/data" >"$state/mysql/server.cnf"
    mysql_run
}

# portal.sql runs at each start, before anyone is let in.
mysql_run() {
    PATH=$PATH:/usr/sbin launch mysql mariadbd --defaults-file="$state/mysql/server.cnf" --init-file="$files/portal.sql"
}

# sql STATEMENT: in the database portal; rows without their heads.
sql() {
    (($# == 1)) || fail "sql needs one statement"
    mariadb --no-defaults --protocol=tcp --connect-timeout=2 -h 127.0.0.1 -P "$(<"$state/$(server_of mysql)/port")" \
        -upassflow -ppassflow portal -Ne "$1"
}

mysql_wait() { wait_until mysql 60 sql 'SELECT id FROM bytemark_tokens LIMIT 1'; }

mysql_ready() { mysql_wait; }
