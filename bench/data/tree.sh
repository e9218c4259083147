#!/bin/bash
# A version of 10,000,000 files of which one changes: seconds to commit it and to compare the two, and the memory. Needs the tests to be built.
here=$(cd "$(dirname "$0")/../.." && pwd)
exec "$here/artifacts/bin/Takt.Tests/release/Takt.Tests" -noColor -explicit only -showLiveOutput -method '*.Ten_million_files_of_which_one_changes'
