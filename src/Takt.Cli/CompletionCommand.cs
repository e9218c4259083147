using System.CommandLine;

namespace Takt.Cli;

/// <summary><c>takt completion SHELL</c>: a script that asks <c>takt [suggest:N] LINE</c> what may follow.</summary>
public static class CompletionCommand
{
    const string Bash = """
        _takt() {
            local IFS=$'\n'
            COMPREPLY=($(takt "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null))
        }
        complete -o default -F _takt takt
        """;

    // as a file _takt of $fpath it is the function's body; in eval it makes itself known
    const string Zsh = """
        #compdef takt
        _takt() {
            local -a found
            found=(${(f)"$(takt "[suggest:${CURSOR}]" "${BUFFER}" 2>/dev/null)"})
            if (( $#found )); then compadd -a found; else _files; fi
        }
        if [[ "$funcstack[1]" = "_takt" ]]; then
            _takt "$@"
        else
            (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
            compdef _takt takt
        fi
        """;

    const string Fish = """
        function __takt_complete
            set -l line (commandline -cp)
            set -l found (takt "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null)
            if test (count $found) -gt 0
                printf '%s\n' $found
            else
                __fish_complete_path (commandline -ct)
            end
        end
        complete -c takt -f -a '(__takt_complete)'
        """;

    /// <summary>What may follow, one a line: words that begin as the last one does, options only where it begins with a dash; nothing where a file or a name of the user's is wanted.</summary>
    /// <param name="args">As a shell's script gives them: <c>[suggest:N]</c> and the line, whose end is at N.</param>
    public static IEnumerable<string>? Answer(RootCommand root, string[] args)
    {
        if (args is not [var directive, .. var rest] || !directive.StartsWith("[suggest", StringComparison.Ordinal)) return null;
        var line = rest.FirstOrDefault() ?? "";
        if (int.TryParse(directive.AsSpan().Trim("[suggest:]"), System.Globalization.CultureInfo.InvariantCulture, out var at) && at >= 0 && at < line.Length) line = line[..at];
        var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var word = line.Length == 0 || line[^1] == ' ' ? "" : words[^1];
        // the program's own name is no word of a command
        var asked = root.Parse(words.Length == 0 ? "" : line.TrimStart()[words[0].Length..]);
        return asked.GetCompletions().Select(c => c.Label).Where(c => c.StartsWith(word, StringComparison.Ordinal) && c[0] != '/' && (word.StartsWith('-') || c[0] != '-'));
    }

    public static Command Create()
    {
        var shell = new Argument<string>("shell") { Description = "bash, zsh or fish" };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        var command = new Command("completion", "Print the completion script of a shell: eval \"$(takt completion bash)\"") { shell };
        command.SetAction(parsed =>
        {
            Console.WriteLine(parsed.GetValue(shell) switch { "zsh" => Zsh, "fish" => Fish, _ => Bash });
            return ExitCode.Ok;
        });
        return command;
    }
}
