namespace Takt.Tests.Cli;

/// <summary>Options that many commands share: help, <c>--verbose</c>, <c>--timeout</c>, <c>--wait</c>.</summary>
public sealed class OptionsTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-cli").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Help_tells_every_option_and_command_with_what_it_takes()
    {
        var help = (await TaktProcess.Run(_folder, "help")).Out;
        foreach (var line in (string[])["Usage:\n  takt [command] [options]", "  -v, --verbose          Tell more", "  -C, --folder <folder>  Work", "  -h, -?, --help         Show", "  run [STAGE]           Run", "  score <model> <data>  Run", "  version               Print"])
            Assert.Contains(line, help);
        Assert.Equal(help, (await TaktProcess.Run(_folder, "--help")).Out);
        Assert.Equal(help, (await TaktProcess.Run(_folder)).Out);
    }

    [Fact]
    public async Task Help_is_asked_for_by_a_word_or_an_option_and_begins_with_what_people_type()
    {
        var (word, option) = (await TaktProcess.Run(_folder, "help", "data", "add"), await TaktProcess.Run(_folder, "data", "add", "--help"));
        Assert.Equal(0, word.ExitCode);
        Assert.StartsWith("Examples:\n  takt data add data/", word.Out);
        Assert.Equal(option.Out, word.Out);
        var unknown = await TaktProcess.Run(_folder, "help", "dtaa");
        Assert.Equal(2, unknown.ExitCode);
        Assert.Contains("did you mean 'data'", unknown.Error);
    }

    [Fact]
    public async Task Verbose_tells_on_stderr_what_is_asked_of_whom_and_leaves_stdout_as_it_is()
    {
        Write("stages:\n  a: { run: echo hi > x, out: [x] }\n");
        var (plain, verbose) = (await TaktProcess.Run(_folder, "runs", "list", "--json"), await TaktProcess.Run(_folder, "runs", "list", "--json", "-v"));
        Assert.Equal(plain.Out, verbose.Out);
        Assert.Empty(plain.Error);
        Assert.Contains("GET /api/v1/runs → 200", verbose.Error);
        Assert.Contains("no server runs on", verbose.Error);
        await TaktProcess.Run(_folder, "run");
        Assert.Contains("a          = cached", (await TaktProcess.Run(_folder, "run", "-v")).Error);
    }

    [Fact]
    public async Task A_run_that_takes_longer_than_its_timeout_is_stopped_and_says_so()
    {
        Write("stages:\n  slow: { run: sleep 60 && touch x, out: [x] }\n");
        var ended = await TaktProcess.Run(_folder, "run", "--timeout", "1s");
        Assert.Equal(1, ended.ExitCode);
        Assert.Contains("stopped after 1.0 s (--timeout)", ended.Error);
        var wrong = await TaktProcess.Run(_folder, "run", "--timeout", "soon");
        Assert.Equal(2, wrong.ExitCode);
        Assert.Contains("--timeout is 'soon', not a duration such as 30s, 15m or 2h", wrong.Error);
    }

    [Fact]
    public async Task Waiting_for_a_rollout_that_no_server_moves_on_is_refused()
    {
        Write("stages:\n  a: { run: echo hi > x, out: [x] }\n");
        var ended = await TaktProcess.Run(_folder, "deploy", "status", "flights", "--wait");
        Assert.Equal(7, ended.ExitCode);
        Assert.Contains("start `./takt serve`", ended.Error);
    }

    [Fact]
    public async Task Without_a_terminal_no_progress_is_drawn()
    {
        Write("stages: {}\n");
        Directory.CreateDirectory(Path.Combine(_folder, "many"));
        for (var i = 0; i < 50; i++) await File.WriteAllTextAsync(Path.Combine(_folder, "many", $"{i}.txt"), $"{i}");
        var added = await TaktProcess.Run(_folder, "data", "add", "many");
        Assert.Equal((0, ""), (added.ExitCode, added.Error));
        Assert.DoesNotContain("\e", added.Out);
    }

    [Fact]
    public async Task Each_missing_argument_is_named_with_what_it_is()
    {
        var ended = await TaktProcess.Run(_folder, "score");
        Assert.Equal(2, ended.ExitCode);
        Assert.Contains("takt score needs <model>: flights@champion, flights@7, or the folder of a model package", ended.Error);
        Assert.Contains("takt score needs --output", ended.Error);
        Assert.Contains("--jobs is 'many', not a whole number", (await TaktProcess.Run(_folder, "run", "-j", "many")).Error);
        Assert.Contains("'tcsh' is none of bash, zsh, fish", (await TaktProcess.Run(_folder, "completion", "tcsh")).Error);
    }

    void Write(string rest) => File.WriteAllText(Path.Combine(_folder, "takt.yaml"), "takt: 1\nproject: p\n" + rest);
}
