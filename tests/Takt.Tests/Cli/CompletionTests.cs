using System.CommandLine;
using System.Diagnostics;
using Takt.Cli;
using Takt.Tests.Services;

namespace Takt.Tests.Cli;

/// <summary>What the shells' completion offers, and that bash itself completes by it.</summary>
public sealed class CompletionTests
{
    static RootCommand Root()
    {
        var data = new Command("data") { new Command("check"), new Command("checkout"), new Command("fetch") };
        var serve = new Command("serve") { new Option<string>("--roles").AcceptOnlyFromAmong("all", "control"), new Option<bool>("--database") };
        return new RootCommand { data, serve, new Command("score") { new Argument<string>("model") } };
    }

    [Theory]
    [InlineData("takt da", "data")] // and not --database, which has "da" in it
    [InlineData("takt data ch", "check checkout")]
    [InlineData("takt data ch --json", "check checkout", 12)] // the cursor stands there
    [InlineData("takt ", "data score serve")]
    [InlineData("takt serve --d", "--database")]
    [InlineData("takt serve --roles ", "all control")]
    [InlineData("takt serve ", "")] // nothing: the shell offers files
    [InlineData("takt score m data/", "")]
    [InlineData("/opt/takt/takt da", "data")]
    [InlineData("", "data score serve")]
    public void Words_go_on_as_they_begin_and_options_wait_for_a_dash(string line, string words, int at = -1) =>
        Assert.Equal(words, string.Join(' ', CompletionCommand.Answer(Root(), [$"[suggest:{(at < 0 ? line.Length : at)}]", line])!));

    [Fact]
    public void Other_arguments_are_no_question_of_a_shell() => Assert.Null(CompletionCommand.Answer(Root(), ["data", "check"]));

    [Fact]
    public async Task Bash_completes_by_its_script()
    {
        const string Script = """
            takt() { "$TAKT" "$@"; }
            eval "$(takt completion bash)"
            COMP_LINE='takt dat'; COMP_POINT=8; _takt; echo "${COMPREPLY[@]}"
            """;
        var start = new ProcessStartInfo("bash", ["--norc", "-c", Script]) { RedirectStandardOutput = true };
        start.Environment["TAKT"] = TaktProgram.Path;
        using var bash = Process.Start(start)!;
        var said = await bash.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        Assert.Equal("data", said.Trim());
    }
}
