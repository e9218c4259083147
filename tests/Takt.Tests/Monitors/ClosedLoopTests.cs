using Takt.Monitors;
using Takt.Pipelines;
using Takt.Runs;
using Takt.Server;
using Takt.Server.Executors.Local;

namespace Takt.Tests.Monitors;

/// <summary>What starts the line again: a trigger is over when its pipeline is, however that ended.</summary>
public sealed class ClosedLoopTests : IAsyncLifetime
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-loop").FullName;
    TaktApp _app = null!;

    public ValueTask InitializeAsync()
    {
        _app = TaktApp.Open(TaktFolder.At(_folder));
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    void Project(string stages) => File.WriteAllText(Path.Combine(_folder, "takt.yaml"), "takt: 1\nproject: p\nstages:\n" + stages);

    /// <summary>A window with an alert, a day after another.</summary>
    Task Alert(int day)
    {
        var start = new DateTimeOffset(2026, 1, day, 0, 0, 0, TimeSpan.Zero);
        return _app.Monitors.Table.Put(new MonitorWindow("m", start, start.AddDays(1), 1000, 0, "m@1", [], new Dictionary<string, double>(), "alert"), [("drift", "it moved", "{}")], new DriftTrigger("m", TimeSpan.FromHours(1)));
    }

    PipelineRunner With(IStepKind kind) => new(_app.Folder, _app.Database, _app.Blobs, _app.Runs, [.. _app.Steps, kind], new LocalExecutor(), _app.Time, _app.Leases);

    [Fact]
    public async Task A_trigger_runs_the_pipeline_once_and_tells_how_it_ended()
    {
        Project("  a: { run: 'echo hi > a.txt', out: [a.txt] }\n");
        await Alert(1);
        await Alert(1); // judged again, when more labels came
        Assert.True(await _app.Loop.RunNext(TestContext.Current.CancellationToken));
        Assert.False(await _app.Loop.RunNext(TestContext.Current.CancellationToken));
        var trigger = Assert.Single(_app.Monitors.Table.Triggers());
        Assert.Equal(("done", "succeeded"), (trigger.State, trigger.Outcome));
        Assert.Equal(RunStatus.FINISHED, _app.Runs.Get(new RunId(trigger.Run!)).Status);
    }

    [Fact]
    public async Task An_alert_whose_pipeline_found_nothing_new_says_so()
    {
        Project("  a: { run: 'echo hi > a.txt', out: [a.txt] }\n");
        foreach (var day in (int[])[1, 2])
        {
            await Alert(day);
            Assert.True(await _app.Loop.RunNext(TestContext.Current.CancellationToken));
        }
        Assert.Equal(["nothing new", "succeeded"], _app.Monitors.Table.Triggers().Select(t => t.Outcome));
    }

    [Fact]
    public async Task Within_the_cooldown_an_alert_starts_nothing_and_after_it_the_next_one_does()
    {
        var start = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        for (var day = 0; day < 4; day++)
            await _app.Monitors.Table.Put(new MonitorWindow("m", start.AddDays(day), start.AddDays(day + 1), 1000, 0, "m@1", [], new Dictionary<string, double>(), "alert"), [("drift", "it moved", "{}")], new DriftTrigger("m", TimeSpan.FromDays(2)));
        Assert.Equal(4, _app.Monitors.Table.Alerts("m").Count);
        Assert.Equal([start.AddDays(1), start.AddDays(3)], _app.Monitors.Table.Triggers().Select(t => t.EventTime).Order());
    }

    [Fact]
    public async Task A_fault_that_nobody_foresaw_ends_the_trigger_and_the_next_one_starts()
    {
        Project("  a: { uses: takt/odd@1, with: { at: declare } }\n");
        var loop = new ClosedLoop(_app.Monitors, With(new Odd(new InvalidOperationException("unforeseen"))));
        await Alert(1);
        await Assert.ThrowsAsync<InvalidOperationException>(() => loop.RunNext(TestContext.Current.CancellationToken));
        var trigger = Assert.Single(_app.Monitors.Table.Triggers());
        Assert.Equal("done", trigger.State);
        Assert.Contains("unforeseen", trigger.Outcome);

        Project("  a: { run: 'echo hi > a.txt', out: [a.txt] }\n");
        await Alert(2);
        Assert.True(await loop.RunNext(TestContext.Current.CancellationToken));
        Assert.Equal("succeeded", _app.Monitors.Table.Triggers()[0].Outcome);
    }

    [Fact]
    public async Task A_stage_that_ends_in_a_fault_that_nobody_foresaw_has_failed_and_no_run_is_left_running()
    {
        Project("  a: { uses: takt/odd@1, with: { at: run } }\n  b: { run: 'echo hi > b.txt', out: [b.txt] }\n");
        var result = await With(new Odd(new InvalidOperationException("unforeseen"))).Run(new PipelineRequest([]), cancel: TestContext.Current.CancellationToken);
        var failed = result.Stages.Single(s => s.Stage == "a");
        Assert.Equal(StageState.Failed, failed.State);
        Assert.Contains("a bug in Takt: InvalidOperationException: unforeseen", failed.Summary);
        Assert.Equal(StageState.Ran, result.Stages.Single(s => s.Stage == "b").State);
        Assert.Empty(_app.Runs.Unfinished());
        Assert.Equal(RunStatus.FAILED, _app.Runs.Get(result.Run).Status);
    }

    [Fact]
    public async Task A_time_out_deep_within_is_a_failed_stage_and_does_not_count_as_being_cancelled()
    {
        Project("  a: { uses: takt/odd@1, with: { at: run } }\n");
        var loop = new ClosedLoop(_app.Monitors, With(new Odd(new TaskCanceledException("the request timed out"))));
        await Alert(1);
        Assert.True(await loop.RunNext(TestContext.Current.CancellationToken));
        Assert.Equal(("done", "failed"), (_app.Monitors.Table.Triggers()[0].State, _app.Monitors.Table.Triggers()[0].Outcome));
    }

    [Fact]
    public async Task A_run_that_can_not_write_its_lock_file_ends_as_failed()
    {
        Project("  a: { run: 'echo hi > a.txt; mkdir takt.lock', out: [a.txt] }\n");
        await Assert.ThrowsAnyAsync<Exception>(() => _app.Pipelines.Run(new PipelineRequest([]), cancel: TestContext.Current.CancellationToken));
        Assert.Empty(_app.Runs.Unfinished());
    }

    [Fact]
    public async Task Runs_of_a_process_that_was_killed_are_ended_unless_a_pipeline_runs()
    {
        Project("  a: { run: 'echo hi > a.txt', out: [a.txt] }\n");
        var left = await _app.Runs.Start(new StartRun("p", "pipeline", Tags: new Dictionary<string, string> { [PipelineRunner.KindTag] = "pipeline" }));
        var client = await _app.Runs.Start(new StartRun("p", "a client's"));
        using (FolderLock.TryTake(Path.Combine(_app.Folder.State, "run.lock"), "a pipeline", out _))
            await _app.Pipelines.EndLeftovers();
        Assert.Equal(RunStatus.RUNNING, _app.Runs.Get(left).Status);
        await _app.Pipelines.EndLeftovers();
        Assert.Equal(RunStatus.KILLED, _app.Runs.Get(left).Status);
        Assert.Equal(RunStatus.RUNNING, _app.Runs.Get(client).Status);
    }

    [Fact]
    public async Task What_a_stopped_server_had_taken_waits_again()
    {
        Project("  a: { run: 'sleep 600' }\n");
        await Alert(1);
        using (var stop = new CancellationTokenSource())
        {
            var running = _app.Loop.RunNext(stop.Token);
            while (_app.Runs.Unfinished().Count < 2) await Task.Delay(20, TestContext.Current.CancellationToken);
            await stop.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        }
        Assert.Empty(_app.Runs.Unfinished());
        Assert.Equal("pending", Assert.Single(_app.Monitors.Table.Triggers()).State);
    }

    /// <summary>A step with a bug, where its argument says.</summary>
    sealed class Odd(Exception bug) : IStepKind
    {
        public string Name => "odd";

        public StepDeclaration Declare(StepArguments with) => with.Text("at") == "declare" ? throw bug : new StepDeclaration([], []);

        public Task<StepOutcome> Run(StepContext context, CancellationToken cancel) => throw bug;
    }
}
