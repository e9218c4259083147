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
python3 - "$dir" <<'P'
import json, os, random, struct, sys
def varint(n):
    out = b""
    while n > 127: out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])
def field(number, value):  # protobuf: a number, a text or a message
    if isinstance(value, int): return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value
def tensor(name, shape):  # ValueInfoProto; -1: the batch
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, b"".join(field(1, field(2, "n") if d < 0 else field(1, d)) for d in shape))))
def weights(name, shape):  # TensorProto
    count = 1
    for d in shape: count *= d
    return b"".join(field(1, d) for d in shape) + field(2, 1) + field(8, name) + field(9, struct.pack("<%df" % count, *(random.random() * 0.1 - 0.05 for _ in range(count))))
def node(op, inputs, output): return field(1, b"".join(field(1, i) for i in inputs) + field(2, output) + field(4, op))
def model(nodes, constants, takes, gives): return field(1, 8) + field(7, b"".join(nodes) + field(2, "g") + b"".join(field(5, c) for c in constants) + field(11, takes) + field(12, gives)) + field(8, field(1, "") + field(2, 13))
random.seed(1)
models = {
    "dense": (model([node("MatMul", ["x", "a"], "h"), node("Relu", ["h"], "r"), node("MatMul", ["r", "b"], "s"), node("Relu", ["s"], "t"), node("MatMul", ["t", "c"], "y")], [weights(w, [2048, 2048]) for w in "abc"], tensor("x", [-1, 2048]), tensor("y", [-1, 2048])), [1, 2048]),
    "conv": (model([node("Conv", ["x", "w"], "y")], [weights("w", [32, 16, 3, 3])], tensor("x", [-1, 16, 32, 32]), tensor("y", [-1, 32, 30, 30])), [1, 16, 32, 32]),
}
for name, (body, shape) in models.items():
    folder = os.path.join(sys.argv[1], name)
    os.mkdir(folder)
    open(folder + "/model.onnx", "wb").write(body)
    open(folder + "/MLmodel", "w").write("flavors:\n  onnx:\n    code: null\n    data: model.onnx\n    onnx_version: 1.16.0\n    providers:\n    - CPUExecutionProvider\n  python_function:\n    loader_module: mlflow.onnx\n    data: model.onnx\n")
    count = 1
    for d in shape: count *= d
    raw = struct.pack("<%df" % count, *(random.random() for _ in range(count)))
    head = json.dumps({"inputs": [{"name": "x", "shape": shape, "datatype": "FP32", "parameters": {"binary_data_size": len(raw)}}], "parameters": {"binary_data_output": True}}, separators=(",", ":")).encode()
    open(f"{sys.argv[1]}/{name}.bin", "wb").write(head + raw)
    open(f"{sys.argv[1]}/{name}.head", "w").write(str(len(head)))
    open(f"{sys.argv[1]}/{name}.lua", "w").write('local f = io.open("%s/%s.bin", "rb")\nwrk.method = "POST"\nwrk.headers["Content-Type"] = "application/octet-stream"\nwrk.headers["Inference-Header-Content-Length"] = "%d"\nwrk.body = f:read("*a")\n' % (sys.argv[1], name, len(head)))
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
python3 - "$dir/all.txt" <<'P'
import statistics, sys
def ms(t): return float(t[:-2]) / 1000 if t.endswith("us") else float(t[:-2]) if t.endswith("ms") else float(t[:-1]) * 1000
rows = {}
for line in open(sys.argv[1]):
    name, rate, p50, p99, *bad = line.split(None, 4)
    rows.setdefault(name, []).append((float(rate), ms(p50), ms(p99)))
    if bad and bad[0].strip(): sys.exit(f"{name}: {bad[0].strip()}: no figures")
m = {n: [statistics.median(c) for c in zip(*r)] for n, r in rows.items()}
for name, (rate, p50, p99) in m.items(): print(f"{name:14} {rate:9,.0f} req/s   p50 {p50:7.2f} ms   p99 {p99:7.2f} ms   (median of {len(rows[name])})")
for name in ("dense", "conv"): print(f"{name:6} merged / one by one   {m[name + '-merged'][0] / m[name][0]:.2f}")
P
