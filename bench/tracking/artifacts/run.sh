#!/bin/sh
# Artifacts of 1 kB and large ones through Takt beside a plain Kestrel that copies files, in one run, and what they cost in memory. Needs a built ./takt, dotnet, curl, python3.
# run.sh [MEGABYTES]
here=$(cd "$(dirname "$0")/../../.." && pwd)
mb=${1:-256}
"$here/takt" version >/dev/null
dir=$(mktemp -d)
trap 'kill $takt $copy 2>/dev/null; wait 2>/dev/null; rm -rf "$dir"' EXIT
mkdir "$dir/copy"
head -c $((mb * 1048576)) /dev/urandom >"$dir/big"
dotnet build "$here/bench/tracking/artifacts/KestrelCopy.cs" -c Release -o "$dir/app" -v q --nologo >"$dir/build" 2>&1 || { tail -5 "$dir/build"; exit 1; }
port=$((20000 + $$ % 20000))
COPY_FOLDER="$dir/copy" dotnet "$dir/app/KestrelCopy.dll" --urls "http://127.0.0.1:$port" &
copy=$!
"$here/artifacts/takt/takt" serve --port 0 --data "$dir/takt" --testing >"$dir/out" 2>/dev/null &
takt=$!
until url=$(sed -n 's/.* on \(http[^ ]*\) .*/\1/p' "$dir/out") && [ -n "$url" ] && curl -s "$url/health" >/dev/null && curl -s "http://127.0.0.1:$port/" >/dev/null; do sleep 0.05; done
rss() { awk "/$1/ {print int(\$2 / 1024)}" "/proc/$takt/status"; }
speed() { curl -s -o /dev/null -w '%{time_total}' "$@" | awk -v mb="$mb" '{printf "%.0f", mb / $1}'; }
median() { sort -n | awk '{v[NR]=$1} END {print v[int((NR+1)/2)]}'; }
art="$url/api/2.0/mlflow-artifacts/artifacts"
speed -T "$dir/out" "$art/warm" >/dev/null; speed "$art/warm" >/dev/null
python3 "$here/bench/tracking/artifacts/small.py" "$art" "http://127.0.0.1:$port"
before=$(rss VmRSS)
for i in 1 2 3 4 5; do # in turns: both see the same disk and neighbours; new bytes each time, so that nothing is known already
    printf '%s' "$i" >>"$dir/big"
    speed -T "$dir/big" "http://127.0.0.1:$port/f$i" >>"$dir/kp"; echo >>"$dir/kp"
    speed -T "$dir/big" "$art/f$i" >>"$dir/tp"; echo >>"$dir/tp"
    speed "http://127.0.0.1:$port/f$i" >>"$dir/kg"; echo >>"$dir/kg"
    speed "$art/f$i" >>"$dir/tg"; echo >>"$dir/tg"
done
for what in p:PUT g:GET; do
    k=$(median <"$dir/k${what%%:*}"); t=$(median <"$dir/t${what%%:*}")
    echo "${what#*:} $mb MB: takt $t MB/s, plain Kestrel $k MB/s, ratio $(awk "BEGIN {printf \"%.2f\", $t / $k}") (bar: 0.70)"
done
echo "RSS: before $before MB, peak $(rss VmHWM) MB (bar: +50)"
