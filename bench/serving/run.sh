#!/bin/bash
# v2 JSON inference of a 100-tree model beside a plain Kestrel hello and, where Debian's python3-fastapi, -uvicorn and -xgboost are there, a FastAPI server; all in one run,
# rounds interleaved, 32 connections. Needs wrk and a built ./takt (or TAKT=path).
# bench/serving/run.sh [ROUNDS] [SECONDS]
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
rounds=${1:-3}; seconds=${2:-4}
command -v wrk >/dev/null || { echo "bench/serving needs wrk (apt-get install wrk)" >&2; exit 1; }
takt=${TAKT:-$here/artifacts/takt/takt}
[ -x "$takt" ] || "$here/takt" version >/dev/null || exit 1
dotnet build "$here/bench/serving/hello" -c Release --nologo -v q >/dev/null || exit 1
dir=$(mktemp -d); pids=""
trap 'kill $pids 2>/dev/null; wait 2>/dev/null; rm -rf "$dir"' EXIT
free() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }
names=$(seq -s, 0 11 | sed 's/\([0-9]*\)/f\1/g')
awk -v names="$names" 'BEGIN { srand(1); print names ",y"; for (i = 0; i < 20000; i++) { line = ""; for (f = 0; f < 12; f++) { v[f] = rand(); line = line sprintf("%.6f,", v[f]) } print line (v[0] + v[1] * v[2] > 0.8 ? 1 : 0) } }' >"$dir/train.csv"
deploy() { printf '  %s: { model: m@candidate, endpoint: %s, needs: [register]%s }\n' "$1" "$1" "$2"; }
{ cat <<Y
takt: 1
project: bench
stages:
  train: { uses: takt/train-tabular@1, with: { data: train.csv, target: y, task: binary, trees: 100, leaves: 31, seed: 1, output: out/model/ } }
  register: { uses: takt/register@1, with: { model: out/model/, name: m, alias: candidate } }
deploy:
Y
deploy m ""; deploy unlogged ", log: { sample: 0% }"; } >"$dir/takt.yaml"
"$takt" -C "$dir" run >"$dir/run.log" 2>&1 || { tail -5 "$dir/run.log"; exit 1; }
port=$(free); "$takt" -C "$dir" serve --port "$port" >"$dir/serve.log" 2>&1 & server=$!; pids="$pids $server"
hello=$(free); "$here/artifacts/bin/hello/release/hello" "$hello" >/dev/null 2>&1 & pids="$pids $!"
fast=""
if /usr/bin/python3 -c 'import fastapi, uvicorn, xgboost' 2>/dev/null; then
    fast=$(free); (cd "$here/bench/serving" && exec /usr/bin/python3 -B -m uvicorn fastapi_app:app --host 127.0.0.1 --port "$fast" --workers 2 --no-access-log --log-level error) >/dev/null 2>&1 & pids="$pids $!"
fi
python3 - "$dir" <<'P'
import json, random, sys
random.seed(2)
body = json.dumps({"inputs": [{"name": f"f{i}", "shape": [1], "datatype": "FP64", "data": [round(random.random(), 4)]} for i in range(12)]}, separators=(",", ":"))
open(sys.argv[1] + "/body.json", "w").write(body)
open(sys.argv[1] + "/post.lua", "w").write(f'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nwrk.body = [[{body}]]\n')
P
for url in "http://127.0.0.1:$port/v2/models/unlogged/ready" "http://127.0.0.1:$port/v2/models/m/ready" "http://127.0.0.1:$hello/"; do
    for _ in $(seq 200); do curl -sf "$url" >/dev/null && break; sleep 0.1; done
done
[ -z "$fast" ] || for _ in $(seq 300); do curl -sf -XPOST -d @"$dir/body.json" "http://127.0.0.1:$fast/v2/models/m/infer" >/dev/null && break; sleep 0.2; done
curl -sf -XPOST -d @"$dir/body.json" "http://127.0.0.1:$port/v2/models/m/infer" >/dev/null || { echo "the endpoint does not answer"; cat "$dir/serve.log"; exit 1; }
load() { # NAME URL [SCRIPT]
    wrk -t1 -c32 -d"${seconds}s" --latency ${3:+-s "$3"} "$2" >"$dir/wrk.txt"
    awk -v name="$1" '/Requests\/sec/ { r = $2 } $1 == "50%" { p50 = $2 } $1 == "99%" { p99 = $2 } /Non-2xx/ { bad = $0 } END { print name, r, p50, p99, bad }' "$dir/wrk.txt" >>"$dir/all.txt"
}
warm() { wrk -t1 -c32 -d3s ${2:+-s "$2"} "$1" >/dev/null; }
warm "http://127.0.0.1:$hello/"; warm "http://127.0.0.1:$port/v2/models/m/infer" "$dir/post.lua"; warm "http://127.0.0.1:$port/v2/models/unlogged/infer" "$dir/post.lua"
for _ in $(seq "$rounds"); do
    load hello "http://127.0.0.1:$hello/"
    load infer "http://127.0.0.1:$port/v2/models/m/infer" "$dir/post.lua"
    load unlogged "http://127.0.0.1:$port/v2/models/unlogged/infer" "$dir/post.lua"
    [ -z "$fast" ] || load fastapi "http://127.0.0.1:$fast/v2/models/m/infer" "$dir/post.lua"
done
dropped=$(curl -s "http://127.0.0.1:$port/api/v1/deployments/m/predictions?limit=1" | sed 's/.*"dropped":\([0-9]*\).*/\1/')
rss=$(awk '/VmHWM/ { printf "%.0f", $2 / 1024 }' /proc/$server/status)
PYTHONPATH="$here/bench/serving" PYTHONDONTWRITEBYTECODE=1 python3 - "$dir/all.txt" "$dropped" "$rss" <<'P'
import sys
from medians import table
m = table(sys.argv[1], strict=False)
print(f"infer / hello      {m['infer'][0] / m['hello'][0]:.2f}   (bar 0.60)")
print(f"p99 infer / hello  {m['infer'][2] / m['hello'][2]:.2f}   (bar 2.5)")
print(f"logged / unlogged  {m['infer'][0] / m['unlogged'][0]:.2f}   (bar 0.90)")
if "fastapi" in m: print(f"infer / fastapi    {m['infer'][0] / m['fastapi'][0]:.1f}    (bar 5)")
print(f"dropped from the log {sys.argv[2]}, server RSS high-water {sys.argv[3]} MB")
P
