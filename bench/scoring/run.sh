#!/bin/sh
# Batch scoring: rows a second of `takt score` on the flights sample, its training set read many times over. Needs a built ./takt.
# bench/scoring/run.sh [COPIES]   86,000 rows a copy; 60 when absent
here=$(cd "$(dirname "$0")/../.." && pwd)
"$here/takt" version >/dev/null || exit 1
bin="$here/artifacts/takt/takt"
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
"$bin" -C "$dir" init --from flights 2>/dev/null
"$bin" -C "$dir" run register >/dev/null 2>&1 || { echo "the flights sample did not train; try: takt -C DIR run register" >&2; exit 1; }
mkdir "$dir/big"
for i in $(seq "${1:-60}"); do cp "$dir/data/train.parquet" "$dir/big/$i.parquet"; done
for round in 1 2 3; do
    "$bin" -C "$dir" score flights@candidate "$dir/big" -o "$dir/scored.parquet" --json | awk '
        /"rows"/ { gsub(/[^0-9]/, "", $2); rows = $2 } /"seconds"/ { gsub(/[^0-9.]/, "", $2); s = $2 }
        END { printf "round '$round': %d rows in %.1f s = %.0f rows/s, %.2f of the bar (500,000)\n", rows, s, rows / s, rows / s / 500000 }'
done
