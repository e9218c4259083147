#!/bin/bash
# Kills `takt data add`, `commit`, `gc --apply` (with a retention rule) and `checkout` at random points (TAKT_CRASH_AT) and looks whether the store is whole and all that was
# answered is there. The same numbers come each time; SEED=… for others.
#   bench/data/crash.sh [ROUNDS]     needs a built takt: TAKT=path/to/takt, else ./takt
set -u
exec 2> >(grep -v " Killed " >&2) # the shell tells of each
takt=${TAKT:-$(cd "$(dirname "$0")/../.." && pwd)/takt}
rounds=${1:-200}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" && mkdir -p .takt data && RANDOM=${SEED:-7}
bad=0 killed=0 acknowledged=0
for i in $(seq "$rounds"); do
    head -c $((RANDOM * 40 + 1)) /dev/urandom > "data/file$((RANDOM % 12))"
    echo "round $i" > "data/small$i"
    [ $((RANDOM % 4)) = 0 ] && rm -f "data/small$((RANDOM % i + 1))"
    if [ $((i % 5)) = 0 ]; then command=(gc --apply --grace 0 --quarantine 0); elif [ $((i % 2)) = 0 ] && [ -f data.takt ]; then command=(commit -m "round $i"); else command=(add data/ -m "round $i"); fi
    if TAKT_CRASH_AT=$((RANDOM % (i % 5 == 0 ? 16 : 26) + 1)) "$takt" data "${command[@]}" >out 2>err; then
        [ $((i % 5)) = 0 ] || { acknowledged=$((acknowledged + 1)); cp data.takt answered.pointer; sum=$(cd data && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum); }
    elif [ -s err ] && ! grep -q Killed err; then echo "round $i: ${command[*]}: $(cat err)"; bad=$((bad + 1))
    else killed=$((killed + 1)); fi
    [ $i = 20 ] && "$takt" data retention data --keep-last 6 >out 2>&1
    if ! "$takt" data verify >out 2>err; then echo "round $i: after ${command[*]}: $(cat out err)"; bad=$((bad + 1)); fi
    if [ $((i % 10)) = 0 ] && [ -f answered.pointer ]; then
        # what was answered last can be brought back, byte by byte
        mkdir -p other && cp answered.pointer other/data.takt
        rm -rf other/data
        if ! TAKT_CRASH_AT=checkout.filled "$takt" data checkout other/data.takt >out 2>err; then [ ! -e other/data ] || { echo "round $i: a killed checkout left a part of the folder"; bad=$((bad + 1)); }; fi
        "$takt" data checkout other/data.takt >out 2>err || { echo "round $i: checkout: $(cat err)"; bad=$((bad + 1)); }
        [ "$(cd other/data && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)" = "$sum" ] || { echo "round $i: the last answered version is not what it was"; bad=$((bad + 1)); }
        [ -z "$(find other -name '.takt-*.tmp')" ] || { echo "round $i: a checkout left something in flight"; bad=$((bad + 1)); }
        rm -rf other
    fi
done
echo "$rounds rounds, $killed killed, $acknowledged answered, $bad faults"
[ $bad = 0 ]
