#!/bin/sh
# What a foreign test suite waits for: the start of `takt serve --testing` on an empty folder, and POST /testing/reset of a server that holds something. Needs a built ./takt, curl.
# Medians beside the bars.
here=$(cd "$(dirname "$0")/../.." && pwd)
"$here/takt" version >/dev/null
dir=$(mktemp -d)
trap 'kill $pid 2>/dev/null; wait 2>/dev/null; rm -rf "$dir"' EXIT
median() { sort -n | awk '{v[NR]=$1} END {print v[int((NR+1)/2)]}'; }
start() {
    : >"$dir/out" # of the last one: its address would be taken for this one's
    "$here/artifacts/takt/takt" serve --port 0 --data "$dir/data$1" --testing >"$dir/out" 2>/dev/null &
    pid=$!
    until url=$(sed -n 's/.* on \(http[^ ]*\) .*/\1/p' "$dir/out") && [ -n "$url" ] && curl -sf -o /dev/null "$url/health"; do sleep 0.01; done
}
call() { curl -sf -o "$dir/answer" -H 'Content-Type: application/json' -d "$2" "$url$1" || { echo "$1 failed" >&2; exit 1; }; }
for i in 1 2 3 4 5 6 7; do
    s=$(date +%s%N)
    start "$i"
    echo $((($(date +%s%N) - s) / 1000000)) >>"$dir/starts"
    [ "$i" = 7 ] || { kill "$pid"; wait "$pid" 2>/dev/null; }
done
echo "start of an empty server     $(median <"$dir/starts") ms (bar: 700)"
api=/api/2.0/mlflow
for i in 1 2 3 4 5 6 7 8 9; do # what one test leaves: an experiment, five runs with metrics and artifacts, a model with a version
    call $api/experiments/create "{\"name\": \"e$i\"}"
    experiment=$(sed 's/[^0-9]//g' "$dir/answer")
    for r in 1 2 3 4 5; do
        call $api/runs/create "{\"experiment_id\": \"$experiment\"}"
        run=$(sed 's/.*"run_id":"\([0-9a-f]*\)".*/\1/' "$dir/answer")
        call $api/runs/log-batch "{\"run_id\": \"$run\", \"params\": [{\"key\": \"p\", \"value\": \"1\"}], \"metrics\": [{\"key\": \"m\", \"value\": $r, \"timestamp\": 1, \"step\": 0}]}"
        echo "$i$r" | curl -sf -o /dev/null -T - "$url/api/2.0/mlflow-artifacts/artifacts/$experiment/$run/artifacts/a.txt"
    done
    call $api/registered-models/create "{\"name\": \"m$i\"}"
    call $api/model-versions/create "{\"name\": \"m$i\", \"source\": \"runs:/$run/model\", \"run_id\": \"$run\"}"
    curl -sf -o /dev/null -w '%{time_total}\n' -X POST "$url/testing/reset" | awk '{printf "%.1f\n", $1 * 1000}' >>"$dir/resets"
done
echo "reset                        $(median <"$dir/resets") ms (bar: 50)"
