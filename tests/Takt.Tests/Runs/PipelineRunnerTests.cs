using System.Diagnostics;
using Takt.Runs;
using Takt.Server;
using Takt.Tests.Cli;

namespace Takt.Tests.Runs;

/// <summary>Real projects with real commands: what runs, what does not, and what is left behind.</summary>
public sealed class PipelineRunnerTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-run").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    void Project(string stages) => Write("takt.yaml", "takt: 1\nproject: p\nparams: params.yaml\nstages:\n" + stages);

    void Write(string path, string text) => File.WriteAllText(Path.Combine(_folder, path), text);

    string Read(string path) => File.ReadAllText(Path.Combine(_folder, path));

    async Task<Dictionary<string, StageState>> Run(params string[] stages)
    {
        await using var app = TaktApp.Open(TaktFolder.At(_folder));
        return (await app.Pipelines.Run(new PipelineRequest(stages))).Stages.ToDictionary(s => s.Stage, s => s.State);
    }

    void Chain()
    {
        Write("params.yaml", "n: 1\n");
        Write("a.txt", "one\n");
        Project("""
              copy: { run: "cp a.txt b.txt; echo x >> runs.log", in: [a.txt], out: [b.txt] }
              count: { run: "wc -l < b.txt > c.txt", in: [b.txt], out: [c.txt] }
              last: { run: "echo ${params.n} > d.txt", in: [c.txt], out: [d.txt] }
            """);
    }

    [Fact]
    public async Task What_has_not_changed_does_not_run_again()
    {
        Chain();
        Assert.All((await Run()).Values, s => Assert.Equal(StageState.Ran, s));
        Assert.All((await Run()).Values, s => Assert.Equal(StageState.Cached, s));
        Assert.Equal("x\n", Read("runs.log"));
    }

    [Fact]
    public async Task A_touched_file_with_equal_content_changes_nothing()
    {
        Chain();
        await Run();
        File.SetLastWriteTimeUtc(Path.Combine(_folder, "a.txt"), new DateTime(2030, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        Assert.All((await Run()).Values, s => Assert.Equal(StageState.Cached, s));
    }

    [Fact]
    public async Task An_equal_output_cuts_off_what_follows()
    {
        Chain();
        await Run();
        Write("a.txt", "two\n"); // another line, still one line
        var states = await Run();
        Assert.Equal(StageState.Ran, states["copy"]);
        Assert.Equal(StageState.Ran, states["count"]);
        Assert.Equal(StageState.Cached, states["last"]);
    }

    [Fact]
    public async Task A_missing_or_edited_output_is_restored_without_running()
    {
        Chain();
        await Run();
        File.Delete(Path.Combine(_folder, "b.txt"));
        Write("c.txt", "wrong");
        var states = await Run();
        Assert.Equal(StageState.Restored, states["copy"]);
        Assert.Equal(StageState.Restored, states["count"]);
        Assert.Equal("one\n", Read("b.txt"));
        Assert.Equal("x\n", Read("runs.log"));
    }

    [Fact]
    public async Task A_changed_param_runs_only_what_uses_it_and_why_names_it()
    {
        Chain();
        await Run();
        Write("params.yaml", "n: 2\n");
        await using (var app = TaktApp.Open(TaktFolder.At(_folder)))
        {
            var why = await app.Pipelines.Why("last");
            Assert.False(why.UpToDate);
            Assert.Equal("command", Assert.Single(why.Changes).Part);
        }
        var states = await Run();
        Assert.Equal([StageState.Cached, StageState.Cached, StageState.Ran], [states["copy"], states["count"], states["last"]]);
    }

    [Fact]
    public async Task A_failed_stage_leaves_no_output_and_skips_what_needs_it_but_not_its_siblings()
    {
        Write("params.yaml", "n: 1\n");
        Project("""
              bad: { run: "echo half > bad.txt; exit 3", out: [bad.txt] }
              after: { run: "cp bad.txt after.txt", in: [bad.txt], out: [after.txt] }
              other: { run: "echo ok > other.txt", out: [other.txt] }
            """);
        var states = await Run();
        Assert.Equal([StageState.Failed, StageState.Skipped, StageState.Ran], [states["bad"], states["after"], states["other"]]);
        Assert.False(File.Exists(Path.Combine(_folder, "bad.txt")));
    }

    [Fact]
    public async Task What_one_stage_alone_measured_the_run_of_the_pipeline_has_too()
    {
        Write("params.yaml", "n: 3\n");
        Project("""
              a: { run: 'echo "{\"auc\": 0.75, \"rows\": 7}" > a.json', out: [a.json], metrics: [a.json], params: [n] }
              b: { run: 'echo "{\"rows\": 9}" > b.json', in: [a.json], out: [b.json], metrics: [b.json] }
            """);
        await using var app = TaktApp.Open(TaktFolder.At(_folder));
        var run = app.Runs.Get((await app.Pipelines.Run(new PipelineRequest([]))).Run);
        Assert.Equal(["auc"], run.Metrics.Keys);
        Assert.Equal(0.75, run.Metrics["auc"].Value);
        Assert.Equal("3", Assert.Single(run.Params).Value);

        // in a list by what both have it stands for its stage; what only stages have is a list of them
        RunColumn By(string metric) => new(RunColumnKind.Metric, metric);
        int Listed(RunGridQuery query) => app.RunGrid.Page(query with { FoldStages = true }, []).Rows.Count(r => r.Parent is not null);
        Assert.Equal(0, Listed(new() { Sort = By("auc") }));
        Assert.Equal(0, Listed(new() { Sort = By("auc"), Filter = "metrics.auc > 0.5" }));
        Assert.Equal(2, Listed(new() { Sort = By("rows") }));
        Assert.Equal(1, Listed(new() { Sort = By("rows"), Filter = "metrics.rows > 8" }));
    }

    [Fact]
    public async Task A_run_that_a_gate_refuses_is_told_from_one_that_broke_and_status_knows_why()
    {
        Write("params.yaml", "n: 1\n");
        Write("m.json", "{\"accuracy\": 0.71}\n");
        Project("""
              score: { run: "cp m.json out.json", in: [m.json], out: [out.json], metrics: [out.json] }
              after: { run: "echo x > x.txt", out: [x.txt], if: gates.accuracy.passed }
            gates:
              accuracy: { after: score, require: [accuracy >= 0.75] }
            """);
        await using var app = TaktApp.Open(TaktFolder.At(_folder));
        var result = await app.Pipelines.Run(new PipelineRequest([]));
        Assert.True(result.StoppedByGate);
        var run = app.Runs.Get(result.Run);
        Assert.Equal(RunStatus.FAILED, run.Status); // MLflow's clients know no other word
        const string Refusal = "gates.accuracy: accuracy >= 0.75: 0.71 < 0.75";
        Assert.Equal(Refusal, run.Tags[PipelineRunner.RefusedTag]);
        Assert.Equal(Refusal, app.Runs.Get(result.Stages.Single(s => s.State == StageState.NotPassed).Run!.Value).Tags[PipelineRunner.RefusedTag]);
        var rows = app.RunGrid.Page(new RunGridQuery(), null).Rows;
        Assert.Equal(Refusal, rows.Single(r => r.Id == run.Id.Value).Refused);
        Assert.Null(rows.Single(r => r.Name == "score").Refused);
        Assert.Equal("refused when it last ran: accuracy >= 0.75: 0.71 < 0.75", (await app.Pipelines.Plan([])).Single(r => r.Stage == "gates.accuracy").Reason);

        Write("m.json", "{\"accuracy\": 0.8}\n");
        Assert.DoesNotContain("refused", (await app.Pipelines.Plan(["score"]))[0].Reason);
        Assert.True((await app.Pipelines.Run(new PipelineRequest([]))).Succeeded);
    }

    [Fact]
    public async Task The_lock_is_the_same_bytes_for_the_same_results()
    {
        Chain();
        await Run();
        var first = Read("takt.lock");
        Directory.Delete(Path.Combine(_folder, ".takt"), recursive: true);
        File.Delete(Path.Combine(_folder, "b.txt"));
        await Run();
        Assert.Equal(first, Read("takt.lock"));
        Assert.Contains("version: 1\nstages:\n  copy:\n    key: sha256:", first);
    }

    [Fact]
    public async Task A_clone_with_a_store_and_no_rows_takes_its_results_from_the_lock()
    {
        Chain();
        await Run();
        foreach (var rows in Directory.GetFiles(Path.Combine(_folder, ".takt"), "takt.db*")) File.Delete(rows);
        foreach (var output in (string[])["b.txt", "c.txt"]) File.Delete(Path.Combine(_folder, output));
        await using (var app = TaktApp.Open(TaktFolder.At(_folder))) Assert.Contains("restored from the store", (await app.Pipelines.Why("copy")).Reason);
        var states = await Run();
        Assert.Equal([StageState.Restored, StageState.Restored, StageState.Cached], [states["copy"], states["count"], states["last"]]);
        Assert.Equal("x\n", Read("runs.log"));
        Assert.Equal("one\n", Read("b.txt"));
        File.Delete(Path.Combine(_folder, "takt.lock")); // the rows know it by now
        Assert.All((await Run()).Values, s => Assert.Equal(StageState.Cached, s));
    }

    [Fact]
    public async Task A_lock_that_does_not_fit_or_can_not_be_read_is_not_believed()
    {
        Chain();
        await Run();
        var whole = Read("takt.lock");
        // in conflict; merged by both sides' lines; without a path
        var output = whole.Split('\n').First(line => line.Contains("path: \"b.txt\"", StringComparison.Ordinal));
        foreach (var broken in (string[])["<<<<<<< HEAD\n" + whole + "=======\n" + whole + ">>>>>>> other\n", whole.Replace(output, $"{output}\n{output}", StringComparison.Ordinal), whole.Replace("path:", "paths:", StringComparison.Ordinal)])
        {
            foreach (var rows in Directory.GetFiles(Path.Combine(_folder, ".takt"), "takt.db*")) File.Delete(rows);
            Write("takt.lock", broken);
            Assert.All((await Run()).Values, s => Assert.Equal(StageState.Ran, s));
            Assert.Equal(whole, Read("takt.lock"));
        }
    }

    [Fact]
    public async Task The_lock_tells_what_went_in_and_what_came_out()
    {
        Write("params.yaml", "n: 3\n");
        Directory.CreateDirectory(Path.Combine(_folder, "data"));
        Write("data/1.txt", "one");
        Write("data/2.txt", "two");
        Write("a.txt", "a");
        Write("takt.yaml", """
            takt: 1
            project: p
            params: params.yaml
            env: { MODE: fast }
            stages:
              s: { run: 'echo "{\"auc\": 0.5}" > m.json; echo ${params.n} "q" > o.txt', in: [data/, a.txt], out: [o.txt], metrics: [m.json], params: [n] }
            """);
        await Run();
        var a = Digest.Of("a"u8);
        var folder = Digest.Of(System.Text.Encoding.UTF8.GetBytes($"{Digest.Of("one"u8)} data/1.txt\n{Digest.Of("two"u8)} data/2.txt\n"));
        var text = Read("takt.lock");
        Assert.Contains($"    env:\n      \"MODE\": \"fast\"\n    params:\n      \"n\": \"3\"\n    in:\n      - {{ path: \"a.txt\", id: \"{a}\" }}\n      - {{ path: \"data/\", id: \"{folder}\", files: 2 }}\n    out:\n", text);
        Assert.EndsWith("    metrics:\n      \"auc\": \"0.5\"\n", text);
        Assert.DoesNotContain(_folder, text);
    }

    [Fact]
    public async Task A_secret_is_masked_in_the_log_while_the_command_still_runs()
    {
        Write("params.yaml", "n: 1\n");
        Write("takt.yaml", "takt: 1\nproject: p\nsecrets: [KEY]\nstages:\n  s: { run: 'echo \"ä key ${secrets.KEY}\"; while [ ! -e go ]; do sleep 0.05; done; echo \"then ${secrets.KEY}\"' }\n");
        Environment.SetEnvironmentVariable("TAKT_SECRET_KEY", "swordfish-77");
        var running = Run();
        var runs = Path.Combine(_folder, ".takt", "runs");
        string Log() => Directory.Exists(runs) ? Directory.GetFiles(runs, "s.log", SearchOption.AllDirectories).Select(File.ReadAllText).FirstOrDefault() ?? "" : "";
        while (Log().Length == 0 && !running.IsCompleted) await Task.Delay(20);
        Assert.Equal("ä key ***\n", Log());
        var raw = Directory.GetFiles(runs, "s.log.raw", SearchOption.AllDirectories).Single();
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(raw));
        Write("go", "");
        Assert.Equal(StageState.Ran, (await running)["s"]);
        Assert.Equal("ä key ***\nthen ***\n", Log());
        Assert.False(File.Exists(raw));
    }

    [Fact]
    public async Task What_a_killed_run_left_unmasked_is_removed_by_the_next()
    {
        Write("params.yaml", "n: 1\n");
        Write("takt.yaml", "takt: 1\nproject: p\nsecrets: [KEY]\nstages:\n  s: { run: 'echo \"key ${secrets.KEY}\"; echo > begun; [ -e go ] || sleep 300' }\n");
        Environment.SetEnvironmentVariable("TAKT_SECRET_KEY", "swordfish-77");
        using var killed = TaktProcess.Start(_folder, "run");
        while (!File.Exists(Path.Combine(_folder, "begun")) && !killed.HasExited) await Task.Delay(50);
        killed.Kill();
        await killed.WaitForExitAsync();
        Write("go", "");
        Assert.Equal(StageState.Ran, (await Run())["s"]);
        foreach (var file in Directory.GetFiles(Path.Combine(_folder, ".takt", "runs"), "*", SearchOption.AllDirectories)) Assert.DoesNotContain("swordfish", File.ReadAllText(file));
    }

    [Fact]
    public async Task A_secret_reaches_the_command_and_nothing_else()
    {
        Write("params.yaml", "n: 1\n");
        Write("takt.yaml", "takt: 1\nproject: p\nsecrets: [TOKEN]\nstages:\n  s: { run: 'echo \"got ${secrets.TOKEN}\" | tee out.txt', out: [out.txt] }\n");
        Environment.SetEnvironmentVariable("TAKT_SECRET_TOKEN", "hunter2-hunter2");
        await Run();
        Assert.Equal("got hunter2-hunter2\n", Read("out.txt"));
        Assert.DoesNotContain("hunter2", Read("takt.lock"));
        foreach (var log in Directory.GetFiles(Path.Combine(_folder, ".takt", "runs"), "*.log", SearchOption.AllDirectories)) Assert.DoesNotContain("hunter2", File.ReadAllText(log));
        Assert.DoesNotContain("hunter2", System.Text.Encoding.Latin1.GetString(File.ReadAllBytes(Path.Combine(_folder, ".takt", "takt.db"))));
    }

    [Fact]
    public async Task A_killed_run_is_ended_by_the_next_and_its_children_with_it()
    {
        Write("params.yaml", "n: 1\n");
        Project("""
              slow: { run: "echo half > slow.txt; sleep 300; echo whole >> slow.txt", out: [slow.txt] }
              quick: { run: "echo ok > quick.txt", out: [quick.txt] }
            """);
        using var killed = TaktProcess.Start(_folder, "run", "slow");
        var output = Path.Combine(_folder, "slow.txt");
        for (var i = 0; i < 3000 && !File.Exists(output); i++) await Task.Delay(100);
        Assert.True(File.Exists(output));
        killed.Kill(); // SIGKILL to takt alone: its child lives on
        await killed.WaitForExitAsync();
        Assert.Equal(StageState.Ran, (await Run("quick"))["quick"]);
        Assert.False(File.Exists(output));
        await using var app = TaktApp.Open(TaktFolder.At(_folder));
        Assert.Empty(app.Runs.Unfinished());
        Assert.Contains(app.Runs.List(), r => r.Status == RunStatus.KILLED);
        Assert.DoesNotContain(Process.GetProcessesByName("sleep"), p => File.Exists($"/proc/{p.Id}/cwd") && new FileInfo($"/proc/{p.Id}/cwd").LinkTarget == _folder);
    }

    [Theory]
    [InlineData("out: [.]", "within the project's folder")]
    [InlineData("out: [../x]", "within the project's folder")]
    [InlineData("out: [.takt/]", "within the project's folder")]
    [InlineData("in: [nothing.txt]", "nothing.txt")]
    [InlineData("matrix: { a: [1] }", "'matrix' is not supported yet")]
    [InlineData("timeout: soon", "not a duration")]
    [InlineData("if: branch == main", "not supported yet")]
    public async Task A_faulty_stage_is_refused_before_anything_runs(string key, string message)
    {
        Write("params.yaml", "n: 1\n");
        Project($"  s: {{ run: 'touch ran', {key} }}\n");
        Assert.Contains(message, (await Assert.ThrowsAsync<TaktException>(() => Run())).Message);
        Assert.False(File.Exists(Path.Combine(_folder, "ran")));
    }
}
