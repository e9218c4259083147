using System.CommandLine;
using System.CommandLine.Help;

namespace Takt.Cli;

/// <summary>The help of <c>takt</c> itself, as the library prints that of a command, in a fraction of its time: what people see first should not make them wait.</summary>
static class RootHelp
{
    const int Narrowest = 60, Unlimited = int.MaxValue;

    public static void Print(RootCommand root, TextWriter to)
    {
        to.WriteLine($"Description:\n  {root.Description}\n\nUsage:\n  takt [command] [options]\n\nOptions:");
        List<(string, string?)> options = [];
        foreach (var ofLibrary in (ReadOnlySpan<bool>)[false, true]) // help and version last
            foreach (var option in root.Options)
            {
                if (option.Hidden || (option is HelpOption or VersionOption) != ofLibrary) continue;
                List<string> names = [.. option.Aliases, option.Name];
                names.RemoveAll(name => name[0] == '/');
                names.Sort((a, b) => a.Length - b.Length);
                options.Add((string.Join(", ", names) + (option.ValueType == typeof(string) ? $" <{option.HelpName ?? option.Name.TrimStart('-')}>" : ""), option.Description));
            }
        Columns(options, to);
        to.WriteLine("\nCommands:");
        List<(string, string?)> commands = [];
        foreach (var command in root.Subcommands)
        {
            if (command.Hidden) continue;
            var name = command.Name;
            foreach (var argument in command.Arguments)
                if (!argument.Hidden) name += argument.Arity.MinimumNumberOfValues > 0 ? $" <{argument.HelpName ?? argument.Name}>" : $" [{(argument.HelpName ?? argument.Name).ToUpperInvariant()}]";
            commands.Add((name, command.Description));
        }
        Columns(commands, to);
    }

    static void Columns(List<(string Name, string? Text)> rows, TextWriter to)
    {
        var first = 0;
        foreach (var (name, _) in rows) first = Math.Max(first, name.Length);
        var width = Console.IsOutputRedirected ? Unlimited : Math.Max(Console.WindowWidth, Narrowest);
        var room = width == Unlimited ? Unlimited : Math.Max(width - first - 5, Narrowest / 3);
        foreach (var (name, text) in rows)
        {
            var rest = text ?? "";
            to.Write("  " + name.PadRight(first + 2));
            while (rest.Length > room && rest.LastIndexOf(' ', room) is > 0 and var at)
            {
                to.WriteLine(rest[..at]);
                to.Write(new string(' ', first + 4));
                rest = rest[(at + 1)..];
            }
            to.WriteLine(rest);
        }
    }
}
