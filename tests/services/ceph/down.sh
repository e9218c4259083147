#!/bin/sh
# Stops the Ceph that up.sh started:  down.sh FOLDER
set -eu
pids=""
for file in "$1"/run/client.gateway.pid "$1"/run/osd.0.pid "$1"/run/mon.a.pid; do
    [ -s "$file" ] || continue
    pid=$(cat "$file")
    if kill "$pid" 2>/dev/null; then pids="$pids $pid"; fi
done

# where nobody reaps orphans a process that has ended stays as a zombie
is_alive() { [ -r "/proc/$1/stat" ] && ! grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }
# the gateway hands in its work first; after 5 s there is nothing worth waiting for
for attempt in $(seq 50); do
    alive=""
    for pid in $pids; do if is_alive "$pid"; then alive="$alive $pid"; fi; done
    [ -n "$alive" ] || exit 0
    sleep 0.1
done
kill -9 $alive 2>/dev/null || true
