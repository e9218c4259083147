namespace Takt.Cli;

/// <summary>Data goes to stdout, talk and progress to stderr; colour only on a terminal and never under NO_COLOR.</summary>
public static class Terminal
{
    public static readonly bool Colour = !Console.IsErrorRedirected && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));

    public static int Fail(TaktException e, bool json)
    {
        _ = json;
        foreach (var fault in e.Faults) Console.Error.WriteLine($"takt: {fault}");
        return ExitCode.Of(e.Error);
    }
}
