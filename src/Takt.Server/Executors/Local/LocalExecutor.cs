using System.Diagnostics;
using System.Runtime.InteropServices;
using Takt.Runs;

namespace Takt.Server.Executors.Local;

/// <summary>Runs a command on this machine, in a process group of its own that is ended as a whole.</summary>
public sealed partial class LocalExecutor : IExecutor
{
    /// <summary>What a command is given of this process's environment; all else must be declared.</summary>
    static readonly string[] Inherited = ["PATH", "HOME", "LANG", "TMPDIR", "USER"];

    static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);

    const int Terminate = 15;
    const int Kill = 9;

    public async Task<int> Run(CommandRun command, CancellationToken cancel)
    {
        // the shell opens the log itself: output survives this process, and no byte passes through it
        var start = new ProcessStartInfo("setsid", ["sh", "-c", "exec >>\"$TAKT_LOG\" 2>&1\n" + command.Command])
        {
            WorkingDirectory = command.Folder,
            RedirectStandardInput = true,
        };
        start.Environment.Clear();
        foreach (var name in Inherited)
            if (Environment.GetEnvironmentVariable(name) is { } value) start.Environment[name] = value;
        foreach (var (name, value) in command.Env) start.Environment[name] = value;
        start.Environment["TAKT_LOG"] = command.Log;

        using var process = Start(start);
        process.StandardInput.Close();
        var left = PidFile(command.Log);
        Storage.Files.WriteAtomically(left, process.Id.ToString());
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        if (command.Timeout is { } most) limit.CancelAfter(most);
        try
        {
            await process.WaitForExitAsync(limit.Token);
            File.Delete(left);
            return process.ExitCode;
        }
        catch (OperationCanceledException)
        {
            await End(process);
            File.Delete(left);
            cancel.ThrowIfCancellationRequested();
            throw new TaktException(TaktError.Cancelled, $"it ran over its timeout of {command.Timeout}");
        }
    }

    public void EndLeftover(string log)
    {
        var file = PidFile(log);
        if (!File.Exists(file)) return;
        // the number may have been given to another process since: ours was started with this log
        if (int.TryParse(File.ReadAllText(file), out var process) && File.Exists($"/proc/{process}/environ") && File.ReadAllText($"/proc/{process}/environ").Contains("TAKT_LOG=" + log, StringComparison.Ordinal))
            _ = kill(-process, Kill);
        File.Delete(file);
    }

    static string PidFile(string log) => log + ".pid";

    static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new TaktException(TaktError.Unavailable, $"the command could not be started: {e.Message}", e);
        }
    }

    /// <summary>SIGTERM to the group, ten seconds to clean up, SIGKILL.</summary>
    static async Task End(Process process)
    {
        _ = kill(-process.Id, Terminate);
        using var grace = new CancellationTokenSource(Grace);
        try
        {
            await process.WaitForExitAsync(grace.Token);
        }
        catch (OperationCanceledException)
        {
            // it had its time
        }
        _ = kill(-process.Id, Kill);
        await process.WaitForExitAsync(CancellationToken.None);
    }

    [LibraryImport("libc")]
    private static partial int kill(int process, int signal);
}
