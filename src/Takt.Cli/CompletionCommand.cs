using System.CommandLine;

namespace Takt.Cli;

/// <summary><c>takt completion SHELL</c>: a script that asks <c>takt [suggest:N] LINE</c> what may follow.</summary>
static class CompletionCommand
{
    const string Bash = """
        _takt() {
            local IFS=$'\n'
            COMPREPLY=($(takt "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null))
        }
        complete -o default -F _takt takt
        """;

    const string Zsh = """
        _takt() {
            local -a found
            found=("${(@f)$(takt "[suggest:${CURSOR}]" "${BUFFER}" 2>/dev/null)}")
            compadd -a found
        }
        compdef _takt takt
        """;

    const string Fish = """
        function __takt_complete
            set -l line (commandline -cp)
            takt "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null
        end
        complete -c takt -f -a '(__takt_complete)'
        """;

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
