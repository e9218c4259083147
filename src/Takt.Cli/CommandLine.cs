using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using System.Text.RegularExpressions;
using Takt.Cli.Demo;

namespace Takt.Cli;

/// <summary>The tree of commands, one file per noun, and the one place where an error becomes an exit code.</summary>
public static partial class CommandLine
{
    public static readonly Option<bool> Json = new("--json") { Description = "Print JSON (docs/cli-json.md)", Recursive = true };
    public static readonly Option<bool> Verbose = new("--verbose", "-v") { Description = "Tell more on stderr: what is asked of whom, why, and how long it took", Recursive = true };
    public static readonly Option<string?> Folder = new("--folder", "-C") { Description = "Work as if started in this folder", Recursive = true };

    public static readonly Option<string?> Database = new("--database") { Description = "Rows: postgres://user@host/database, instead of a file in .takt/", Recursive = true };
    public static readonly Option<string?> Blobs = new("--blobs") { Description = "Bytes: s3://bucket?endpoint=…, or a folder, instead of .takt/store", Recursive = true };

    public static readonly Option<string?> Server = new("--server") { Description = "Ask this server instead of the folder's own", Recursive = true };

    /// <summary>Only on commands whose rows are in workspaces; a command without it asks the default one.</summary>
    public static readonly Option<string?> Workspace = new("--workspace") { Description = "Of this workspace (or TAKT_WORKSPACE), instead of the default one", Recursive = true };

    public static async Task<int> Run(string[] args)
    {
        var root = new RootCommand("An assembly line for machine learning: from raw data to monitored production and back.")
        {
            Json, Verbose, Folder, Server, Database, Blobs,
        };
        root.Subcommands.Add(DemoCommand.Create());
        root.Subcommands.Add(InitCommand.Create());
        root.Subcommands.Add(PipelineCommands.Run());
        root.Subcommands.Add(PipelineCommands.Status());
        root.Subcommands.Add(PipelineCommands.Why());
        root.Subcommands.Add(ServeCommand.Create());
        root.Subcommands.Add(DataCommands.Create());
        root.Subcommands.Add(ConfigCommand.Create());
        root.Subcommands.Add(RunCommands.Create());
        root.Subcommands.Add(ModelCommands.Create());
        root.Subcommands.Add(ScoreCommand.Create());
        root.Subcommands.Add(DeployCommands.Create());
        root.Subcommands.Add(LabelCommands.Create());
        root.Subcommands.Add(MonitorCommands.Create());
        root.Subcommands.Add(ImportCommand.Create());
        root.Subcommands.Add(GcCommand.Create());
        root.Subcommands.Add(WorkspaceCommands.Create());
        root.Subcommands.Add(SchemaCommand.Create());
        root.Subcommands.Add(CompletionCommand.Create());
        root.Subcommands.Add(new Command("help", "How a command is used: takt help data add") { new Argument<string[]>("command") { Description = "The command's words", Arity = ArgumentArity.ZeroOrMore } });
        root.Subcommands.Add(VersionCommand.Create());

        var help = root.Options.OfType<HelpOption>().Single();
        help.Action = new ExampleHelp((HelpAction)help.Action!);

        if (CompletionCommand.Answer(root, args) is { } suggested)
        {
            foreach (var word in suggested) Console.WriteLine(word);
            return ExitCode.Ok;
        }
        if (args is ["help", .. var words] && !words.Any(w => w.StartsWith('-'))) args = [.. words, "--help"];
        var parsed = root.Parse(args.Length == 0 ? ["--help"] : args);
        if (args is [.., "--help"] && parsed.UnmatchedTokens.Count > 0) return Usage(parsed);
        Terminal.Verbose = parsed.GetValue(Verbose);
        if (parsed.GetValue(Folder) is { } folder) Terminal.Called += $" -C {(folder.Contains(' ', StringComparison.Ordinal) ? $"'{folder}'" : folder)}";
        var began = TimeProvider.System.GetTimestamp();
        if (parsed.Errors.Count > 0 || MistakenOption(parsed) is not null) return Usage(parsed);
        try
        {
            return await parsed.InvokeAsync(new InvocationConfiguration
            {
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = TimeSpan.FromSeconds(20), // a stage has ten seconds to clean up after Ctrl-C
            });
        }
        catch (TaktException e)
        {
            Terminal.Detail(e.ToString());
            return Terminal.Fail(e, parsed.GetValue(Json));
        }
        catch (TimeoutException e)
        {
            return Terminal.TimedOut(e.Message, parsed.GetValue(Json));
        }
        catch (OperationCanceledException)
        {
            return Terminal.Fail(Stopped.Of(string.Join(' ', Path(parsed.CommandResult.Command).Reverse())), parsed.GetValue(Json));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Terminal.Fail(new TaktException(e is UnauthorizedAccessException ? TaktError.Denied : TaktError.Unavailable, Storage.StorageFaults.InWords(e)), parsed.GetValue(Json));
        }
        catch (Exception e)
        {
            Terminal.Note($"takt: a bug in takt: {e.GetType().Name}: {e.Message}", Terminal.Tone.Bad);
            if (Terminal.Verbose || Environment.GetEnvironmentVariable("TAKT_TRACE") is "1") Terminal.Note(e.ToString(), Terminal.Tone.Dim);
            else Terminal.Note("takt: run it again with --verbose for the details to report");
            return ExitCode.Failed;
        }
        finally
        {
            Terminal.Detail($"took {TimeProvider.System.GetElapsedTime(began).TotalSeconds:0.00} s");
        }
    }

    /// <summary>One line that says what is wrong, and what was meant; not the whole help.</summary>
    static int Usage(ParseResult parsed)
    {
        var command = parsed.CommandResult.Command;
        var known = command.Subcommands.Select(c => c.Name).Concat(parsed.RootCommandResult.Command.Options.Concat(command.Options).Select(o => o.Name)).Distinct().ToList();
        var unknown = MistakenOption(parsed) ?? parsed.UnmatchedTokens.FirstOrDefault(t => !known.Contains(t));
        if (unknown is not null && Before(parsed, unknown) is var before && before != command)
        {
            command = before; // `takt depoly status` finds the command status after a word that it does not know
            known = [.. command.Subcommands.Select(c => c.Name)];
        }
        var path = command is RootCommand ? "takt" : $"takt {string.Join(' ', Path(command).Reverse())}";
        if (unknown is not null)
            Terminal.Note($"takt: '{unknown}' is no {(unknown.StartsWith('-') ? "option" : "command")} of {path}{Pipelines.Nearest.Hint(unknown, known)}", Terminal.Tone.Bad);
        else if (command.Subcommands.Count > 0 && command.Action is null)
            Terminal.Note($"takt: a command is missing after '{path}': {string.Join(", ", command.Subcommands.Select(c => c.Name))}", Terminal.Tone.Bad);
        else foreach (var error in parsed.Errors.Take(4)) Terminal.Note($"takt: {Words(error, command, path)}", Terminal.Tone.Bad);
        Terminal.Note($"takt: `{path} --help` shows how it is used");
        return ExitCode.Usage;
    }

    /// <summary>The command that the words before this one name.</summary>
    static Command Before(ParseResult parsed, string word)
    {
        Command at = parsed.RootCommandResult.Command;
        foreach (var token in parsed.Tokens.TakeWhile(t => t.Value != word)) at = at.Subcommands.FirstOrDefault(c => c.Name == token.Value) ?? at;
        return at;
    }

    /// <summary>What the parser says, in the words of whoever typed it.</summary>
    static string Words(ParseError error, Command command, string path)
    {
        if (Missing().Match(error.Message) is { Success: true } missing && command.Arguments.FirstOrDefault(a => a.Name == missing.Groups[1].Value) is { } argument) return $"{path} needs <{argument.Name}>: {argument.Description}";
        if (Required().Match(error.Message) is { Success: true } required) return $"{path} needs {required.Groups[1].Value}: {command.Options.FirstOrDefault(o => o.Name == required.Groups[1].Value)?.Description}";
        if (NoNumber().Match(error.Message) is { Success: true } number) return $"{number.Groups[2].Value} is '{number.Groups[1].Value}', not a {(number.Groups[3].Value == "Double" ? "number" : "whole number")}";
        if (NoneOf().Match(error.Message) is { Success: true } none) return $"'{none.Groups[1].Value}' is none of {string.Join(", ", none.Groups[2].Captures.Select(c => c.Value))}";
        return error.Message;
    }

    [GeneratedRegex("^Required argument '(.+)' missing")]
    private static partial Regex Missing();

    [GeneratedRegex("^Option '(.+)' is required")]
    private static partial Regex Required();

    [GeneratedRegex(@"^Cannot parse argument '(.*)' for option '(.+)' as expected type '.*?System\.(Int32|Int64|Double)")]
    private static partial Regex NoNumber();

    [GeneratedRegex(@"^Argument '(.*)' not recognized\. Must be one of:(?:\s+'(.+?)')+")]
    private static partial Regex NoneOf();

    /// <summary>A word such as <c>--jsn</c> that an argument took because no option is called so; what follows <c>--</c> is meant.</summary>
    static string? MistakenOption(ParseResult parsed) => parsed.Tokens.Any(t => t.Type == TokenType.DoubleDash) ? null
        : parsed.CommandResult.Children.OfType<ArgumentResult>().SelectMany(a => a.Tokens).Select(t => t.Value)
            .FirstOrDefault(t => t.Length > 1 && t[0] == '-' && t.All(c => char.IsAsciiLetter(c) || c == '-'));

    internal static IEnumerable<string> Path(Command command)
    {
        for (Symbol? at = command; at is Command and not RootCommand; at = at.Parents.FirstOrDefault()) yield return at.Name;
    }
}
