using Microsoft.Extensions.Time.Testing;
using Takt.Data;
using Takt.Models;
using Takt.Runs;
using Takt.Storage.FileSystem;

namespace Takt.Storage.Tests.Stages;

/// <summary>What was deleted goes for good, and nothing else does, on each engine.</summary>
public abstract class PurgeContract : IAsyncLifetime
{
    static readonly TimeSpan Month = TimeSpan.FromDays(30);
    static readonly TimeSpan Day = TimeSpan.FromDays(1);

    protected string Folder { get; } = Directory.CreateTempSubdirectory("takt").FullName;
    FolderBlobStore _blobs = null!;
    Database _database = null!;
    readonly FakeTimeProvider _time = new(DateTimeOffset.Parse("2026-03-01T10:00:00Z"));

    protected abstract Task<Database> Open();

    public async ValueTask InitializeAsync()
    {
        _blobs = new FolderBlobStore(Path.Combine(Folder, "store"));
        _database = await Open();
        await Experiments.EnsureDefault();
    }

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        _blobs.Dispose();
        Directory.Delete(Folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    Experiments Experiments => new(_database, _time);

    RunTracker Runs => new(_database, _blobs, _time, Path.Combine(Folder, "cache"));

    Datasets Data => new(_database, _blobs, _time, _blobs.Scratch);

    Purge Purge => new(_database, _blobs, Data, _time, TaktFolder.At(Folder)) { Settle = TimeSpan.Zero };

    /// <summary>A run with something in every table, and an artifact of this text.</summary>
    async Task<string> Run(string experiment, string artifact)
    {
        var run = await Runs.Start(new StartRun(experiment, "r", Tags: new Dictionary<string, string> { ["t"] = "v" }));
        await Runs.LogParams(run, new Dictionary<string, string> { ["p"] = "1" });
        await Runs.LogMetrics(run, new Dictionary<string, double> { ["m"] = 1 });
        await Runs.PutArtifact(run, "a.txt", new MemoryStream(System.Text.Encoding.UTF8.GetBytes(artifact)));
        await _database.Write(session =>
        {
            session.Execute($"insert into run_input(run, name, digest, source_type, source, schema_text, profile, context, tags) values({run}, 'd', '1', 's', 's', null, null, null, {"{}"})");
            session.Execute($"insert into run_output(run, model, step) values({run}, 'm-x', 0)");
            session.Execute($"insert into run_model_input(run, model) values({run}, 'm-y')");
            session.Execute($"insert into gate_result(run, gate, seq, rule, verdict, reason, time) values({run}, 'g', 1, 'r', 'v', '', 0)");
        });
        return run.Value;
    }

    Task Delete(string run) => _database.Write(session => { session.Execute($"update run set lifecycle = 'deleted', deleted = {_time.GetUtcNow()} where id = {run}"); });

    long Count(string table) => _database.Read(session => session.Number(Sql.Raw($"select count(*) from {table}")))!.Value;

    Task<long?> Stored(string text) => _blobs.Length(Digest.Of(System.Text.Encoding.UTF8.GetBytes(text)));

    [Fact]
    public async Task A_deleted_run_goes_with_all_its_rows_when_it_is_old_enough_and_its_bytes_after_the_grace()
    {
        var run = await Run("e", "gone");
        await Run("e", "stays");
        await Delete(run);
        _time.Advance(Month - TimeSpan.FromMinutes(1));
        Assert.Empty((await Purge.Apply(Month, Day)).Runs);
        Assert.Equal(2, Count("run"));
        _time.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal([run], Purge.Plan(Month).Runs);
        Assert.Equal(2, Count("run")); // a plan removes nothing

        var done = await Purge.Apply(Month, Day);
        Assert.Equal([run], done.Runs);
        Assert.Equal(0, done.Freed);
        foreach (var table in (string[])["run", "run_param", "run_metric", "metric_block", "run_input", "run_output", "run_model_input", "artifact", "gate_result"]) Assert.Equal(1, Count(table));
        Assert.Equal(4, await Stored("gone"));
        _time.Advance(Day + TimeSpan.FromMinutes(1));
        var freed = await Purge.Apply(Month, Day);
        Assert.Equal((1, 4), (freed.Freed, freed.FreedBytes));
        Assert.Null(await Stored("gone"));
        Assert.Equal(5, await Stored("stays"));
    }

    [Fact]
    public async Task The_name_of_a_purged_experiment_is_free_again_and_what_is_in_it_has_gone()
    {
        await Run("e", "x");
        var id = _database.Read(session => session.Number($"select id from experiment where name = 'e'"))!.Value;
        var address = $"mlflow-artifacts:/{id}/models/m-1/artifacts";
        await _database.Write(session =>
        {
            session.Execute($"insert into experiment_tag(experiment, key, value) values({id}, 'k', 'v')");
            session.Execute($"insert into logged_model(id, experiment, name, model_type, run, artifact_uri, status, deleted, created, updated) values('m-1', {id}, 'm', '', null, {address}, 'R', 0, 0, 0)");
            session.Execute($"insert into logged_model_tag(model, key, value) values('m-1', 'k', 'v')");
        });
        await new ArtifactFiles(_database, _blobs, _time).Put($"{id}/models/m-1/artifacts/weights", new MemoryStream("weights"u8.ToArray()), default);
        await Experiments.SetDeleted(id, true);
        await Assert.ThrowsAsync<TaktException>(() => Experiments.Create("e", null, []));
        _time.Advance(Month + Day);

        Assert.Equal(["e"], (await Purge.Apply(Month, TimeSpan.Zero)).Experiments);
        foreach (var table in (string[])["run", "logged_model", "logged_model_tag", "experiment_tag", "artifact_file"]) Assert.Equal(0, Count(table));
        await Experiments.Create("e", null, []);
        _time.Advance(Day);
        await Purge.Apply(Month, TimeSpan.Zero);
        Assert.Null(await Stored("weights"));
    }

    [Fact]
    public async Task What_a_registered_version_needs_stays_and_its_experiment_too()
    {
        var run = await Run("e", "model bytes");
        var id = _database.Read(session => session.Number($"select id from experiment where name = 'e'"))!.Value;
        var catalog = new ModelCatalog(_database, _time);
        await catalog.Create("m", "", []);
        await catalog.Add(new NewRegisteredVersion("m", $"runs:/{run}/model", null, null, "", "", []));
        await Experiments.SetDeleted(id, true);
        _time.Advance(Month + Day);
        var plan = await Purge.Apply(Month, TimeSpan.Zero);
        Assert.Empty(plan.Runs);
        Assert.Equal([$"run {run}: a registered model version is from it", "experiment e: a run or a model in it is kept"], plan.Kept);
        Assert.Equal(1, Count("run"));
        await catalog.DeleteVersion("m", 1);
        Assert.Equal(["e"], (await Purge.Apply(Month, TimeSpan.Zero)).Experiments);
        Assert.Equal(0, Count("run"));
    }

    [Fact]
    public async Task Bytes_that_something_else_names_stay()
    {
        var run = await Run("e", "shared");
        await Run("e", "shared");
        var inData = await Run("e", "in a dataset");
        var file = Path.Combine(Folder, "f.bin");
        await File.WriteAllTextAsync(file, "in a dataset");
        await Data.Commit(new NewVersion("d", new Dictionary<string, string> { ["f.bin"] = file }));
        var inResult = await Run("e", "a result");
        await _database.Write(session =>
        {
            var outputs = $$"""{"out.txt":"{{Digest.Of("a result"u8)}}+x"}""";
            session.Execute($"insert into stage_result(key, stage, outputs, metrics, tags, summary, created) values('k', 's', {outputs}, {"{}"}, {"{}"}, '', 0)");
        });
        foreach (var deleted in new[] { run, inData, inResult }) await Delete(deleted);
        _time.Advance(Month + Day);
        Assert.Equal(3, (await Purge.Apply(Month, TimeSpan.Zero)).Runs.Count);
        _time.Advance(Day);
        Assert.Equal(0, (await Purge.Apply(Month, TimeSpan.Zero)).Freed);
        foreach (var text in new[] { "shared", "in a dataset", "a result" }) Assert.NotNull(await Stored(text));
        Assert.Equal(0, Count("purged_blob")); // looked at, and found to be in use
    }

    [Fact]
    public async Task Bytes_that_are_uploaded_again_while_they_are_removed_are_there_afterwards()
    {
        var run = await Run("e", "again");
        await Delete(run);
        _time.Advance(Month + Day);
        await Purge.Apply(Month, Day);
        _time.Advance(Day + Day);
        var racing = new Purge(_database, _blobs, Data, _time, TaktFolder.At(Folder)) { Settle = TimeSpan.FromSeconds(2) };
        var apply = racing.Apply(Month, Day);
        while (await Stored("again") is not null) await Task.Delay(5);
        // a writer that had found the bytes in the store, and now writes its row
        await _database.Write(session =>
        {
            session.Execute($"insert into artifact_file(path, digest, size, created) values('x/y', {Digest.Of("again"u8)}, 5, 0)");
        });
        Assert.Equal(0, (await apply).Freed);
        Assert.Equal(5, await Stored("again"));
    }

    [Fact]
    public async Task An_upload_that_nobody_completes_ends_a_day_after_its_last_part()
    {
        using var store = new Packs.PackStore(_blobs, _database, _time);
        var artifacts = new ArtifactFiles(_database, store, _time);
        var uploads = new ArtifactUploads(_database, store, artifacts, null, _time);
        var cancel = TestContext.Current.CancellationToken;
        var (left, done, going) = (await uploads.Begin("a/left", 2, cancel), await uploads.Begin("a/done", 1, cancel), await uploads.Begin("a/going", 2, cancel));
        foreach (var upload in new[] { left, done, going }) await uploads.Put(upload.Id, 1, new MemoryStream("first"u8.ToArray()), cancel);
        await uploads.Complete(done.Id, "a/done", uploads.Parts(done.Id), cancel);
        _time.Advance(TimeSpan.FromHours(23));
        await uploads.Put(going.Id, 2, new MemoryStream(" second"u8.ToArray()), cancel);
        _time.Advance(TimeSpan.FromHours(2));
        var purge = new Purge(_database, _blobs, Data, _time, TaktFolder.At(Folder)) { Settle = TimeSpan.Zero, Uploads = uploads };
        Assert.Equal(1, (await purge.Apply(Month, Day, cancel)).Uploads);
        Assert.Equal(TaktError.NotFound, Assert.Throws<TaktException>(() => uploads.Parts(left.Id)).Error);
        Assert.False(Directory.Exists(Path.Combine(Folder, "store", "uploads", left.Id)) && Directory.EnumerateFiles(Path.Combine(Folder, "store", "uploads", left.Id)).Any());
        await uploads.Complete(going.Id, "a/going", uploads.Parts(going.Id), cancel);
        using var text = new StreamReader(await artifacts.Open("a/going", cancel));
        Assert.Equal("first second", await text.ReadToEndAsync(cancel));
        Assert.Equal(5, await store.Length(artifacts.Find("a/done"), cancel));
    }

    [Fact]
    public async Task A_purge_of_one_workspace_leaves_the_others_and_removes_what_lies_beside_its_runs()
    {
        var workspaces = new Workspaces(_database, _time);
        await workspaces.Create("team-a", null, null);
        var team = new Workspace("team-a");
        await Run("e", "x");
        var (ours, theirs) = (_database.Read(session => session.Number($"select id from experiment where name = 'e'"))!.Value, await Experiments.In(team).Create("e", null, []));
        var files = new ArtifactFiles(_database, _blobs, _time);
        await files.Put($"workspaces/team-a/{theirs}/loose.txt", new MemoryStream("beside"u8.ToArray()), default);
        await files.Put($"{theirs}/not-theirs.txt", new MemoryStream("other"u8.ToArray()), default);
        await Experiments.SetDeleted(ours, true);
        await Experiments.In(team).SetDeleted(theirs, true);
        _time.Advance(Month + Day);
        Assert.Equal(["e", "e"], Purge.Plan(Month).Experiments);
        var done = await Purge.Apply(Month, TimeSpan.Zero, default, team);
        Assert.Equal(["e"], done.Experiments);
        Assert.Empty(done.Runs);
        Assert.Equal(1, Count("run"));
        Assert.Equal(1, Count("artifact_file"));
        _time.Advance(Day);
        await Purge.Apply(Month, TimeSpan.Zero, default, team);
        Assert.Null(await Stored("beside"));
        Assert.NotNull(await Stored("other"));
    }

    [Fact]
    public async Task Files_of_a_workspace_move_with_it_to_the_default_one()
    {
        var workspaces = new Workspaces(_database, _time);
        workspaces.Removing += Purge.Follow;
        await workspaces.Create("team-a", null, null);
        var id = await Experiments.In(new Workspace("team-a")).Create("moving", null, []);
        var files = new ArtifactFiles(_database, _blobs, _time);
        await files.Put($"workspaces/team-a/{id}/models/m-1/artifacts/a", new MemoryStream("moves"u8.ToArray()), default);
        await workspaces.Remove("team-a", WorkspaceRemoval.SetDefault);
        Assert.Equal(Digest.Of("moves"u8), files.Find($"{id}/models/m-1/artifacts/a"));
    }

    [Fact]
    public async Task A_run_that_was_restored_stays()
    {
        var run = await Run("e", "x");
        await Delete(run);
        _time.Advance(Month + Day);
        await _database.Write(session => { session.Execute($"update run set lifecycle = 'active', deleted = null where id = {run}"); });
        Assert.Empty((await Purge.Apply(Month, Day)).Runs);
        Assert.Equal(1, Count("run"));
    }
}
