#!/bin/bash
# Kills `takt data add`, `commit`, `gc --apply` (with a retention rule), `checkout`, `push` and `pull` at random points (TAKT_CRASH_AT) and looks whether the store is
# whole and all that was answered is there. The same points come each time; SEED=… for others.
#   bench/data/crash.sh [ROUNDS]     needs a built takt: TAKT=path/to/takt, else ./takt
set -u
exec 2> >(grep -v " Killed " >&2) # the shell tells of each
takt=${TAKT:-$(cd "$(dirname "$0")/../.." && pwd)/takt}
rounds=${1:-200}
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder" && mkdir -p .takt data remote && RANDOM=${SEED:-7}
"$takt" data remote add origin "$folder/remote" >out 2>&1 || { cat out; exit 1; }
bad=0 acknowledged=0 pushed=0
declare -A killed=()
fault() { echo "round $i: $*"; bad=$((bad + 1)); }
sum_of() { (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum); }
# a command that is to die at its Nth point; true when it lived and did well
attempt() { # MOST COMMAND...
    local most=$1 code; shift
    TAKT_CRASH_AT=$((RANDOM % most + 1)) "$takt" data "$@" >out 2>err
    code=$?
    [ $code = 0 ] && return 0
    if [ $code = 137 ]; then killed[$1]=$((${killed[$1]:-0} + 1)); else fault "$*: exit $code: $(cat err)"; fi
    return 1
}
for i in $(seq "$rounds"); do
    head -c $((RANDOM * 40 + 1)) /dev/urandom > "data/file$((RANDOM % 12))"
    echo "round $i" > "data/small$i"
    [ $((RANDOM % 4)) = 0 ] && rm -f "data/small$((RANDOM % i + 1))"
    command=(add data/ -m "round $i")
    [ $((i % 2)) = 0 ] && [ -f data.takt ] && command=(commit -m "round $i")
    if attempt 30 "${command[@]}"; then acknowledged=$((acknowledged + 1)); cp data.takt answered.pointer; sum=$(sum_of data); fi
    [ $i = 20 ] && { "$takt" data retention data --keep-last 8 >out 2>&1 || fault "retention: $(cat out)"; }
    if [ $((i % 4)) = 0 ]; then
        command=(gc --apply --grace 0 --quarantine 0)
        attempt 16 "${command[@]}"
    elif [ $((i % 4)) = 2 ] && [ -f answered.pointer ]; then
        command=(push)
        if attempt 4 push; then pushed=$((pushed + 1)); cp answered.pointer pushed.pointer; pushed_sum=$sum; fi
    fi
    "$takt" data verify >out 2>err || fault "after ${command[*]}: $(cat out err)"
    if [ $((i % 10)) = 0 ] && [ -f answered.pointer ]; then
        # what was answered last can be brought back, byte by byte
        mkdir -p other && cp answered.pointer other/data.takt
        rm -rf other/data
        if ! TAKT_CRASH_AT=checkout.filled "$takt" data checkout other/data.takt >out 2>err; then
            killed[checkout]=$((${killed[checkout]:-0} + 1))
            [ ! -e other/data ] || fault "a killed checkout left a part of the folder"
        fi
        "$takt" data checkout other/data.takt >out 2>err || fault "checkout: $(cat err)"
        [ "$(sum_of other/data)" = "$sum" ] || fault "the last answered version is not what it was"
        [ -z "$(find other -name '.takt-*.tmp')" ] || fault "a checkout left something in flight"
        rm -rf other
    fi
    if [ $((i % 6)) = 0 ] && [ -f pushed.pointer ]; then
        # what was pushed last comes to another machine, also when the pull is killed before
        clone=$(mktemp -d)
        mkdir -p "$clone/.takt" && cp takt.config "$clone/" && cp pushed.pointer "$clone/data.takt"
        for most in 3 20 60; do attempt $most pull --folder "$clone"; done
        (cd "$clone" && "$takt" data pull >out 2>err) || fault "pull: $(cat "$clone/err")"
        (cd "$clone" && "$takt" data verify >out 2>err) || fault "after pull: $(cat "$clone/out" "$clone/err")"
        [ "$(sum_of "$clone/data")" = "$pushed_sum" ] || fault "what was pushed is not what it was"
        chmod -R u+w "$clone"; rm -rf "$clone"
    fi
done
all=0
for command in "${!killed[@]}"; do all=$((all + killed[$command])); echo "$command: killed ${killed[$command]} times"; done
echo "$rounds rounds, $all killed, $acknowledged versions answered, $pushed pushes answered, $bad faults"
[ $bad = 0 ]
