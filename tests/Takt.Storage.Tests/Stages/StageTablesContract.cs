using System.Text;
using Microsoft.Extensions.Time.Testing;
using Takt.Data;
using Takt.Deployments;
using Takt.Evaluation;
using Takt.Models;
using Takt.Pipelines;
using Takt.Runs;
using Takt.Storage.FileSystem;

namespace Takt.Storage.Tests.Stages;

/// <summary>Every stage's own SQL, on each engine: what goes into its tables comes out again.</summary>
public abstract class StageTablesContract : IAsyncLifetime
{
    protected string Folder { get; } = Directory.CreateTempSubdirectory("takt").FullName;
    FolderBlobStore _blobs = null!;
    Database _database = null!;
    readonly FakeTimeProvider _time = new(DateTimeOffset.Parse("2026-03-01T10:00:00Z"));

    protected abstract Task<Database> Open();

    public async ValueTask InitializeAsync()
    {
        _blobs = new FolderBlobStore(Path.Combine(Folder, "store"));
        _database = await Open();
    }

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        _blobs.Dispose();
        Directory.Delete(Folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    RunTracker Runs => new(_database, _blobs, _time, Path.Combine(Folder, "cache"));

    ModelRegistry Models => new(_database, _blobs, [], _time, Path.Combine(Folder, "cache"));

    [Fact]
    public async Task Runs_keep_their_params_metrics_tags_artifacts_and_parent()
    {
        var parent = await Runs.Start(new StartRun("flights", "all", Tags: new Dictionary<string, string> { ["owner"] = "Zoë", [PipelineRunner.KindTag] = "pipeline" }));
        await Runs.Start(new StartRun("elsewhere", "a client's, who ends it"));
        var child = await Runs.Start(new StartRun("flights", "train", parent));
        await Runs.LogParams(child, new Dictionary<string, string> { ["lr"] = "0.1" });
        await Runs.LogParams(child, new Dictionary<string, string> { ["lr"] = "0.2" });
        for (var step = 0; step < 3; step++) await Runs.LogMetrics(child, new Dictionary<string, double> { ["auc"] = 0.5 + step, ["nan"] = double.NaN, ["inf"] = double.PositiveInfinity }, step);
        await Runs.LogMetrics(child, new Dictionary<string, double> { ["auc"] = 9 }, 1); // an earlier step comes late
        await Runs.PutArtifact(child, "out/a.txt", new MemoryStream("old"u8.ToArray()));
        await Runs.PutArtifact(child, "out/a.txt", new MemoryStream("newer"u8.ToArray()));
        _time.Advance(TimeSpan.FromSeconds(1));
        await Runs.End(child, RunStatus.FINISHED);

        var run = Runs.Get(child);
        Assert.Equal(("flights", "train", RunStatus.FINISHED, parent), (run.Experiment, run.Name, run.Status, run.Parent));
        Assert.Equal(TimeSpan.FromSeconds(1), run.EndedAt - run.StartedAt);
        Assert.Equal("0.1", run.Params["lr"]);
        Assert.Equal((2.5, 2), (run.Metrics["auc"].Value, run.Metrics["auc"].Step));
        Assert.Equal((double.NaN, double.MaxValue), (run.Metrics["nan"].Value, run.Metrics["inf"].Value));
        Assert.Equal(new Artifact("out/a.txt", Digest.Of("newer"u8), 5), Assert.Single(run.Artifacts));
        Assert.Equal("newer", await File.ReadAllTextAsync(Path.Combine(await Runs.ArtifactFolder(child, "out"), "a.txt")));
        Assert.Equal([child], Runs.Children(parent).Select(r => r.Id));
        Assert.Equal([parent], Runs.List("flights").Select(r => r.Id));
        Assert.Equal([parent], Runs.Unfinished().Select(r => r.Id));
        Assert.Equal("Zoë", Runs.Get(parent).Tags["owner"]);
        Assert.Equal(TaktError.NotFound, (await Assert.ThrowsAsync<TaktException>(() => Runs.End(RunId.New(), RunStatus.FAILED))).Error);
    }

    [Fact]
    public async Task Runs_started_at_once_are_all_there_in_one_experiment()
    {
        await using var other = await Open();
        var second = new RunTracker(other, _blobs, _time, Path.Combine(Folder, "cache"));
        var ids = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => Task.Run(async () =>
        {
            var tracker = i % 2 == 0 ? Runs : second;
            var id = await tracker.Start(new StartRun("busy", $"run {i}"));
            await tracker.LogMetrics(id, new Dictionary<string, double> { ["i"] = i });
            return id;
        })));
        var listed = second.List("busy", limit: 100);
        Assert.Equal(ids.Select(id => id.Value).Order(), listed.Select(r => r.Id.Value).Order());
        Assert.Equal(Enumerable.Range(0, 40).Select(i => (double)i), listed.Select(r => r.Metrics["i"].Value).Order());
        Assert.Equal(1, _database.Read(s => s.Number($"select count(*) from experiment where name = {"busy"}")));
    }

    [Fact]
    public async Task Datasets_commit_show_log_and_refuse_half_an_id()
    {
        var datasets = new Datasets(_database, _blobs, _time, _blobs.Scratch);
        var first = await datasets.Commit(new NewVersion("flights", FileOf("a.csv", "x\n1\n")));
        _time.Advance(TimeSpan.FromMinutes(1));
        var second = await datasets.Commit(new NewVersion("flights", FileOf("b.csv", "x\n2\n3\n")) { KeepOthers = true, Message = "more" });
        Assert.Equal([second.Commit.Id, first.Commit.Id], datasets.Log("flights").Select(c => c.Id));
        Assert.Equal((2, 3), (second.Commit.Files, second.Commit.Rows));
        Assert.Equal(first.Commit.Id, datasets.Show($"flights@{first.Commit.Id.ToString()[..20]}").Id);
        var summary = Assert.Single(datasets.List());
        Assert.Equal((2, second.Commit.Id), (summary.Commits, summary.Tip.Id));
        Assert.Equal(TaktError.NotFound, Assert.Throws<TaktException>(() => datasets.Show("flights@v9")).Error);
        Assert.Equal(2, _database.Read(s => s.Number($"select max(step) from dataset_reflog where dataset = {"flights"}")));
    }

    [Fact]
    public async Task Two_servers_that_commit_to_one_dataset_at_once_both_get_a_version_and_no_file_is_lost()
    {
        await using var other = await Open();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(i => Task.Run(() =>
            new Datasets(i % 2 == 0 ? _database : other, _blobs, _time, _blobs.Scratch).Commit(new NewVersion("busy", FileOf($"{i}.txt", $"{i}")) { KeepOthers = true }))));
        var datasets = new Datasets(_database, _blobs, _time, _blobs.Scratch);
        Assert.Equal(4, datasets.Log("busy").Count);
        Assert.Equal(["0.txt", "1.txt", "2.txt", "3.txt"], (await datasets.Tree(datasets.Show("busy"))).Files.Select(f => f.Path));
    }

    [Fact]
    public async Task Models_have_versions_aliases_and_a_history()
    {
        for (var version = 1; version <= 3; version++)
            Assert.Equal(version, await _database.Write(s => ModelTable.Insert(s, new RegisterModel("flights", "", null, "abc", ["flights@1"],
                new Dictionary<string, string> { ["trees"] = "7" }, new Dictionary<string, double> { ["auc"] = 0.7 }), Digest.Of(BitConverter.GetBytes(version)), new Dictionary<string, string>(), _time.GetUtcNow())));
        await Models.SetAlias("flights", "champion", 1);
        await Models.SetAlias("flights", "champion", 2);
        await Models.SetAlias("flights", "Best", 2);
        Assert.Equal(2, Models.Resolve("flights@champion").Version);
        Assert.Equal(3, Models.Resolve("flights").Version);
        Assert.Equal(["Best", "champion"], Models.Resolve("flights@2").Aliases);
        Assert.Equal(0.7, Models.Resolve("flights@2").Metrics["auc"]);
        Assert.Equal([3, 2, 1], Models.Versions("flights").Select(v => v.Version));
        await Models.DeleteAlias("flights", "champion");
        Assert.Null(Models.Find("flights@champion"));
        Assert.Equal(["alias.deleted", "alias.set", "alias.set", "alias.set", "version.created", "version.created", "version.created"], Models.History("flights").Select(e => e.Kind));
        Assert.Equal(["flights"], Models.Names());
        Assert.Equal(TaktError.NotFound, (await Assert.ThrowsAsync<TaktException>(() => Models.SetAlias("flights", "champion", 9))).Error);
    }

    [Fact]
    public async Task Gate_outcomes_keep_both_sides_missing_ones_too()
    {
        var run = RunId.New();
        GateOutcome[] outcomes = [new("auc >= 0.6", GateVerdict.Passed, 0.7, 0.6, ""), new("auc >= champion.auc", GateVerdict.NotApplicable, 0.7, null, "no champion yet")];
        var gates = new GateTable(_database, _time);
        await gates.Put(run, "quality", outcomes, null);
        await gates.Put(run, "quality", outcomes, null);
        Assert.Equal(outcomes, gates.Of(run));
    }

    [Fact]
    public async Task Stage_results_and_stage_runs_are_found_by_key_and_by_run()
    {
        var stages = new StageTable(_database, _time);
        var (key, run) = (new StageKey(Digest.Of("k"u8), new Dictionary<string, string> { ["in:a"] = "1" }), RunId.New());
        var result = new StageResult(key.Id, "train", new Dictionary<string, string> { ["out/m"] = "d" }, new Dictionary<string, double> { ["auc"] = 0.7 }, new Dictionary<string, string>(), "done");
        var stage = new StageRun(run, "train", StageState.Running, null, null, _time.GetUtcNow(), null, "");
        await stages.Begin(stage, ["out/m"]);
        await stages.Put([(stage with { Stage = "test", State = StageState.Waiting, StartedAt = null }, null)]);
        await _database.Write(session => stages.Interrupt(session, run, "the process was gone"));
        Assert.Equal(["out/m"], stages.HalfWritten(run));
        Assert.All(stages.Of(run), s => Assert.Equal(StageState.Interrupted, s.State));
        await stages.Finish(result, key, stage with { State = StageState.Ran, Key = key.Id.ToString(), EndedAt = _time.GetUtcNow() });
        Assert.Equal(0.7, stages.Find(key.Id)!.Metrics["auc"]);
        Assert.Equal("1", stages.LastParts("train")!["in:a"]);
        Assert.Equal([("train", StageState.Ran), ("test", StageState.Interrupted)], stages.Of(run).Select(s => (s.Stage, s.State)));
        Assert.Null(stages.Find(Digest.Of("other"u8)));
    }

    [Fact]
    public async Task Digests_of_files_are_remembered_by_the_next_process()
    {
        var file = Path.Combine(Folder, "input");
        await File.WriteAllTextAsync(file, "x");
        var later = new FakeTimeProvider(DateTimeOffset.UtcNow.AddHours(1));
        var digests = new FileDigests(_database, later);
        Assert.Equal(Digest.Of("x"u8).ToString(), digests.Of(file));
        await digests.Save();
        Assert.Equal(file, _database.Read(s => s.Text($"select path from file_digest")));
        Assert.Equal(Digest.Of("x"u8).ToString(), new FileDigests(_database, later).Of(file));
    }

    [Fact]
    public async Task Deployments_move_by_rollouts_and_only_one_of_two_servers_moves_each_step()
    {
        await using var other = await Open();
        var (book, second) = (new DeploymentBook(_database, _time), new DeploymentBook(other, _time));
        var spec = new DeploymentSpec("flights", [0.1, 1], TimeSpan.FromSeconds(1), 10, [], "champion", true, null);
        var first = await book.Deploy(spec, "flights@1");
        Assert.True(await book.Move(first, first with { State = RolloutState.Succeeded, Evidence = "fine" }, "succeeded", makeLive: true));
        var rollout = await second.Deploy(spec, "flights@2");
        Assert.Equal((2, 2, 1), (rollout.Number, rollout.Revision, rollout.Champion));
        var moved = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(() =>
            (i % 2 == 0 ? book : second).Move(rollout, rollout with { State = RolloutState.Rolling, Step = 1, StepStartedAt = _time.GetUtcNow() }, "step"))));
        Assert.Single(moved, won => won);
        var deployment = second.Get("flights");
        Assert.Equal((1, "flights@1", 2, RolloutState.Rolling), (deployment.Live!.Number, deployment.Live.Model, deployment.Rollout!.Number, deployment.Rollout.State));
        Assert.Equal(["step", "created", "succeeded", "created"], book.History("flights").Select(e => e.Kind));
        Assert.Equal(RolloutState.Aborted, (await second.Command("flights", RolloutState.Aborted)).State);
        Assert.Single(book.List());
    }

    Dictionary<string, string> FileOf(string name, string content)
    {
        var file = Path.Combine(Folder, name);
        File.WriteAllText(file, content, new UTF8Encoding(false));
        return new() { [name] = file };
    }
}
