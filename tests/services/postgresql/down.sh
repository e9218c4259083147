#!/bin/sh
# Stops the PostgreSQL that up.sh started:  down.sh FOLDER [MODE]   MODE: fast (default) or immediate, which is what a power loss looks like to it.
set -eu
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
[ -n "$bin" ] || bin=$(dirname "$(command -v pg_ctl)")
[ -s "$1/data/postmaster.pid" ] || exit 0
cd "$1"
if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$bin/pg_ctl" -D "$1/data" -m "${2:-fast}" -w stop >/dev/null
else "$bin/pg_ctl" -D "$1/data" -m "${2:-fast}" -w stop >/dev/null; fi
