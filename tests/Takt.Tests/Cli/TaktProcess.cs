using System.Diagnostics;
using Takt.Tests.Services;

namespace Takt.Tests.Cli;

/// <summary>Runs the program as a user does, in a folder, without a terminal.</summary>
public static class TaktProcess
{
    public static string Root => TaktProgram.Root;

    public sealed record Ended(int ExitCode, string Out, string Error);

    public static async Task<Ended> Run(string folder, params string[] args)
    {
        using var process = Start(folder, args);
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"takt {string.Join(' ', args)} did not end in 3 minutes: {await output}{await error}");
        }
        return new Ended(process.ExitCode, await output, await error);
    }

    public static Process Start(string folder, params string[] args)
    {
        var start = new ProcessStartInfo(TaktProgram.Path)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        foreach (var arg in args) start.ArgumentList.Add(arg);
        start.Environment["NO_COLOR"] = "1";
        start.Environment["TAKT_COMMAND"] = "./takt"; // as the wrapper in a clone says
        start.Environment.Remove("TAKT_SERVER");
        start.Environment.Remove("TAKT_HOME");
        var process = Process.Start(start)!;
        process.StandardInput.Close();
        return process;
    }
}
