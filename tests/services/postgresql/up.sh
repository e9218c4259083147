#!/bin/sh
# Starts a PostgreSQL of its own on loopback, for tests:  up.sh FOLDER [PID]
# FOLDER (empty or new) holds all of it. With PID it stops by itself once that process is gone. Prints its address; down.sh FOLDER stops it.
set -eu
mkdir -p "$1"
folder=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
[ -n "$bin" ] || bin=$(dirname "$(command -v pg_ctl 2>/dev/null)") || { echo "PostgreSQL is not installed: apt-get install postgresql" >&2; exit 1; }

# the server refuses to run as root
as_server() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
if [ "$(id -u)" = 0 ]; then chown postgres "$folder"; fi

cd "$folder" # runuser keeps the current folder, and postgres may not enter everyone's
echo takt-secret >password
chmod 644 password
as_server "$bin/initdb" -D "$folder/data" -U takt --pwfile=password --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync >initdb.log 2>&1 ||
    { cat initdb.log >&2; exit 1; }

# a port found free may be taken before the server has it: try some
for attempt in 1 2 3 4 5; do
    port=$((20000 + ($$ * 7 + attempt * 1009) % 12000))
    if as_server "$bin/pg_ctl" -D "$folder/data" -l "$folder/server.log" -w -o \
        "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=300" start >start.log 2>&1; then
        echo "$port" >port
        if [ $# -gt 1 ]; then
            (while kill -0 "$2" 2>/dev/null; do sleep 1; done; "$here/down.sh" "$folder") >/dev/null 2>&1 </dev/null &
        fi
        echo "postgres://takt@127.0.0.1:$port/postgres"
        exit 0
    fi
done
cat start.log server.log >&2
exit 1
