#!/bin/sh
# Two versions of a table of 5 M rows (ROWS=…): row diff, checks, profile; the whole command each time, process start included. Needs a built ./takt and 2 GB of disk.
set -e
here=$(cd "$(dirname "$0")/../.." && pwd)
takt=${TAKT:-$here/artifacts/takt/takt}
rows=${ROWS:-5000000}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
printf 'takt: 1\nproject: bench\n' >takt.yaml
now() { date +%s%N; }
best() { # best LABEL COMMAND...: the best of three
    label=$1; shift; least=
    for _ in 1 2 3; do
        s=$(now); "$@" >out.txt 2>err.txt || [ "$label" = "check" ] || { cat err.txt; exit 1; }; t=$((($(now) - s) / 1000000))
        if [ -z "$least" ] || [ "$t" -lt "$least" ]; then least=$t; fi
    done
    echo "$least $rows" | awk -v l="$label" '{printf "%-34s %6.2f s  %6.1f M rows/s\n", l, $1 / 1000, $2 / 1000 / ($1 + 1)}'
}
a="select i as id, (hash(i) % 100000) / 100.0 as price, (hash(i * 7) % 1000)::int as shop from range($rows) t(i)"
b="select i as id, case when i % 1000 = 3 then 1.5 else (hash(i) % 100000) / 100.0 end as price, (hash(i * 7) % 1000)::int as shop from range(100, $rows + 100) t(i)"
for format in parquet csv jsonl; do
    "$takt" data sql "$a" --output v1/t.$format 2>/dev/null
    "$takt" data sql "$b" --output v2/t.$format 2>/dev/null
    s=$(now); "$takt" data collect $format v1 >/dev/null; t=$((($(now) - s) / 1000000))
    echo "$t $rows" | awk -v l="$format: collect with its profile" '{printf "%-34s %6.2f s  %6.1f M rows/s\n", l, $1 / 1000, $2 / 1000 / ($1 + 1)}'
    first=$("$takt" data show $format | awk '/^commit/ {print $2}')
    "$takt" data collect $format v2 >/dev/null
    best "$format: diff by id, 3 columns" "$takt" data diff "$format@$first" $format
    grep -m1 rows out.txt
    rm -rf v1 v2
done
cat >expect.yaml <<'Y'
columns:
  id: { type: integer, nulls: 0, min: 0 }
  price: { type: number, nulls: 0, nan: 0, min: 0, max: 1000, mean: { min: 1 } }
  shop: { type: integer, nulls: 0, min: 0, max: 999 }
Y
best "parquet: 9 checks in one scan" "$takt" data check parquet --expect expect.yaml
printf 'columns:\n  id: { unique: true }\n' >expect.yaml
best "parquet: exact unique id" "$takt" data check parquet --expect expect.yaml
best "parquet: SQL count by shop" "$takt" data sql "select shop, count(*), avg(price) from parquet group by shop order by 2 desc limit 5"
