#!/bin/bash
# One scikit-learn model behind Takt and behind MLflow's own scoring server (mlflow models serve), the same interpreter, two processes each, one run, rounds interleaved. Shows what merging requests gives.
# bench/serving/python.sh PYTHON [ROUNDS] [SECONDS]     PYTHON has mlflow (with its server's modules), scikit-learn and pandas. Needs wrk and a built ./takt (or TAKT=path).
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
python=${1:?usage: bench/serving/python.sh PYTHON [ROUNDS] [SECONDS]}; rounds=${2:-3}; seconds=${3:-5}
command -v wrk >/dev/null || { echo "bench/serving needs wrk (apt-get install wrk)" >&2; exit 1; }
takt=${TAKT:-$here/artifacts/takt/takt}
[ -x "$takt" ] || "$here/takt" version >/dev/null || exit 1
dir=$(mktemp -d); pids=""
trap 'for p in $pids; do kill -- -$p 2>/dev/null || kill $p 2>/dev/null; done; wait 2>/dev/null; rm -rf "$dir"' EXIT
free() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }
cat >"$dir/train.py" <<'P'
import json, os, random, sys, warnings
warnings.filterwarnings("ignore")
import mlflow, pandas as pd
from mlflow.models import infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
r = random.Random(1)
x = pd.DataFrame({**{f"f{i}": [r.random() for _ in range(2000)] for i in range(10)}, "city": [r.choice("uvwxyz") for _ in range(2000)]})
y = (x.f0 + x.f1 * x.f2 + (x.city == "u") > 0.9).astype(int)
for name, last in (("linear", LogisticRegression(max_iter=500)), ("forest", RandomForestClassifier(100, max_depth=8, random_state=1))):
    model = make_pipeline(ColumnTransformer([("c", OneHotEncoder(handle_unknown="ignore"), ["city"])], remainder="passthrough"), last).fit(x, y)
    mlflow.sklearn.save_model(model, f"{sys.argv[1]}/{name}", signature=infer_signature(x, model.predict(x)))
for rows in (1, 100):
    part = x.head(rows)
    body = json.dumps({"dataframe_split": {"columns": list(part.columns), "data": part.values.tolist()}})
    open(f"{sys.argv[1]}/{rows}.json", "w").write(body)
    open(f"{sys.argv[1]}/{rows}.lua", "w").write(f'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nwrk.body = [==[{body}]==]\n')
P
(cd "$dir" && "$python" train.py "$dir") >"$dir/train.log" 2>&1 || { tail -5 "$dir/train.log"; exit 1; }
{ cat <<Y
takt: 1
project: bench
stages:
  linear: { uses: takt/register@1, with: { model: linear/, name: linear } }
  forest: { uses: takt/register@1, with: { model: forest/, name: forest } }
deploy:
  linear: { model: linear@1, needs: [linear], python: { interpreter: $python, workers: 2 } }
  forest: { model: forest@1, needs: [forest], python: { interpreter: $python, workers: 2 } }
  forest-single: { model: forest@1, needs: [forest], python: { interpreter: $python, workers: 2, batch: 1 } }
Y
} >"$dir/takt.yaml"
"$takt" -C "$dir" run >"$dir/run.log" 2>&1 || { tail -5 "$dir/run.log"; exit 1; }
port=$(free); setsid "$takt" -C "$dir" serve --port "$port" >"$dir/serve.log" 2>&1 & pids="$pids $!"
for model in linear forest; do
    eval "$model=$(free)"; eval p=\$$model
    # what "mlflow models serve -m FOLDER --env-manager local -p PORT -w 2" starts
    __pyfunc_model_path__="$dir/$model" setsid "$python" -m uvicorn --host 127.0.0.1 --port "$p" --workers 2 mlflow.pyfunc.scoring_server.app:app >"$dir/mlflow-$model.log" 2>&1 & pids="$pids $!"
done
ask() { curl -sf -XPOST -H 'Content-Type: application/json' -d @"$dir/$2.json" "$1"; }
url() { echo "http://127.0.0.1:$port/endpoints/$1/invocations"; }
mlflow() { eval echo "http://127.0.0.1:\$$1/invocations"; }
for u in "$(url linear)" "$(url forest)" "$(url forest-single)" "$(mlflow linear)" "$(mlflow forest)"; do
    for _ in $(seq 600); do ask "$u" 1 >/dev/null && break; sleep 0.2; done
    ask "$u" 1 >/dev/null || { echo "$u does not answer"; tail -n 3 "$dir"/*.log; exit 1; }
done
for model in linear forest; do
    [ "$(ask "$(url $model)" 100 | tr -d ' \n')" = "$(ask "$(mlflow $model)" 100 | tr -d ' \n')" ] || { echo "$model: the two answer differently"; exit 1; }
done
load() { # NAME URL CONNECTIONS ROWS
    wrk -t1 -c"$3" -d"${seconds}s" --timeout 20s --latency -s "$dir/$4.lua" "$2" >"$dir/wrk.txt"
    awk -v name="$1" '/Requests\/sec/ { r = $2 } $1 == "50%" { p50 = $2 } $1 == "99%" { p99 = $2 } /Non-2xx/ { bad = $0 } END { print name, r, p50, p99, bad }' "$dir/wrk.txt" >>"$dir/all.txt"
}
for _ in $(seq "$rounds"); do
    for model in linear forest; do
        for c in 1 32; do
            load "$model-c$c-takt" "$(url $model)" $c 1
            load "$model-c$c-mlflow" "$(mlflow $model)" $c 1
        done
        load "$model-100rows-takt" "$(url $model)" 8 100
        load "$model-100rows-mlflow" "$(mlflow $model)" 8 100
    done
    load "forest-c32-unmerged" "$(url forest-single)" 32 1
done
PYTHONPATH="$here/bench/serving" PYTHONDONTWRITEBYTECODE=1 python3 - "$dir/all.txt" <<'P'
import sys
from medians import table
m = table(sys.argv[1])
for name in m:
    if name.endswith("-takt"): print(f"{name[:-5]:16} takt / mlflow   {m[name][0] / m[name[:-5] + '-mlflow'][0]:6.1f}")
print(f"forest-c32 merged / unmerged {m['forest-c32-takt'][0] / m['forest-c32-unmerged'][0]:6.1f}")
P
