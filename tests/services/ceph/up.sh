#!/bin/bash
# Starts a Ceph of its own (one monitor, one store in memory) with its S3 gateway on loopback, for tests:  up.sh FOLDER [PID]
# FOLDER (empty or new) holds all of it. With PID it stops by itself once that process is gone.
# Prints three words: the endpoint, an access key and its secret. down.sh FOLDER stops it.
set -euo pipefail
mkdir -p "$1"
folder=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$folder"/{mon,osd,gateway,run,log}

for program in ceph ceph-mon ceph-osd radosgw radosgw-admin jq curl; do
    command -v $program >/dev/null || { echo "$program is not installed: apt-get install radosgw ceph-osd ceph-mon ceph-common jq curl" >&2; exit 1; }
done
fail() { echo "Ceph did not start: $1; its logs:" >&2; tail -n 15 "$folder"/log/*.log >&2 || true; "$here/down.sh" "$folder" || true; exit 1; }
is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
free_port() { local port; for _ in {1..50}; do port=$((RANDOM % 12000 + 20000)); is_free $port && { echo $port; return; }; done; return 1; }

cluster=$(cat /proc/sys/kernel/random/uuid)
monitor="[v2:127.0.0.1:$(free_port),v1:127.0.0.1:$(free_port)]"
endpoint=127.0.0.1:$(free_port)

# replication off, no manager; cephx stays on because the gateway hangs without it
cat >"$folder/ceph.conf" <<CONF
[global]
fsid = $cluster
mon host = $monitor
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
keyring = $folder/admin.keyring
auth allow insecure global id reclaim = false
mon data = $folder/mon
osd data = $folder/osd
osd objectstore = memstore
memstore device bytes = 2147483648
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd crush chooseleaf type = 0
run dir = $folder/run
admin socket = $folder/run/\$name.asok
pid file = $folder/run/\$name.pid
log file = $folder/log/\$name.log
[osd.0]
keyring = $folder/osd/keyring
[client.gateway]
keyring = $folder/gateway/keyring
rgw data = $folder/gateway
rgw frontends = beast endpoint=$endpoint
rgw multipart min part size = 5242880
CONF
conf=(--conf "$folder/ceph.conf")

# COMMAND within SECONDS, again until it succeeds
until_up() { local end=$((SECONDS + $1)); shift; until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $end ] || return 1; sleep 0.2; done; }

key() { ceph-authtool --create-keyring "$1" --gen-key -n "$2" "${@:3}" >/dev/null; }
key "$folder/mon.keyring" mon. --cap mon 'allow *'
key "$folder/admin.keyring" client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
key "$folder/osd/keyring" osd.0
key "$folder/gateway/keyring" client.gateway
ceph-authtool "$folder/mon.keyring" --import-keyring "$folder/admin.keyring" >/dev/null

monmaptool --create --addv a "$monitor" --fsid "$cluster" "$folder/monmap" >/dev/null
ceph-mon "${conf[@]}" -i a --mkfs --monmap "$folder/monmap" --keyring "$folder/mon.keyring" || fail "the monitor has no store"
ceph-mon "${conf[@]}" -i a --public-addr 127.0.0.1 </dev/null || fail "the monitor ended"
until_up 180 timeout 30 ceph "${conf[@]}" mon stat || fail "the monitor does not answer"

store=$(cat /proc/sys/kernel/random/uuid)
{
    timeout 60 ceph "${conf[@]}" auth add client.gateway mon 'allow rw' osd 'allow rwx' -i "$folder/gateway/keyring"
    timeout 60 ceph "${conf[@]}" osd new "$store"
    timeout 60 ceph "${conf[@]}" auth add osd.0 osd 'allow *' mon 'allow profile osd' -i "$folder/osd/keyring"
    ceph-osd "${conf[@]}" -i 0 --mkfs --osd-uuid "$store"
    ceph-osd "${conf[@]}" -i 0 </dev/null
} >"$folder/log/setup.log" 2>&1 || fail "the store could not be set up"
is_up() { [ "$(timeout 30 ceph "${conf[@]}" osd stat -f json | jq -r .num_up_osds)" = 1 ]; }
until_up 180 is_up || fail "the store does not come up"

radosgw "${conf[@]}" -n client.gateway </dev/null >/dev/null 2>&1 || fail "the gateway ended"
until_up 180 curl -sf -o /dev/null "http://$endpoint/" || fail "the gateway does not answer"
timeout 60 radosgw-admin "${conf[@]}" -n client.gateway user create --uid takt --display-name takt >"$folder/user.json" 2>>"$folder/log/setup.log" ||
    fail "the gateway makes no user"
chmod 600 "$folder/user.json"

if [ $# -gt 1 ]; then
    (while kill -0 "$2" 2>/dev/null; do sleep 1; done; "$here/down.sh" "$folder") >/dev/null 2>&1 </dev/null &
fi
echo "http://$endpoint $(jq -r '.keys[0] | .access_key + " " + .secret_key' "$folder/user.json")"
