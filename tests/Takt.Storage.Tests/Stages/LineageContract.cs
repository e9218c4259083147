using Microsoft.Extensions.Time.Testing;
using Takt.Data;
using Takt.Deployments;
using Takt.Models;
using Takt.Pipelines;
using Takt.Runs;
using Takt.Storage.FileSystem;

namespace Takt.Storage.Tests.Stages;

/// <summary>Lineage on each engine: from a model to its sources and back, for pipelines and for foreign clients.</summary>
public abstract class LineageContract : IAsyncLifetime
{
    protected string Folder { get; } = Directory.CreateTempSubdirectory("takt").FullName;
    FolderBlobStore _blobs = null!;
    Database _database = null!;
    Lineage _lineage = null!;
    PredictionLogs _predictions = null!;
    readonly FakeTimeProvider _time = new(DateTimeOffset.Parse("2026-03-01T10:00:00Z"));

    protected abstract Task<Database> Open();

    public async ValueTask InitializeAsync()
    {
        _blobs = new FolderBlobStore(Path.Combine(Folder, "store"));
        _database = await Open();
        var folder = TaktFolder.At(Folder);
        _predictions = new PredictionLogs(folder, _time);
        _lineage = new Lineage(_database, Data, new ModelRegistry(_database, _blobs, [], _time, Path.Combine(Folder, "cache")), _predictions);
    }

    public async ValueTask DisposeAsync()
    {
        await _predictions.DisposeAsync();
        await _database.DisposeAsync();
        _blobs.Dispose();
        Directory.Delete(Folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    Datasets Data => new(_database, _blobs, _time, _blobs.Scratch);

    RunTracker Runs => new(_database, _blobs, _time, Path.Combine(Folder, "cache"));

    DeploymentBook Deployments => new(_database, _time);

    async Task<DatasetCommit> Commit(string dataset, string text)
    {
        var file = Path.Combine(Folder, $"{dataset}.bin");
        await File.WriteAllTextAsync(file, text);
        _time.Advance(TimeSpan.FromSeconds(1));
        return (await Data.Commit(new NewVersion(dataset, new Dictionary<string, string> { ["a.bin"] = file }) { Source = $"incoming/{dataset}" })).Commit;
    }

    /// <summary>A stage that ran in a pipeline run: what it read and wrote, by path and content.</summary>
    async Task Stage(RunId pipeline, string name, (string Path, string Digest)[] reads, (string Path, string Digest)[] writes, Dictionary<string, string>? tags = null, RunId? own = null)
    {
        var parts = reads.ToDictionary(r => "in:" + r.Path, r => r.Digest);
        parts["kind"] = name;
        var key = new StageKey(Digest.Of(System.Text.Encoding.UTF8.GetBytes(name + string.Join(';', parts))), parts);
        await new StageTable(_database, _time).Finish(new StageResult(key.Id, name, writes.ToDictionary(w => w.Path, w => w.Digest), new Dictionary<string, double>(), tags ?? [], $"{name} done"), key,
            new StageRun(pipeline, name, StageState.Ran, key.Id.ToString(), own, _time.GetUtcNow(), _time.GetUtcNow(), $"{name} done"));
    }

    Task Version(string name, long version, string? run, string source, string data = "[]") => _database.Write(session =>
    {
        var now = _time.GetUtcNow();
        session.Execute($"insert into model(workspace, name, description, created, updated) values('default', {name}, '', {now}, {now}) on conflict do nothing");
        session.Execute($"""
            insert into model_version(workspace, name, version, run, source, status, stage, description, user_id, package, package_files, code_commit, dataset_commits, params, metrics, created, updated)
            values('default', {name}, {version}, {run}, {source}, 'READY', 'None', '', '', null, {"{}"}, null, {data}, {"{}"}, {"{}"}, {now}, {now})
            """);
    });

    /// <summary>Two datasets, two models in one pipeline run; model a learned from x alone.</summary>
    async Task<(DatasetCommit X, DatasetCommit Y, RunId Run)> TwoModels()
    {
        var (x, y) = (await Commit("x", "1"), await Commit("y", "2"));
        var run = await Runs.Start(new StartRun("p", "pipeline", Tags: new Dictionary<string, string> { ["takt.kind"] = "pipeline", ["mlflow.source.git.commit"] = "c0ffee" }));
        await Stage(run, "data.x", [("incoming/x", "s0")], [("data/x/a.bin", "s1")], new() { ["takt.dataset"] = x.Reference });
        await Stage(run, "data.y", [("incoming/y", "s0y")], [("data/y/a.bin", "s1y")], new() { ["takt.dataset"] = y.Reference });
        await Stage(run, "prepare", [("data/x/a.bin", "s1"), ("prepare.sql", "q")], [("t.parquet", "s2")]);
        await Stage(run, "train-a", [("t.parquet", "s2")], [("a/model", "s3")]);
        await Stage(run, "train-b", [("data/y/a.bin", "s1y")], [("b/model", "s4")]);
        await Stage(run, "register-a", [("a/model", "s3")], [], new() { ["takt.model"] = "a@1" });
        await Stage(run, "register-b", [("b/model", "s4")], [], new() { ["takt.model"] = "b@1" });
        await Stage(run, "gate", [("a/model", "s3")], []);
        await Version("a", 1, run.Value, "models:/a/1", $"[\"{x.Reference}\",\"{y.Reference}\"]".Replace($",\"{y.Reference}\"", ""));
        await Version("b", 1, run.Value, "models:/b/1", $"[\"{y.Reference}\"]");
        await Deployments.Deploy(new DeploymentSpec("e", [1], TimeSpan.Zero, 0, [], null, true, null), "a@1");
        return (x, y, run);
    }

    static string[] Ids(LineageGraph graph) => [.. graph.Nodes.Select(n => n.Id)];

    [Fact]
    public async Task A_model_leads_through_its_own_stages_to_its_own_data_code_and_source()
    {
        var (x, _, run) = await TwoModels();
        var graph = await _lineage.Of("a@1", LineageDirection.Up);
        Assert.Equal(new[]
        {
            $"data:{x.Reference}", $"run:{run}", "code:c0ffee", "model:a@1", "source:incoming/x", $"stage:{run}/prepare", $"stage:{run}/train-a", $"stage:{run}/register-a",
        }.Order(), Ids(graph).Order());
        Assert.Contains(new LineageEdge($"data:{x.Reference}", $"stage:{run}/prepare", "read"), graph.Edges);
        Assert.Contains(new LineageEdge($"stage:{run}/register-a", "model:a@1", "registered"), graph.Edges);
        Assert.Contains(new LineageEdge("code:c0ffee", $"run:{run}", "ran at"), graph.Edges);
    }

    [Fact]
    public async Task Data_leads_to_the_models_that_learned_from_it_and_to_no_other_of_the_same_run()
    {
        var (x, y, run) = await TwoModels();
        var ofX = Ids(await _lineage.Of("data:x", LineageDirection.Down));
        Assert.Equal(new[] { $"data:{x.Reference}", "model:a@1", $"run:{run}", "revision:e/1", "endpoint:e" }.Order(), ofX.Order());
        var ofY = Ids(await _lineage.Of(y.Reference, LineageDirection.Down));
        Assert.Contains("model:b@1", ofY);
        Assert.DoesNotContain("model:a@1", ofY);
    }

    [Fact]
    public async Task What_is_found_upwards_is_found_again_downwards()
    {
        var (x, _, _) = await TwoModels();
        foreach (var cause in (await _lineage.Of("endpoint:e", LineageDirection.Up)).Nodes.Where(n => n.Kind is "source" or "data" or "stage" or "model" or "revision"))
            Assert.Contains("endpoint:e", Ids(await _lineage.Of(cause.Id, LineageDirection.Down)));
        Assert.Contains("model:a@1", Ids(await _lineage.Of("code:c0ffee", LineageDirection.Down)));
        Assert.Contains("endpoint:e", Ids(await _lineage.Of($"source:{x.Source}", LineageDirection.Down)));
    }

    [Fact]
    public async Task Every_node_stands_to_the_right_of_what_it_came_from()
    {
        var (_, _, run) = await TwoModels();
        foreach (var of in new[] { "model:a@1", $"run:{run}", "endpoint:e", "data:x" })
        {
            var graph = await _lineage.Of(of, LineageDirection.Both);
            var rank = graph.Nodes.ToDictionary(n => n.Id, n => n.Rank);
            Assert.NotEmpty(graph.Edges);
            Assert.All(graph.Edges, e => Assert.True(rank[e.From] < rank[e.To], $"{e.From} → {e.To}"));
            Assert.Contains(graph.Root, rank.Keys);
        }
    }

    [Fact]
    public async Task A_run_asked_for_itself_shows_all_its_stages()
    {
        var (x, y, run) = await TwoModels();
        var ids = Ids(await _lineage.Of(run.Value, LineageDirection.Up));
        Assert.Superset(new HashSet<string> { $"stage:{run}/gate", $"stage:{run}/register-a", $"stage:{run}/register-b", $"data:{x.Reference}", $"data:{y.Reference}" }, ids.ToHashSet());
    }

    [Fact]
    public async Task What_foreign_clients_log_is_part_of_it()
    {
        var x = await Commit("x", "1");
        var log = new RunLog(_database, _time);
        await new Experiments(_database, _time).EnsureDefault();
        var run = (await log.Create(0, "ann", "script", null, [new("mlflow.source.git.commit", "beef"), new("mlflow.source.name", "train.py")])).Id;
        await log.AddInputs(run,
        [
            new RunInput("x", x.Id.Hex[..12], "local", """{"uri": "/data/x"}""", null, null, new Dictionary<string, string>()),
            new RunInput("titanic", "3f0c1a2b", "http", """{"url": "https://example.org/titanic.csv"}""", null, null, new Dictionary<string, string>()),
        ]);
        var logged = await new LoggedModels(_database, _time).Create(0, "m", "", run, [], []);
        await Version("c", 1, run, $"models:/{logged.Id}");
        await Version("d", 1, null, "models:/c/1");

        var up = await _lineage.Of("d@1", LineageDirection.Up);
        Assert.Equal(new[]
        {
            "model:d@1", "model:c@1", $"logged-model:{logged.Id}", $"run:{run}", "code:beef", $"data:{x.Reference}", "source:incoming/x", "data:titanic@3f0c1a2b", "source:https://example.org/titanic.csv",
        }.Order(), Ids(up).Order());

        foreach (var data in new[] { "data:x", "titanic@3f0c1a2b", "source:https://example.org/titanic.csv" })
            Assert.Contains("model:d@1", Ids(await _lineage.Of(data.Contains(':') ? data : "data:" + data, LineageDirection.Down)));
    }

    [Fact]
    public async Task A_command_that_logs_to_the_run_of_its_stage_is_joined_to_the_data_of_the_pipeline()
    {
        var x = await Commit("x", "1");
        var pipeline = await Runs.Start(new StartRun("p", "pipeline", Tags: new Dictionary<string, string> { ["takt.kind"] = "pipeline" }));
        var own = await Runs.Start(new StartRun("p", "train", pipeline, new Dictionary<string, string> { ["takt.kind"] = "stage" }));
        await Stage(pipeline, "data.x", [], [("data/x/a.bin", "s1")], new() { ["takt.dataset"] = x.Reference });
        await Stage(pipeline, "train", [("data/x/a.bin", "s1")], [("out", "s2")], own: own);
        await Version("py", 1, own.Value, $"runs:/{own}/model");

        Assert.Contains($"data:{x.Reference}", Ids(await _lineage.Of("py@1", LineageDirection.Up)));
        Assert.Contains("model:py@1", Ids(await _lineage.Of("data:x", LineageDirection.Down)));
    }

    [Fact]
    public async Task A_prediction_is_found_in_the_log_and_leads_to_the_source()
    {
        await TwoModels();
        var batch = new PredictionBatch(PredictionId.New(_time.GetUtcNow()).ToString(), _time.GetUtcNow(), _time.GetUtcNow(), 1, "a@1", TimeSpan.FromMilliseconds(1),
            new Table([Column.Of("x", [1.0, 2.0])]), new Table([Column.Of("probability", [0.25, 0.75])]), "");
        Assert.True(await _predictions.Of("e").Append(batch));

        var graph = await _lineage.Of(batch.Id + ":1", LineageDirection.Up);
        var prediction = graph.Nodes.Single(n => n.Id == graph.Root);
        Assert.Equal(("2", "0.75"), (prediction.Facts["in_x"], prediction.Facts["out_probability"]));
        Assert.Superset(new HashSet<string> { "revision:e/1", "model:a@1", "source:incoming/x" }, Ids(graph).ToHashSet());

        await Deployments.Delete("e"); // the log outlives the endpoint
        Assert.Contains("model:a@1", Ids(await _lineage.Of(batch.Id, LineageDirection.Up)));
    }

    [Fact]
    public async Task What_is_not_there_or_ambiguous_is_said()
    {
        await TwoModels();
        await Version("e", 1, null, "s3://somewhere");
        Assert.Equal(TaktError.NotFound, (await Assert.ThrowsAsync<TaktException>(() => _lineage.Of("run:nosuch", LineageDirection.Up))).Error);
        Assert.Equal(TaktError.NotFound, (await Assert.ThrowsAsync<TaktException>(() => _lineage.Of("p-" + new string('0', 32), LineageDirection.Up))).Error);
        var ambiguous = await Assert.ThrowsAsync<TaktException>(() => _lineage.Of("e", LineageDirection.Up));
        Assert.Equal(TaktError.Invalid, ambiguous.Error);
        Assert.Contains("endpoint:e, model:e", ambiguous.Message);
    }
}
