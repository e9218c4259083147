#!/bin/bash
# What merging requests gives an ONNX model: three dense layers of 2,048 x 2,048 asked for one row each by 32 connections (binary tensors), the same model deployed with and without batch:, rounds interleaved.
# Beside it a convolution, which gains nothing. Needs wrk and a built ./takt (or TAKT=path).
# bench/serving/batching.sh [ROUNDS] [SECONDS]
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
rounds=${1:-3}; seconds=${2:-4}
command -v wrk >/dev/null || { echo "bench/serving needs wrk (apt-get install wrk)" >&2; exit 1; }
takt=${TAKT:-$here/artifacts/takt/takt}
[ -x "$takt" ] || "$here/takt" version >/dev/null || exit 1
dir=$(mktemp -d); server=""
trap '[ -z "$server" ] || kill $server 2>/dev/null; wait 2>/dev/null; rm -rf "$dir"' EXIT
PYTHONPATH="$here/bench/serving" PYTHONDONTWRITEBYTECODE=1 python3 - "$dir" <<'P'
import json, random, struct, sys
from onnx_model import binary_lua, node, save, tensor, weights
d = sys.argv[1]
random.seed(1)
save(d + "/dense", [node("MatMul", ["x", "a"], "h"), node("Relu", ["h"], "r"), node("MatMul", ["r", "b"], "s"), node("Relu", ["s"], "t"), node("MatMul", ["t", "c"], "y")], [weights(w, [2048, 2048]) for w in "abc"], tensor("x", [-1, 2048]), tensor("y", [-1, 2048]))
save(d + "/conv", [node("Conv", ["x", "w"], "y")], [weights("w", [32, 16, 3, 3])], tensor("x", [-1, 16, 32, 32]), tensor("y", [-1, 32, 30, 30]))
for name, shape, count in ("dense", [1, 2048], 2048), ("conv", [1, 16, 32, 32], 16384):
    raw = struct.pack("<%df" % count, *(random.random() for _ in range(count)))
    head = json.dumps({"inputs": [{"name": "x", "shape": shape, "datatype": "FP32", "parameters": {"binary_data_size": len(raw)}}], "parameters": {"binary_data_output": True}}, separators=(",", ":")).encode()
    open(f"{d}/{name}.bin", "wb").write(head + raw)
    open(f"{d}/{name}.head", "w").write(str(len(head)))
    binary_lua(f"{d}/{name}.lua", f"{d}/{name}.bin", len(head))
P
cat >"$dir/takt.yaml" <<'Y'
takt: 1
project: bench
stages:
  dense: { uses: takt/register@1, with: { model: dense/, name: dense } }
  conv: { uses: takt/register@1, with: { model: conv/, name: conv } }
deploy:
  dense: { model: dense@1, needs: [dense], log: { sample: 0% }, limits: { at-once: 32 } }
  dense-merged: { model: dense@1, needs: [dense], log: { sample: 0% }, batch: { rows: 32 } }
  conv: { model: conv@1, needs: [conv], log: { sample: 0% }, limits: { at-once: 32 } }
  conv-merged: { model: conv@1, needs: [conv], log: { sample: 0% }, batch: { rows: 32 } }
Y
"$takt" -C "$dir" run >"$dir/run.log" 2>&1 || { tail -5 "$dir/run.log"; exit 1; }
"$takt" -C "$dir" serve --port 0 >"$dir/serve.log" 2>&1 & server=$!
for _ in $(seq 200); do http=$(sed -n 's/.* on \(http[^ ]*\) .*/\1/p' "$dir/serve.log"); [ -n "$http" ] && curl -sf "$http/v2/models/conv-merged/ready" >/dev/null && curl -sf "$http/v2/models/dense-merged/ready" >/dev/null && break; sleep 0.1; done
for model in dense dense-merged conv conv-merged; do
    curl -sf -XPOST -H 'Content-Type: application/octet-stream' -H "Inference-Header-Content-Length: $(cat "$dir/${model%-merged}.head")" --data-binary @"$dir/${model%-merged}.bin" "$http/v2/models/$model/infer" | tail -c 4096 | md5sum >"$dir/$model.md5" || { echo "$model does not answer"; cat "$dir/serve.log"; exit 1; }
done
load() { # MODEL FILE
    wrk -t1 -c32 -d"${seconds}s" --latency -s "$dir/${1%-merged}.lua" "$http/v2/models/$1/infer" >"$dir/wrk.txt"
    awk -v name="$1" '/Requests\/sec/ { r = $2 } $1 == "50%" { p50 = $2 } $1 == "99%" { p99 = $2 } /Non-2xx/ { bad = $0 } END { print name, r, p50, p99, bad }' "$dir/wrk.txt" >>"$dir/$2"
}
for model in dense dense-merged conv conv-merged; do load $model warm.txt; done
for _ in $(seq "$rounds"); do for model in dense dense-merged conv conv-merged; do load $model all.txt; done; done
PYTHONPATH="$here/bench/serving" PYTHONDONTWRITEBYTECODE=1 python3 - "$dir/all.txt" <<'P'
import sys
from medians import table
m = table(sys.argv[1])
for name in ("dense", "conv"): print(f"{name:6} merged / one by one   {m[name + '-merged'][0] / m[name][0]:.2f}")
P
