using System.Diagnostics;

namespace Takt.Tests.Services;

static class TestProcess
{
    /// <summary>What a script of tests/services printed; its complaint when it failed.</summary>
    public static async Task<string> Script(string name, params string[] arguments)
    {
        var path = Path.Combine(AppContext.BaseDirectory, "services", name);
        // to files, not pipes: a server that the script leaves running would hold a pipe open
        var (output, complaint) = (Path.GetTempFileName(), Path.GetTempFileName());
        try
        {
            using var process = Process.Start("/bin/sh", ["-c", "exec \"$@\" >\"$0\" 2>\"" + complaint + "\" </dev/null", output, path, .. arguments]);
            await process.WaitForExitAsync();
            return process.ExitCode == 0 ? (await File.ReadAllTextAsync(output)).Trim()
                : throw new InvalidOperationException($"tests/services/{name} ended with {process.ExitCode}: {await File.ReadAllTextAsync(complaint)}");
        }
        finally
        {
            File.Delete(output);
            File.Delete(complaint);
        }
    }
}
