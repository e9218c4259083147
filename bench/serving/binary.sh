#!/bin/bash
# Triton's binary tensors beside JSON: the same ONNX models asked for 27,648 floats (an image of 3 x 48 x 192) in one run, rounds interleaved: the image and back (bar: 2.5 times JSON),
# and the image to three means. Needs wrk and a built ./takt (or TAKT=path).
# bench/serving/binary.sh [ROUNDS] [SECONDS]
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
    dims = b"".join(field(1, field(2, "n") if d < 0 else field(1, d)) for d in shape)
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, dims)))
def model(op, shape):
    graph = field(1, field(1, "image") + field(2, "same") + field(4, op)) + field(2, "g") + field(11, tensor("image", [-1, 3, 48, 192])) + field(12, tensor("same", shape))
    return field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13))
for name, op, shape in (("image", "Identity", [-1, 3, 48, 192]), ("means", "GlobalAveragePool", [-1, 3, 1, 1])):
    folder = os.path.join(sys.argv[1], name)
    os.mkdir(folder)
    open(folder + "/model.onnx", "wb").write(model(op, shape))
    open(folder + "/MLmodel", "w").write("flavors:\n  onnx:\n    code: null\n    data: model.onnx\n    onnx_version: 1.16.0\n    providers:\n    - CPUExecutionProvider\n  python_function:\n    loader_module: mlflow.onnx\n    data: model.onnx\n")
random.seed(2)
raw = struct.pack("<27648f", *(random.random() for _ in range(27648)))
values = struct.unpack("<27648f", raw)
tell = {"name": "image", "shape": [1, 3, 48, 192], "datatype": "FP32"}
body = json.dumps({"inputs": [{**tell, "data": [float("%.9g" % v) for v in values]}]}, separators=(",", ":"))
head = json.dumps({"inputs": [{**tell, "parameters": {"binary_data_size": len(raw)}}], "parameters": {"binary_data_output": True}}, separators=(",", ":")).encode()
open(sys.argv[1] + "/body.json", "w").write(body)
open(sys.argv[1] + "/body.bin", "wb").write(head + raw)
open(sys.argv[1] + "/json.lua", "w").write('local f = io.open("%s/body.json", "rb")\nwrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nwrk.body = f:read("*a")\n' % sys.argv[1])
open(sys.argv[1] + "/binary.lua", "w").write('local f = io.open("%s/body.bin", "rb")\nwrk.method = "POST"\nwrk.headers["Content-Type"] = "application/octet-stream"\nwrk.headers["Inference-Header-Content-Length"] = "%d"\nwrk.body = f:read("*a")\n' % (sys.argv[1], len(head)))
open(sys.argv[1] + "/head", "w").write(str(len(head)))
P
cat >"$dir/takt.yaml" <<'Y'
takt: 1
project: bench
stages:
  image: { uses: takt/register@1, with: { model: image/, name: image } }
  means: { uses: takt/register@1, with: { model: means/, name: means } }
deploy:
  image: { model: image@1, needs: [image], log: { sample: 0% } }
  means: { model: means@1, needs: [means], log: { sample: 0% } }
Y
"$takt" -C "$dir" run >"$dir/run.log" 2>&1 || { tail -5 "$dir/run.log"; exit 1; }
"$takt" -C "$dir" serve --port 0 >"$dir/serve.log" 2>&1 & server=$!
for _ in $(seq 200); do http=$(sed -n 's/.* on \(http[^ ]*\) .*/\1/p' "$dir/serve.log"); [ -n "$http" ] && curl -sf "$http/v2/models/image/ready" >/dev/null && curl -sf "$http/v2/models/means/ready" >/dev/null && break; sleep 0.1; done
# the two forms give the same floats
curl -sf -XPOST --data-binary @"$dir/body.json" "$http/v2/models/image/infer" >"$dir/json.out" || { echo "JSON is not answered"; cat "$dir/serve.log"; exit 1; }
curl -sf -XPOST -D "$dir/binary.head" -H 'Content-Type: application/octet-stream' -H "Inference-Header-Content-Length: $(cat "$dir/head")" --data-binary @"$dir/body.bin" "$http/v2/models/image/infer" >"$dir/binary.out" || { echo "binary tensors are not answered"; exit 1; }
python3 - "$dir" <<'P' || exit 1
import json, struct, sys
d = sys.argv[1]
told = json.load(open(d + "/json.out"))["outputs"][0]["data"]
raw = open(d + "/binary.out", "rb").read()[-4 * 27648:]
f = lambda values: struct.pack("<27648f", *values)
if f(told) != raw: sys.exit("the two forms give different floats")
P
load() { # NAME MODEL FORM
    wrk -t1 -c8 -d"${seconds}s" --latency -s "$dir/$3.lua" "$http/v2/models/$2/infer" >"$dir/wrk.txt"
    awk -v name="$1" '/Requests\/sec/ { r = $2 } $1 == "50%" { p50 = $2 } $1 == "99%" { p99 = $2 } /Non-2xx/ { bad = $0 } END { print name, r, p50, p99, bad }' "$dir/wrk.txt" >>"$dir/$4"
}
for model in image means; do for form in json binary; do load warm $model $form warm.txt; done; done
for _ in $(seq "$rounds"); do
    for model in image means; do for form in json binary; do load $model-$form $model $form all.txt; done; done
done
python3 - "$dir/all.txt" "$(awk '/VmHWM/ { printf "%.0f", $2 / 1024 }' /proc/$server/status)" <<'P'
import statistics, sys
def ms(t): return float(t[:-2]) / 1000 if t.endswith("us") else float(t[:-2]) if t.endswith("ms") else float(t[:-1]) * 1000
rows = {}
for line in open(sys.argv[1]):
    name, rate, p50, p99, *bad = line.split(None, 4)
    rows.setdefault(name, []).append((float(rate), ms(p50), ms(p99)))
    if bad and bad[0].strip(): sys.exit(f"{name}: {bad[0].strip()}: no figures")
m = {n: [statistics.median(c) for c in zip(*r)] for n, r in rows.items()}
for name, (rate, p50, p99) in m.items(): print(f"{name:14} {rate:9,.0f} req/s   p50 {p50:7.2f} ms   p99 {p99:7.2f} ms   (median of {len(rows[name])})")
print(f"27,648 floats and back, binary / JSON   {m['image-binary'][0] / m['image-json'][0]:.2f}   (bar 2.5)")
print(f"27,648 floats to three, binary / JSON   {m['means-binary'][0] / m['means-json'][0]:.2f}")
print(f"server RSS high-water {sys.argv[2]} MB")
P
