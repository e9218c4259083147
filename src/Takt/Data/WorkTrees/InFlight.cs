using System.Globalization;

namespace Takt.Data.WorkTrees;

/// <summary>Names of what a checkout is still writing, <c>.takt-PROCESS-….tmp</c>: no part of the data, and removed by the next checkout once its process is gone.</summary>
static class InFlight
{
    public static string Name() => $".takt-{Environment.ProcessId.ToString(CultureInfo.InvariantCulture)}-{Guid.NewGuid():N}.tmp";

    public static bool Is(string name) => Process(name) is not null;

    /// <summary>Whether the process that wrote it, of this machine, is gone.</summary>
    public static bool IsDead(string name)
    {
        if (Process(name) is not { } id) return false;
        if (id == Environment.ProcessId) return false;
        try
        {
            using var process = System.Diagnostics.Process.GetProcessById(id);
            return process.HasExited;
        }
        catch (ArgumentException)
        {
            return true;
        }
    }

    public static void Remove(string path)
    {
        if (Directory.Exists(path)) Directory.Delete(path, recursive: true);
        else File.Delete(path);
    }

    static int? Process(string name) =>
        name.StartsWith(".takt-", StringComparison.Ordinal) && name.EndsWith(".tmp", StringComparison.Ordinal) && name[6..^4].Split('-') is [var process, { Length: 32 }]
        && int.TryParse(process, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : null;
}
