using Microsoft.Extensions.Time.Testing;
using Takt.Models;
using Takt.Models.Import;
using Takt.Runs;
using Takt.Runs.Import;
using Takt.Storage.FileSystem;

namespace Takt.Storage.Tests.Stages;

/// <summary>What an import writes, on each engine.</summary>
public abstract class ImportContract : IAsyncLifetime
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

    static ImportedRun Run(RunStatus status) => new("0123456789abcdef0123456789abcdef", "r", "ann", status, false, 1000, status == RunStatus.RUNNING ? null : 2000, "s3://there",
        ["m"], [new("p", "1")], [new("mlflow.parentRunId", "x")], [new RunInput("d", "1", "s3", "s", null, null, new Dictionary<string, string>())], ["m-2"], [new RunOutput("m-1", 3)]);

    [Fact]
    public async Task A_run_is_written_whole_and_again_when_it_has_gone_on()
    {
        var import = new RunImport(_database, _blobs, _time, "http://a");
        var created = DateTimeOffset.FromUnixTimeMilliseconds(5);
        var place = await import.Put(new ImportedExperiment("12", "e", false, created, created, [new("k", "v")]));
        Assert.Equal(("12", "e", true), (place.Id, place.Name, place.IsNew));
        var points = Enumerable.Range(0, 60_000).Select(i => new MetricValue("m", i, i, DateTimeOffset.FromUnixTimeMilliseconds(i))).ToList();
        var running = Run(RunStatus.RUNNING);
        await import.Put(running, place.Id, new Dictionary<string, List<MetricValue>> { ["m"] = points }, []);
        Assert.False(import.Has(running)); // it goes on: nobody can tell by its mark whether it has
        var ended = Run(RunStatus.FINISHED);
        Assert.False(import.Has(ended));
        await import.Put(ended, place.Id, new Dictionary<string, List<MetricValue>> { ["m"] = points }, [new Artifact("a", Digest.Of("x"u8), 1)]);
        Assert.True(import.Has(ended));

        var log = new RunLog(_database, _time);
        var run = log.Get(ended.Id);
        Assert.Equal(("FINISHED", 1000, 2000, 59_999.0), (run.Status, run.Started, run.Ended, run.Metrics.Single().Value));
        Assert.Equal(10_000, new MetricHistory(_database).Of(run.Id, "m", 50_000, new MetricHistory(_database).Of(run.Id, "m", 50_000, null).Next).Items.Count);
        Assert.Equal((1, 1, 3), (run.Params.Count, run.Inputs.Count, run.Outputs.Single().Step));
        Assert.True(new RunImport(_database, _blobs, _time, "http://b").Has(ended)); // the same run by another way
    }

    [Fact]
    public async Task The_same_experiment_by_another_way_is_the_same_and_another_of_its_name_is_not()
    {
        var (five, six) = (DateTimeOffset.FromUnixTimeMilliseconds(5), DateTimeOffset.FromUnixTimeMilliseconds(6));
        var a = await new RunImport(_database, _blobs, _time, "a").Put(new ImportedExperiment("1", "e", false, five, five, []));
        var b = await new RunImport(_database, _blobs, _time, "b").Put(new ImportedExperiment("1", "e", false, five, five, []));
        var c = await new RunImport(_database, _blobs, _time, "c").Put(new ImportedExperiment("1", "e", false, six, six, []));
        Assert.Equal(("1", "1", false), (a.Id, b.Id, b.IsNew));
        Assert.Equal(("2", "e-imported", true), (c.Id, c.Name, c.IsNew));
        Assert.Equal("e-imported", (await new RunImport(_database, _blobs, _time, "c").Put(new ImportedExperiment("1", "e", false, six, six, []))).Name);
    }

    [Fact]
    public async Task Versions_keep_their_numbers_and_addresses_follow_the_artifacts()
    {
        var runs = new RunImport(_database, _blobs, _time, "a");
        var now = _time.GetUtcNow();
        var place = await runs.Put(new ImportedExperiment("9", "e", false, now, now, []));
        var run = Run(RunStatus.FINISHED);
        await runs.Put(run, place.Id, new Dictionary<string, List<MetricValue>>(), []);
        RegisteredVersion Version(long number, string source, string of = "") => new("m", number, now, now, "Staging", "d", source, of, "READY", [new("t", "v")], []);
        var model = new ImportedModel("m", "text", now, now, [], [new("champion", 7)],
            [Version(3, $"mlflow-artifacts:/4/{run.Id}/artifacts/model", run.Id), Version(7, "models:/m/3"), Version(8, "s3://bucket/x")]);
        var catalog = new ModelCatalog(_database, _time);
        await catalog.Create("m", "ours", []);
        _time.Advance(TimeSpan.FromSeconds(1));
        var faults = new List<string>();
        var models = new ModelImport(_database, _time, "a");
        Assert.Equal("m", (await models.Put(model, faults)).Name); // made in the same millisecond: the same model
        Assert.Equal("m-imported", (await new ModelImport(_database, _time, "b").Put(model with { Created = now.AddDays(-1) }, faults)).Name);
        Assert.Empty(faults);
        Assert.Equal([$"mlflow-artifacts:/9/{run.Id}/artifacts/model", "models:/m-imported/3", "s3://bucket/x"], ((long[])[3, 7, 8]).Select(n => catalog.GetVersion("m-imported", n).Source));
        Assert.Equal(7, catalog.OfAlias("m-imported", "champion").Version);
        await models.Put(model, faults);
        Assert.Equal(9, (await catalog.Add(new NewRegisteredVersion("m", "s3://new", null, null, "", "", []))).Version);
        await models.Put(model with { Versions = [.. model.Versions, Version(9, "s3://theirs")] }, faults);
        Assert.Contains("m@9 is another version here", Assert.Single(faults));
    }
}
