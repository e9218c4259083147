using System.Runtime.InteropServices;

namespace Takt.Storage;

/// <summary>
/// Places where a test lets the process die as by a power cut: <c>TAKT_CRASH_AT=NAME</c> at the first pass of that name, <c>TAKT_CRASH_AT=N</c> at the
/// N-th pass of any. Costs one comparison when unset.
/// </summary>
static partial class CrashPoint
{
    static readonly string? s_at = Environment.GetEnvironmentVariable("TAKT_CRASH_AT");
    static readonly long s_number = long.TryParse(s_at, out var number) ? number : -1;
    static long s_passed;

    public static void Pass(string name)
    {
        if (s_at is null) return;
        if (Interlocked.Increment(ref s_passed) != s_number && name != s_at) return;
        _ = kill(Environment.ProcessId, 9);
        Environment.FailFast("crash point"); // where there is no SIGKILL
    }

    [LibraryImport("libc")]
    private static partial int kill(int process, int signal);
}
