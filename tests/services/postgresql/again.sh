#!/bin/sh
# Starts the PostgreSQL of up.sh again, on the same port:  again.sh FOLDER
set -eu
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
[ -n "$bin" ] || bin=$(dirname "$(command -v pg_ctl)")
cd "$1"
set -- "$bin/pg_ctl" -D "$1/data" -l "$1/server.log" -w -o \
    "-p $(cat port) -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=300" start
if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi >start.log 2>&1
