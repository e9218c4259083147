#!/bin/sh
# Start times and idle memory: prints the median of several runs beside the bars. Needs a built ./takt and curl.
here=$(cd "$(dirname "$0")/../.." && pwd)
"$here/takt" version >/dev/null
bin="$here/artifacts/takt/takt"
now() { date +%s%N; }
median() { sort -n | awk '{v[NR]=$1} END {print v[int((NR+1)/2)]}'; }
timed() { # timed N COMMAND...
    n=$1; shift
    for _ in $(seq "$n"); do s=$(now); "$@" >/dev/null 2>&1; echo $((($(now) - s) / 1000000)); done | median
}
help=$(timed 15 "$bin" --help)
wrapper=$(timed 15 "$here/takt" --help)
echo "takt --help                  $help ms (bar: 70)"
echo "wrapper on top of the binary $((wrapper - help)) ms (bar: 50)"

dir=$(mktemp -d)
printf 'takt: 1\nproject: bench\n' >"$dir/takt.yaml"
ready=$(for _ in 1 2 3 4 5; do
    s=$(now)
    "$bin" -C "$dir" serve --port 0 >"$dir/out" 2>&1 &
    pid=$!
    until url=$(sed -n 's/.* on \(http[^ ]*\) .*/\1/p' "$dir/out") && [ -n "$url" ] && curl -sf "$url/v2/health/ready" >/dev/null; do sleep 0.01; done
    echo $((($(now) - s) / 1000000))
    kill "$pid"; wait "$pid" 2>/dev/null
done | median)
echo "takt serve ready             $ready ms (bar: 1500)"
"$bin" -C "$dir" serve --port 0 >"$dir/out" 2>&1 &
pid=$!
sleep 5
echo "idle RSS                     $(awk '/VmRSS/ {print int($2 / 1024)}' /proc/$pid/status) MB (bar: 200)"
kill "$pid"; wait "$pid" 2>/dev/null
rm -rf "$dir"
