#!/bin/bash
# Two versions of a table of 5 M rows (ROWS=…): row diff, checks, profile. Whole commands, process start included, best of three: seconds on the clock, and of CPU
# (which other work on the machine does not change much). Needs a built ./takt and 2 GB of disk.
set -e
here=$(cd "$(dirname "$0")/../.." && pwd)
takt=${TAKT:-$here/artifacts/takt/takt}
rows=${ROWS:-5000000}
formats=${FORMATS:-parquet csv jsonl}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
printf 'takt: 1\nproject: bench\n' >takt.yaml && mkdir .takt
TIMEFORMAT='%R %U %S'
measure() { # measure TIMES LABEL COMMAND...
    local times=$1 label=$2; shift 2
    for _ in $(seq "$times"); do { time "$@" >out.txt 2>err.txt; } 2>&1 || { cat err.txt; exit 1; }; done | sort -n | head -1 |
        awk -v l="$label" -v r="$rows" '{printf "%-36s %6.2f s  %6.2f s CPU  %6.1f M rows/s\n", l, $1, $2 + $3, r / 1e6 / $1}'
}
a="select i as id, (hash(i) % 100000) / 100.0 as price, (hash(i * 7) % 1000)::int as shop from range($rows) t(i)"
b="select i as id, case when i % 1000 = 3 then 1.5 else (hash(i) % 100000) / 100.0 end as price, (hash(i * 7) % 1000)::int as shop from range(100, $rows + 100) t(i)"
echo "$rows rows, 3 columns, $(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg)"
for format in $formats; do
    "$takt" data sql "$a" --output v1/t.$format 2>/dev/null
    "$takt" data sql "$b" --output v2/t.$format 2>/dev/null
    measure 1 "$format: collect with its profile" "$takt" data collect "$format" v1
    first=$("$takt" data show "$format" | awk '/^commit/ {print $2}')
    "$takt" data collect "$format" v2 >/dev/null
    measure 3 "$format: diff by id" "$takt" data diff "$format@$first" "$format"
    grep -m1 '^rows' out.txt
    rm -rf v1 v2
done
table=${formats%% *}
cat >expect.yaml <<'Y'
columns:
  id: { type: integer, nulls: 0, min: 0 }
  price: { type: number, nulls: 0, nan: 0, min: 0, max: 1000, mean: { min: 1 } }
  shop: { type: integer, nulls: 0, min: 0, max: 999 }
Y
measure 3 "$table: 9 rules in one scan" "$takt" data check "$table" --expect expect.yaml
printf 'columns:\n  id: { unique: true }\n' >expect.yaml
measure 3 "$table: exact unique id" "$takt" data check "$table" --expect expect.yaml
measure 3 "$table: SQL, mean by shop" "$takt" data sql "select shop, count(*), avg(price) from $table group by shop order by 2 desc limit 5"
