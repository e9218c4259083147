using System.Diagnostics;

namespace Takt.Runs;

/// <summary>Which code it was.</summary>
static class GitCommit
{
    /// <summary>40 hex digits, <c>-dirty</c> behind them when tracked files differ; null outside git or without git.</summary>
    public static async Task<string?> Of(string folder, CancellationToken cancel)
    {
        if (await Git(folder, cancel, "rev-parse", "HEAD") is not { Length: 40 } commit) return null;
        return await Git(folder, cancel, "status", "--porcelain", "--untracked-files=no") is { Length: > 0 } ? commit + "-dirty" : commit;
    }

    static async Task<string?> Git(string folder, CancellationToken cancel, params string[] args)
    {
        try
        {
            var start = new ProcessStartInfo("git", ["-C", folder, .. args]) { RedirectStandardOutput = true, RedirectStandardError = true };
            using var git = Process.Start(start)!;
            var error = git.StandardError.ReadToEndAsync(cancel);
            var output = await git.StandardOutput.ReadToEndAsync(cancel);
            await error;
            await git.WaitForExitAsync(cancel);
            return git.ExitCode == 0 ? output.Trim() : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null; // no git here
        }
    }
}
