#!/bin/sh
# Installs what the tests need where it is missing (Debian), builds, runs every test, and prints last: N passed, N failed[, N skipped].
# ./test.sh [FILTER]   FILTER is handed to the test runner, e.g. ./test.sh -class '*RouterTests'
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here" || exit 1
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

command -v dotnet >/dev/null 2>&1 || { echo "test.sh: the .NET 10 SDK is needed (https://dot.net); dotnet is not on PATH" >&2; exit 1; }

missing=""
command -v chromium >/dev/null 2>&1 || missing="$missing chromium fonts-dejavu-core"
command -v git >/dev/null 2>&1 || missing="$missing git"
command -v git-lfs >/dev/null 2>&1 || missing="$missing git-lfs"
[ -n "$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null)" ] || command -v pg_ctl >/dev/null 2>&1 || missing="$missing postgresql"
[ -d /usr/share/libonnx-testdata ] || missing="$missing libonnx-testdata"
for program in radosgw ceph-osd ceph-mon jq curl; do command -v $program >/dev/null 2>&1 || missing="$missing $program"; done
/usr/bin/python3 -c 'import sklearn, pandas' >/dev/null 2>&1 || missing="$missing python3 python3-sklearn python3-pandas"
command -v ceph >/dev/null 2>&1 || missing="$missing ceph-common"
/usr/bin/python3 -c 'import grpc, google.protobuf' 2>/dev/null || missing="$missing python3-grpcio python3-protobuf"
if [ -n "$missing" ]; then
    command -v apt-get >/dev/null 2>&1 || { echo "test.sh: install these first (no apt-get here):$missing" >&2; exit 1; }
    sudo=""; [ "$(id -u)" = 0 ] || sudo=sudo
    echo "test.sh: installing$missing" >&2
    export DEBIAN_FRONTEND=noninteractive
    $sudo apt-get update -qq </dev/null && $sudo apt-get install -y -qq --no-install-recommends $missing </dev/null >/dev/null || {
        echo "test.sh: could not install$missing" >&2; exit 1; }
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT

echo "test.sh: building" >&2
dotnet build Takt.slnx -c Release -v quiet </dev/null >"$log" 2>&1 || { grep -E "error|warning" "$log" | sort -u | head -40; echo "test.sh: the build failed" >&2; exit 1; }
# the command-line tests run what a user runs
./takt version </dev/null >/dev/null || exit 1

passed=0; failed=0; skipped=0; status=0
for project in tests/*.Tests; do
    name=$(basename "$project")
    echo "test.sh: $name" >&2
    "artifacts/bin/$name/release/$name" -noColor "$@" </dev/null 2>&1 | tee "$log"
    # xunit closes with: Total: N, Errors: N, Failed: N, Skipped: N, Not Run: N
    line=$(grep -E "Total: [0-9]+, Errors: [0-9]+, Failed: [0-9]+" "$log" | tail -1)
    if [ -z "$line" ]; then
        echo "test.sh: $name ended without a result" >&2
        failed=$((failed + 1)); status=1
        continue
    fi
    number() { echo "$line" | sed -E "s/.*$1: ([0-9]+).*/\1/"; }
    bad=$(( $(number Errors) + $(number Failed) ))
    skip=$(number Skipped)
    passed=$((passed + $(number Total) - bad - skip)); failed=$((failed + bad)); skipped=$((skipped + skip))
done
[ "$failed" -eq 0 ] || status=1
[ "$passed" -gt 0 ] || { echo "test.sh: no test ran" >&2; status=1; }
echo "$passed passed, $failed failed, $skipped skipped"
exit $status
