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
PYTHONPATH="$here/bench/serving" PYTHONDONTWRITEBYTECODE=1 python3 - "$dir" <<'P'
import json, random, struct, sys
from onnx_model import binary_lua, node, save, tensor
for name, op, shape in (("image", "Identity", [-1, 3, 48, 192]), ("means", "GlobalAveragePool", [-1, 3, 1, 1])):
    save(f"{sys.argv[1]}/{name}", [node(op, ["image"], "same")], [], tensor("image", [-1, 3, 48, 192]), tensor("same", shape))
random.seed(2)
raw = struct.pack("<27648f", *(random.random() for _ in range(27648)))
values = struct.unpack("<27648f", raw)
tell = {"name": "image", "shape": [1, 3, 48, 192], "datatype": "FP32"}
body = json.dumps({"inputs": [{**tell, "data": [float("%.9g" % v) for v in values]}]}, separators=(",", ":"))
head = json.dumps({"inputs": [{**tell, "parameters": {"binary_data_size": len(raw)}}], "parameters": {"binary_data_output": True}}, separators=(",", ":")).encode()
open(sys.argv[1] + "/body.json", "w").write(body)
open(sys.argv[1] + "/body.bin", "wb").write(head + raw)
open(sys.argv[1] + "/json.lua", "w").write('local f = io.open("%s/body.json", "rb")\nwrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nwrk.body = f:read("*a")\n' % sys.argv[1])
binary_lua(sys.argv[1] + "/binary.lua", sys.argv[1] + "/body.bin", len(head))
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
PYTHONPATH="$here/bench/serving" PYTHONDONTWRITEBYTECODE=1 python3 - "$dir/all.txt" "$(awk '/VmHWM/ { printf "%.0f", $2 / 1024 }' /proc/$server/status)" <<'P'
import sys
from medians import table
m = table(sys.argv[1])
print(f"27,648 floats and back, binary / JSON   {m['image-binary'][0] / m['image-json'][0]:.2f}   (bar 2.5)")
print(f"27,648 floats to three, binary / JSON   {m['means-binary'][0] / m['means-json'][0]:.2f}")
print(f"server RSS high-water {sys.argv[2]} MB")
P
