using System.CommandLine;

namespace Takt.Cli;

/// <summary>The tree of commands, one file per noun, and the one place where an error becomes an exit code.</summary>
public static class CommandLine
{
    public static readonly Option<bool> Json = new("--json") { Description = "Print JSON (docs/cli-json.md)", Recursive = true };
    public static readonly Option<string?> Folder = new("--folder", "-C") { Description = "Work as if started in this folder", Recursive = true };

    public static async Task<int> Run(string[] args)
    {
        var root = new RootCommand("An assembly line for machine learning: from raw data to monitored production and back.")
        {
            Json, Folder,
        };
        root.Subcommands.Add(VersionCommand.Create());
        root.Subcommands.Add(DataCommands.Create());

        var parsed = root.Parse(args);
        try
        {
            return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
        }
        catch (TaktException e)
        {
            return Terminal.Fail(e, parsed.GetValue(Json));
        }
        catch (OperationCanceledException)
        {
            return ExitCode.Cancelled;
        }
    }
}
