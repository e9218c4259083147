#!/bin/bash
# gRPC beside JSON, asked by one C# client in the same run: requests of 1, 64 and 1,000 rows of 12 features to a model of 100 trees, not logged. Needs a built ./takt (or TAKT=path).
# bench/serving/grpc.sh [ROUNDS] [SECONDS]
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
takt=${TAKT:-$here/artifacts/takt/takt}
[ -x "$takt" ] || "$here/takt" version >/dev/null || exit 1
dotnet build "$here/bench/serving/grpc" -c Release --nologo -v q >/dev/null || exit 1
dir=$(mktemp -d); server=""
trap '[ -z "$server" ] || kill $server 2>/dev/null; wait 2>/dev/null; rm -rf "$dir"' EXIT
names=$(seq -s, 0 11 | sed 's/\([0-9]*\)/f\1/g')
awk -v names="$names" 'BEGIN { srand(1); print names ",y"; for (i = 0; i < 20000; i++) { line = ""; for (f = 0; f < 12; f++) { v[f] = rand(); line = line sprintf("%.6f,", v[f]) } print line (v[0] + v[1] * v[2] > 0.8 ? 1 : 0) } }' >"$dir/train.csv"
cat >"$dir/takt.yaml" <<'Y'
takt: 1
project: bench
stages:
  train: { uses: takt/train-tabular@1, with: { data: train.csv, target: y, task: binary, trees: 100, leaves: 31, seed: 1, output: out/model/ } }
  register: { uses: takt/register@1, with: { model: out/model/, name: m, alias: candidate } }
deploy:
  m: { model: m@candidate, endpoint: m, needs: [register], log: { sample: 0% } }
Y
"$takt" -C "$dir" run >"$dir/run.log" 2>&1 || { tail -5 "$dir/run.log"; exit 1; }
"$takt" -C "$dir" serve --port 0 --grpc-port 0 >"$dir/serve.log" 2>&1 & server=$!
for _ in $(seq 200); do http=$(sed -n 's/.* on \(http[^ ]*\) .*/\1/p' "$dir/serve.log"); [ -n "$http" ] && curl -sf "$http/v2/models/m/ready" >/dev/null && break; sleep 0.1; done
grpc=$(sed -n 's/.* gRPC on \([^ ]*\) .*/\1/p' "$dir/serve.log")
"$here/artifacts/bin/grpc/release/grpc" $server "$http" "http://$grpc" "$@" || { cat "$dir/serve.log"; exit 1; }
echo "server RSS high-water $(awk '/VmHWM/ { printf "%.0f", $2 / 1024 }' /proc/$server/status) MB"
