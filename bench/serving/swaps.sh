#!/bin/bash
# 10,000 rollouts that swap the served revision under load (bar: no failed request), and overload: what accepted requests take beside the usual time, what the others are told, memory.
# bench/serving/swaps.sh [SWAPS] [SECONDS]
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
dotnet build "$here/bench/serving/swaps" -c Release --nologo -v q >/dev/null
"$here/artifacts/bin/swaps/release/swaps" swaps "${1:-10000}"
"$here/artifacts/bin/swaps/release/swaps" cycles 100
"$here/artifacts/bin/swaps/release/swaps" overload "${2:-6}"
