#!/bin/sh
# fuzz.sh [INPUTS]: that many made-up inputs (1,000,000) for one server on SQLite, by wrk; memory after every 100,000. Needs wrk, curl, a built ./takt (or TAKT=PROGRAM).
# No answer may be 500, none may take 10 s, and memory must stop growing. TAKT_FUZZ_DATABASE=URL: rows there.
here=$(cd "$(dirname "$0")/../.." && pwd)
[ -n "$TAKT" ] || { "$here/takt" version >/dev/null; TAKT=$here/artifacts/takt/takt; }
dir=$(mktemp -d)
trap 'kill $pid 2>/dev/null; wait 2>/dev/null; rm -rf "$dir"' EXIT
"$TAKT" serve --port 0 --data "$dir/data" ${TAKT_FUZZ_DATABASE:+--database "$TAKT_FUZZ_DATABASE"} >"$dir/out" 2>"$dir/log" &
pid=$!
until url=$(sed -n 's/.* on \(http[^ ]*\) .*/\1/p' "$dir/out") && [ -n "$url" ]; do kill -0 $pid || { cat "$dir/log"; exit 1; }; sleep 0.1; done
call() { curl -sf -H 'Content-Type: application/json' -d "$2" "$url/api/2.0/mlflow/$1"; }
EXPERIMENT=$(call experiments/create '{"name":"fuzz"}' | sed 's/[^0-9]//g')
RUN=$(call runs/create "{\"experiment_id\":\"$EXPERIMENT\",\"run_name\":\"R\"}" | sed 's/.*"run_id":"\([0-9a-f]*\)".*/\1/')
call runs/log-batch "{\"run_id\":\"$RUN\",\"metrics\":[{\"key\":\"m\",\"value\":0.7,\"timestamp\":1}],\"params\":[{\"key\":\"p\",\"value\":\"v\"}],\"tags\":[{\"key\":\"a b\",\"value\":\"xx\"}]}" >/dev/null
# anew for each slice: some calls delete them
some() {
    call experiments/restore "{\"experiment_id\":\"$EXPERIMENT\"}" >/dev/null
    call runs/restore "{\"run_id\":\"$RUN\"}" >/dev/null
    TRACE=tr-$(printf %032d $SEED)
    call3 traces "{\"trace\":{\"trace_info\":{\"trace_id\":\"$TRACE\",\"request_time\":\"2026-01-01T00:00:00Z\",\"state\":\"OK\",\"trace_location\":{\"type\":\"MLFLOW_EXPERIMENT\",\"mlflow_experiment\":{\"experiment_id\":\"$EXPERIMENT\"}}}}}" >/dev/null
    ASSESSMENT=$(call3 "traces/$TRACE/assessments" "{\"assessment\":{\"trace_id\":\"$TRACE\",\"assessment_name\":\"a\",\"source\":{\"source_type\":\"HUMAN\",\"source_id\":\"i\"},\"feedback\":{\"value\":1}}}" | id assessment_id)
    DATASET=$(call3 datasets/create "{\"name\":\"d$SEED\",\"experiment_ids\":[\"$EXPERIMENT\"]}" | id dataset_id)
    MODEL=$(call logged-models "{\"experiment_id\":\"$EXPERIMENT\",\"name\":\"m\"}" | id model_id)
    WEBHOOK=$(call webhooks "{\"name\":\"w$SEED\",\"url\":\"https://webhook.invalid/\",\"events\":[{\"entity\":\"REGISTERED_MODEL\",\"action\":\"CREATED\"}]}" | id webhook_id)
    [ -n "$ASSESSMENT" ] && [ -n "$DATASET" ] && [ -n "$MODEL" ] && [ -n "$WEBHOOK" ] || { echo "could not make what the calls are about: '$ASSESSMENT' '$DATASET' '$MODEL' '$WEBHOOK'"; exit 1; }
}
call3() { curl -sf -H 'Content-Type: application/json' -d "$2" "$url/api/3.0/mlflow/$1"; }
id() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p"; }
export EXPERIMENT RUN SEED TRACE ASSESSMENT DATASET MODEL WEBHOOK
kb() { sed -n "s/^$1:[^0-9]*\([0-9]*\).*/\1/p" /proc/$pid/status; }
state() {
    heap=$(curl -sf "$url/metrics" | sed -n 's/^dotnet_gc_last_collection_heap_size_bytes[^ ]* //p' | awk '{s += $1} END {printf "%.0f", s / 1048576}')
    echo "$total inputs, $taken taken: RSS $(($(kb VmRSS) / 1024)) MB, at most $(($(kb VmHWM) / 1024)), anonymous $(($(kb RssAnon) / 1024)), GC heap $heap; folder $(($(du -sk "$dir/data" | cut -f1) / 1024)) MB; $(date +%T)"
}
total=0 taken=0 next=0 SEED=0
while [ $total -lt "${1:-1000000}" ]; do
    [ $total -ge $next ] && { state; next=$((next + 100000)); }
    SEED=$((SEED + 1))
    some
    read -r requests some timeouts faults slowest <<END
$(wrk -t 32 -c 32 -d 10s --timeout 10s -s "$here/bench/tracking/fuzz.lua" "$url" 2>>"$dir/faults" | tail -1)
END
    total=$((total + requests)) taken=$((taken + some))
    [ "$timeouts$faults" = 00 ] || echo "timeouts $timeouts, broken $faults, slowest $slowest ms" | tee -a "$dir/faults"
    kill -0 $pid 2>/dev/null || { echo "the server is gone"; cat "$dir/log"; exit 1; }
done
state
[ -s "$dir/faults" ] && { sort "$dir/faults" | head -20; exit 1; }
[ "$(curl -s -o /dev/null -w '%{http_code}' "$url/health")" = 200 ]
