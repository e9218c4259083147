using System.Runtime.InteropServices;

namespace Takt.Cli;

/// <summary>Keeps glibc's malloc to an arena a core instead of eight: free pieces of one are of no use to the others, and threads of a server come by all of them in time.</summary>
static partial class MallocArenas
{
    const int ArenaMax = -8; // M_ARENA_MAX of malloc.h

    /// <summary>Call it first: arenas that are there stay. What the user has set (MALLOC_ARENA_MAX, GLIBC_TUNABLES) holds.</summary>
    public static void Limit()
    {
        if (!OperatingSystem.IsLinux() || Environment.GetEnvironmentVariable("MALLOC_ARENA_MAX") is not null) return;
        if (Environment.GetEnvironmentVariable("GLIBC_TUNABLES")?.Contains("arena_max", StringComparison.Ordinal) == true) return;
        try
        {
            _ = mallopt(ArenaMax, Math.Max(2, Environment.ProcessorCount));
        }
        catch (Exception e) when (e is EntryPointNotFoundException or DllNotFoundException)
        {
            // another C library, which has no such arenas
        }
    }

    [LibraryImport("libc")]
    private static partial int mallopt(int parameter, int value);
}
