using System.Text.Json;
using Microsoft.Extensions.Time.Testing;
using Takt.Models;
using Takt.Runs;

namespace Takt.Storage.Tests.Stages;

/// <summary>What MLflow's clients log, on each engine: searches page by page, histories, logged models, workspaces.</summary>
public abstract class TrackingContract : IAsyncLifetime
{
    protected string Folder { get; } = Directory.CreateTempSubdirectory("takt").FullName;
    Database _database = null!;
    PointJournal? _points;
    readonly FakeTimeProvider _time = new(DateTimeOffset.Parse("2026-03-01T10:00:00Z"));

    protected abstract Task<Database> Open();

    /// <summary>Where this engine has one.</summary>
    protected virtual PointJournal? Journal(Database database, TimeProvider time) => null;

    public async ValueTask InitializeAsync()
    {
        _database = await Open();
        _points = Journal(_database, _time);
    }

    public async ValueTask DisposeAsync()
    {
        if (_points is not null) await _points.DisposeAsync();
        await _database.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    RunLog Log => new(_database, _time, points: _points);
    RunSearch Runs => new(_database);
    MetricHistory History => new(_database);
    Experiments Groups => new(_database, _time);
    LoggedModels Models => new(_database, _time);

    static LogEntry Metrics(params LoggedMetric[] metrics) => new(metrics, [], []);

    List<string> All(long experiment, string? filter, string[] orderBy, int limit, Action<int>? between = null)
    {
        var names = new List<string>();
        string? token = null;
        var pages = 0;
        do
        {
            var page = Runs.Find([experiment], filter, orderBy, false, limit, token);
            Assert.True(page.Items.Count <= limit);
            names.AddRange(page.Items.Select(r => r.Name));
            token = page.Next;
            between?.Invoke(++pages);
        }
        while (token is not null);
        return names;
    }

    [Fact]
    public async Task A_search_by_metric_has_numbers_then_NaN_then_runs_without_it_both_ways_and_whatever_the_pages()
    {
        var experiment = await Groups.Create("order", null, []);
        foreach (var (name, value) in new (string, double?)[] { ("b", 2), ("none1", null), ("a", 1), ("nan1", double.NaN), ("c", 3), ("nan2", double.NaN), ("inf", double.PositiveInfinity), ("none2", null), ("c2", 3) })
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            var run = await Log.Create(experiment, null, name, null, []);
            if (value is { } v) await Log.Add(run.Id, Metrics(new LoggedMetric("m", v, 0, 5), new LoggedMetric("other", 7, 0, 5)));
        }
        for (var limit = 1; limit <= 10; limit++)
        {
            // equal values: the newest first
            Assert.Equal(["a", "b", "c2", "c", "inf", "nan2", "nan1", "none2", "none1"], All(experiment, null, ["metrics.m"], limit));
            Assert.Equal(["inf", "c2", "c", "b", "a", "nan2", "nan1", "none2", "none1"], All(experiment, "", ["metrics.m DESC"], limit));
            Assert.Equal(["inf", "c2", "c"], All(experiment, "metrics.m > 2 and metrics.m != 2", ["metric.`m` desc"], limit));
            Assert.Equal(["c2", "none2", "inf", "nan2", "c", "nan1", "a", "none1", "b"], All(experiment, null, [], limit));
            Assert.Equal(["a", "b", "c", "c2", "inf", "nan1", "nan2", "none1", "none2"], All(experiment, null, ["attributes.run_name ASC"], limit));
        }
    }

    [Fact]
    public async Task Paging_shows_every_run_once_though_others_are_made_and_deleted_meanwhile()
    {
        var experiment = await Groups.Create("busy", null, []);
        var ids = new List<string>();
        for (var i = 0; i < 30; i++)
        {
            var run = await Log.Create(experiment, null, $"r{i:00}", i, [new("k", $"{i % 3}")]);
            ids.Add(run.Id);
            await Log.Add(run.Id, new LogEntry([], [new("p", $"{i % 5}")], []));
        }
        foreach (var order in new string[][] { [], ["params.p DESC"], ["tags.k", "params.p"], ["attributes.end_time", "attributes.start_time ASC"] })
        {
            var names = All(experiment, null, order, 7, page =>
            {
                if (page != 2) return;
                Log.Create(experiment, null, "late", 1000, []).GetAwaiter().GetResult();
            });
            Assert.Equal(Enumerable.Range(0, 30).Select(i => $"r{i:00}"), names.Where(n => n != "late").Order(StringComparer.Ordinal));
            Assert.Equal(names.Count(n => n != "late"), names.Where(n => n != "late").Distinct().Count());
        }
        Assert.Equal(TaktError.Invalid, Assert.Throws<TaktException>(() => Runs.Find([experiment], "tags.k = '1'", [], false, 5, Runs.Find([experiment], null, [], false, 5, null).Next)).Error);
    }

    [Theory]
    [InlineData("params.lr LIKE '0.%'", "a,b")]
    [InlineData("params.lr ILIKE 'X_'", "c")]
    [InlineData("params.lr LIKE 'X_'", "")]
    [InlineData("tags.\"mlflow.note\" = 'it''s'", "a")]
    [InlineData("tags.`sp ace` != 'x'", "b")]
    [InlineData("attributes.run_name IN ('a')", null)]
    [InlineData("params.lr IN ('a')", null)]
    [InlineData("attributes.status = 'RUNNING' and attr.start_time >= 2", "b,c")]
    [InlineData("dataset.name IN ('d1', 'd2') AND datasets.context = 'training'", "a")]
    [InlineData("metrics.acc > 0.5 OR params.lr = 'a'", null)]
    [InlineData("metrics.acc > 'a'", null)]
    [InlineData("metrics.acc IS NULL", null)]
    [InlineData("metrics.acc >= -1e3", "a")]
    public async Task A_filter_finds_what_it_says(string filter, string? expected)
    {
        var experiment = await Groups.Create("filter", null, []);
        var a = await Log.Create(experiment, null, "a", 1, [new("mlflow.note", "it's")]);
        var b = await Log.Create(experiment, null, "b", 2, [new("sp ace", "y")]);
        var c = await Log.Create(experiment, null, "c", 3, []);
        await Log.Add(a.Id, new LogEntry([new("acc", 0.25, 0, 1)], [new("lr", "0.1")], []));
        await Log.Add(b.Id, new LogEntry([], [new("lr", "0.01")], []));
        await Log.Add(c.Id, new LogEntry([], [new("lr", "x1")], []));
        await Log.AddInputs(a.Id, [new RunInput("d1", "1", "local", "s", null, null, new Dictionary<string, string> { [RunInput.ContextTag] = "training" })]);
        if (expected is null) Assert.Equal(TaktError.Invalid, Assert.Throws<TaktException>(() => Runs.Find([experiment], filter, [], false, 10, null)).Error);
        else Assert.Equal(expected, string.Join(',', Runs.Find([experiment], filter, ["run_name"], false, 10, null).Items.Select(r => r.Name)));
    }

    [Fact]
    public async Task Points_that_come_one_by_one_in_batches_and_twice_are_each_in_the_history_once()
    {
        var experiment = await Groups.Create("points", null, []);
        var run = (await Log.Create(experiment, null, null, null, [])).Id;
        var expected = new SortedSet<MetricPoint>();
        var random = new Random(7);
        for (var i = 0; i < 150; i++)
        {
            var many = i % 40 == 39 ? 100 : i % 7 == 0 ? 5 : 1;
            var points = Enumerable.Range(0, many).Select(k => new LoggedMetric("m", random.Next(50), i, random.Next(1000))).ToArray();
            foreach (var p in points) expected.Add(new MetricPoint(p.Step, p.Time, p.Value));
            await Log.Add(run, Metrics(points));
            if (i % 10 == 0) await Log.Add(run, Metrics(points));
        }
        await Log.Add(run, Metrics(new LoggedMetric("m", double.NaN, long.MaxValue, long.MaxValue)));
        expected.Add(new MetricPoint(long.MaxValue, long.MaxValue, double.NaN));
        foreach (var limit in (int[])[1, 37, 100_000])
        {
            var found = new List<MetricPoint>();
            string? token = null;
            do
            {
                var page = History.Of(run, "m", limit, token);
                found.AddRange(page.Items);
                token = page.Next;
            }
            while (token is not null && (limit > 1 || found.Count < 60));
            Assert.Equal(expected.Take(found.Count), found);
            if (limit > 1) Assert.Equal(expected.Count, found.Count);
        }
        var newest = Log.Get(run).Metrics.Single();
        Assert.Equal((double.NaN, long.MaxValue, long.MaxValue), (newest.Value, newest.Step, newest.Time));
    }

    [Fact]
    public async Task Writers_of_one_metric_at_once_lose_no_point()
    {
        await using var other = await Open();
        var second = new RunLog(other, _time);
        var experiment = await Groups.Create("writers", null, []);
        var run = (await Log.Create(experiment, null, null, null, [])).Id;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(w => Task.Run(async () =>
        {
            for (var i = 0; i < 25; i++) await (w % 2 == 0 ? Log : second).Add(run, Metrics(new LoggedMetric("m", w, i, (w * 1000) + i)));
        })));
        Assert.Equal(200, History.Of(run, "m", 1000, null).Items.Count);
        Assert.Equal(24, Log.Get(run).Metrics.Single().Step);
    }

    [Fact]
    public async Task A_run_that_is_made_with_a_tag_twice_is_answered_with_its_last_value_alone()
    {
        var experiment = await Groups.Create("twice", null, []);
        var run = await Log.Create(experiment, null, "named", null, [new("k", "1"), new("other", "o"), new("k", "2"), new("k", "2")]);
        KeyValuePair<string, string>[] expected = [new("k", "2"), new("mlflow.runName", "named"), new("other", "o")];
        Assert.Equal(expected, run.Tags.OrderBy(t => t.Key, StringComparer.Ordinal));
        Assert.Equal(expected, Log.Get(run.Id).Tags.OrderBy(t => t.Key, StringComparer.Ordinal));
    }

    [Fact]
    public async Task Versions_that_are_registered_at_once_are_all_told_on_the_logged_model_they_come_from()
    {
        await using var other = await Open();
        var model = (await Models.Create(await Groups.Create("registered", null, []), "m", "", null, [], [])).Id;
        ModelCatalog[] servers = [new(_database, _time), new(other, _time)];
        string[] names = ["a", "b\"'", "c", "d", "e", "f", "g", "h"];
        foreach (var name in names) await servers[0].Create(name, "", []);
        await Task.WhenAll(names.Select((name, i) => servers[i % 2].Add(new NewRegisteredVersion(name, $"models:/{model}", null, model, "", "", []))));
        var told = JsonDocument.Parse(Models.Get(model).Tags.Single(t => t.Key == "mlflow.modelVersions").Value).RootElement.EnumerateArray().ToList();
        Assert.Equal(names, told.Select(v => v.GetProperty("name").GetString()).Order(StringComparer.Ordinal));
        Assert.All(told, v => Assert.Equal(1, v.GetProperty("version").GetInt32()));
    }

    [Fact]
    public async Task Logged_models_are_found_by_metrics_on_datasets_and_ordered_by_the_newest_value()
    {
        var experiment = await Groups.Create("models", null, []);
        var run = (await Log.Create(experiment, null, null, null, [])).Id;
        var ids = new List<string>();
        for (var i = 0; i < 4; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            ids.Add((await Models.Create(experiment, $"m{i}", "", run, [new("t", $"{i}")], [])).Id);
        }
        await Log.Add(run, Metrics(new("acc", 0.9, 0, 1, ids[0], "train", "1"), new("acc", 0.2, 1, 2, ids[0], "train", "1"), new("acc", 0.5, 0, 1, ids[1], "train", "2"), new("acc", 0.7, 0, 1, ids[2], "test", "1")));
        Assert.Equal(["m1", "m0"], Names(null, [new("train", null)], []));
        Assert.Equal(["m0"], Names(null, [new("train", "1")], []));
        Assert.Equal(["m2", "m1", "m0", "m3"], Names(null, [], [new("metrics.acc", false, null)]));
        Assert.Equal(["m0", "m1", "m3", "m2"], Names(null, [], [new("metrics.acc", true, new DatasetFilter("train", null))]));
        Assert.Equal(["m2", "m0"], Names("metrics.acc > 0.6", [], []));
        Assert.Equal(["m0"], Names("metrics.acc > 0.6 and tags.t IN ('0', '1') and name LIKE 'm%'", [new("train", null)], []));
        Assert.Equal(TaktError.Invalid, Assert.Throws<TaktException>(() => Names("name > 'a'", [], [])).Error);
        Assert.Equal(4, Models.Get(ids[0]).Metrics.Count + Models.Get(ids[1]).Metrics.Count + Models.Get(ids[2]).Metrics.Count);
        var first = Models.Search([experiment], null, [], [new("metrics.acc", false, null)], 3, null);
        Assert.Equal(["m3"], Models.Search([experiment], null, [], [new("metrics.acc", false, null)], 3, first.Next).Items.Select(m => m.Name));

        List<string> Names(string? filter, DatasetFilter[] datasets, LoggedModelOrder[] order) => Models.Search([experiment], filter, datasets, order, 100, null).Items.ConvertAll(m => m.Name);
    }

    [Fact]
    public async Task Rows_of_another_workspace_are_not_found()
    {
        var team = new Workspace("team-a");
        await _database.Write(s => s.Execute($"insert into workspace(name, description, artifact_root, created) values({team}, '', null, 0)"));
        var here = await Groups.Create("same", null, []);
        var there = await Groups.In(team).Create("same", null, []);
        var run = (await Log.In(team).Create(there, null, "theirs", null, [])).Id;
        await Log.In(team).Add(run, Metrics(new LoggedMetric("m", 1, 0, 1)));
        var model = await Models.In(team).Create(there, "model", "", run, [], []);
        var standard = await Log.In(team).Create(0, null, "in Default", null, []);
        Assert.NotEqual(0, standard.Experiment);

        Assert.Equal("theirs", Log.In(team).Get(run).Name);
        Assert.Single(Runs.In(team).Find([there, here], null, [], null, 10, null).Items);
        Assert.Empty(Runs.Find([there, here], null, [], null, 10, null).Items);
        Assert.Equal(TaktError.NotFound, Assert.Throws<TaktException>(() => Log.Get(run)).Error);
        Assert.Equal(TaktError.NotFound, (await Assert.ThrowsAsync<TaktException>(() => Log.Add(run, Metrics(new LoggedMetric("m", 1, 0, 1))))).Error);
        Assert.Equal(TaktError.NotFound, (await Assert.ThrowsAsync<TaktException>(() => Log.SetDeleted(run, true))).Error);
        Assert.Equal(TaktError.NotFound, Assert.Throws<TaktException>(() => History.Of(run, "m", 10, null)).Error);
        Assert.Empty(History.OfRuns([run], "m", 10));
        Assert.Equal(TaktError.NotFound, (await Assert.ThrowsAsync<TaktException>(() => Groups.Rename(there, "x"))).Error);
        Assert.Equal(TaktError.NotFound, (await Assert.ThrowsAsync<TaktException>(() => Groups.SetDeleted(there, true))).Error);
        Assert.Null(Models.Find(model.Id));
        Assert.Equal(TaktError.NotFound, (await Assert.ThrowsAsync<TaktException>(() => Models.Delete(model.Id))).Error);
        Assert.Empty(Models.Search([there], null, [], [], 10, null).Items);
        Assert.Equal(["Default", "same"], (await Groups.In(team).Search(null, ["name"], false, 10, null)).Items.Select(e => e.Name));
    }
}
