using Microsoft.Extensions.Time.Testing;
using Takt.Data;
using Takt.Deployments;
using Takt.Models;
using Takt.Pipelines;
using Takt.Server;

namespace Takt.Tests.Monitors;

/// <summary>A real model's prediction log, judged by windows of a day.</summary>
public sealed class MonitorWatchTests : IAsyncLifetime
{
    const int Cities = 60;
    static readonly DateTimeOffset Start = new(2026, 1, 5, 0, 0, 0, TimeSpan.Zero);
    static readonly MonitorSpec Spec = new("m", "e", TimeSpan.FromDays(1), 200, 0.1, "log_loss", 0.1, 0.1);

    readonly string _folder = Directory.CreateTempSubdirectory("takt-watch").FullName;
    readonly Random _random = new(5);
    readonly FakeTimeProvider _time = new(Start);
    TaktApp _app = null!;

    public async ValueTask InitializeAsync()
    {
        _app = TaktApp.Open(TaktFolder.At(_folder), _time);
        var (x, city) = (Enumerable.Range(0, 6000).Select(_ => _random.NextDouble()).ToArray(), Enumerable.Range(0, 6000).Select(_ => (string?)$"city {_random.Next(Cities)}").ToArray());
        var table = new Table([Column.Of("x", x), Column.Of("city", city), Column.Of("y", x.Select(v => v > 0.5 ? 1L : 0L).ToArray())]);
        var package = Directory.CreateDirectory(Path.Combine(_folder, "model")).FullName;
        new ML.Trainers.LightGbmTrainer().Train(new TrainingRequest("binary", "y", null, [], new Dictionary<string, double> { ["trees"] = 20 }, 1), table, package, TextWriter.Null, default);
        await _app.Models.Register(new RegisterModel("m", package, null, null, [], new Dictionary<string, string>(), new Dictionary<string, double> { ["log_loss"] = 0.1 }));
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>One request of so many rows on a day, its answer, and the truth.</summary>
    async Task Day(int day, int rows, int cities = Cities, bool turned = false, bool labels = true, string model = "m@1", string? id = null, DateTimeOffset? came = null)
    {
        var x = Enumerable.Range(0, rows).Select(_ => _random.NextDouble()).ToArray();
        var inputs = new Table([Column.Of("x", x), Column.Of("city", Enumerable.Range(0, rows).Select(_ => (string?)$"city {_random.Next(cities)}").ToArray())]);
        using var loaded = _app.Models.LoadFolder(Path.Combine(_folder, "model"));
        var outputs = loaded.Predict(inputs);
        var log = _app.Predictions.Of("e");
        Assert.True(await log.Append(new PredictionBatch($"p-{id}{day}", Start.AddDays(day), came ?? Start.AddDays(day), 1, model, TimeSpan.FromMilliseconds(1), inputs, outputs, ""), TestContext.Current.CancellationToken));
        if (labels) await log.Append(x.Select((v, i) => new Label($"p-{id}{day}:{i}", v > 0.5 != turned ? 1 : 0, Start.AddDays(day))).ToList(), TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Many_categories_in_a_small_window_raise_no_alert_by_chance_and_a_real_move_does()
    {
        await Day(0, 300);
        await Day(1, 300, cities: 20);
        await Day(2, 1);
        Assert.Equal(2, await _app.Monitors.Tick(Spec, null));
        var windows = _app.Monitors.Table.Windows("m").OrderBy(w => w.Start).ToList();
        Assert.True(windows[0].Drift.Single(d => d.Column == "city").Psi >= Spec.Threshold); // by chance, of 60 categories in 300 rows
        Assert.Equal(["ok", "alert"], windows.Select(w => w.Verdict));
        var alert = Assert.Single(_app.Monitors.Table.Alerts("m"));
        Assert.Equal(("drift", Start.AddDays(1)), (alert.Kind, alert.WindowStart));
        Assert.StartsWith("city has PSI", alert.Message);
    }

    string[] Windows() => [.. _app.Monitors.Table.Windows("m").Reverse().Select(w => $"{(w.Start - Start).TotalDays}-{(w.End - Start).TotalDays} {w.Rows} {w.Verdict}")];

    [Fact]
    public async Task The_last_window_of_an_endpoint_that_is_asked_no_more_is_judged_when_its_time_has_passed()
    {
        await Day(0, 300, cities: 20, labels: false);
        _time.SetUtcNow(Start.AddDays(1).AddMinutes(4));
        Assert.Equal(0, await _app.Monitors.Tick(Spec, null)); // something may still come late
        _time.SetUtcNow(Start.AddDays(1).AddMinutes(5));
        Assert.Equal(1, await _app.Monitors.Tick(Spec, new DriftTrigger("m", TimeSpan.FromDays(1))));
        Assert.Equal(["0-1 300 alert"], Windows());
        Assert.Single(_app.Monitors.Table.Triggers());
        Assert.Equal(0, await _app.Monitors.Tick(Spec, null)); // once
        await Day(0, 30, cities: 20, labels: false, id: "late", came: _time.GetUtcNow());
        Assert.Equal(0, await _app.Monitors.Tick(Spec, null)); // more of them may be under way
        _time.Advance(Spec.Lateness);
        Assert.Equal(1, await _app.Monitors.Tick(Spec, null));
        Assert.Equal(["0-1 330 alert"], Windows());
    }

    [Fact]
    public async Task Days_without_predictions_are_shown_as_one_and_are_less_when_some_come_late()
    {
        await Day(0, 300);
        _time.SetUtcNow(Start.AddDays(3).AddHours(1));
        await _app.Monitors.Tick(Spec, null);
        Assert.Equal(["0-1 300 ok", "1-3 0 no predictions"], Windows());
        _time.SetUtcNow(Start.AddDays(5).AddHours(1));
        await _app.Monitors.Tick(Spec, null);
        Assert.Equal(["0-1 300 ok", "1-5 0 no predictions"], Windows());
        await Day(1, 5);
        await Day(3, 5);
        _time.Advance(Spec.Lateness);
        await _app.Monitors.Tick(Spec, null);
        Assert.Equal(["0-1 300 ok", "1-2 5 few rows", "2-3 0 no predictions", "3-4 5 few rows", "4-5 0 no predictions"], Windows());
        Assert.Empty(_app.Monitors.Table.Alerts("m"));
    }

    [Fact]
    public async Task Silence_longer_than_allowed_is_one_alert_that_starts_nothing()
    {
        var spec = Spec with { Silence = TimeSpan.FromHours(6) };
        await Day(0, 300);
        _time.SetUtcNow(Start.AddHours(5));
        await _app.Monitors.Tick(spec, new DriftTrigger("m", TimeSpan.FromDays(1)));
        Assert.Empty(_app.Monitors.Table.Alerts("m"));
        _time.SetUtcNow(Start.AddHours(7));
        for (var i = 0; i < 2; i++) await _app.Monitors.Tick(spec, new DriftTrigger("m", TimeSpan.FromDays(1)));
        var alert = Assert.Single(_app.Monitors.Table.Alerts("m"));
        Assert.Equal(("silence", "no predictions since 2026-01-05 00:00:00 UTC", Start), (alert.Kind, alert.Message, alert.WindowStart));
        Assert.Empty(_app.Monitors.Table.Triggers());
    }

    [Fact]
    public async Task The_last_window_of_predictions_of_long_ago_is_not_judged_by_the_clock_nor_is_their_past_silence()
    {
        var spec = Spec with { Silence = TimeSpan.FromMinutes(1) };
        _time.SetUtcNow(Start.AddYears(3));
        await Day(0, 300, cities: 20, labels: false, came: _time.GetUtcNow());
        _time.Advance(TimeSpan.FromDays(3));
        Assert.Equal(0, await _app.Monitors.Tick(spec, null)); // perhaps a part of the day
        Assert.Empty(_app.Monitors.Table.Alerts("m"));
        await Day(1, 300, came: _time.GetUtcNow());
        Assert.Equal(1, await _app.Monitors.Tick(spec, null));
        Assert.Equal(["0-1 300 alert"], Windows());
    }

    [Fact]
    public async Task Performance_is_judged_once_the_labels_are_there()
    {
        await Day(0, 300, turned: true, labels: false);
        await Day(1, 1);
        await _app.Monitors.Tick(Spec, null);
        Assert.Equal("waiting for labels", Assert.Single(_app.Monitors.Table.Windows("m")).Verdict);
        Assert.Equal(0, await _app.Monitors.Tick(Spec, null)); // nothing is new
        await _app.Predictions.Of("e").Append(Enumerable.Range(0, 300).Select(i => new Label($"p-0:{i}", 0, Start)).ToList(), TestContext.Current.CancellationToken);
        Assert.Equal(1, await _app.Monitors.Tick(Spec, null));
        Assert.Contains(_app.Monitors.Table.Alerts("m"), a => a.Kind == "performance" && a.Message.StartsWith("log_loss is ", StringComparison.Ordinal));
        Assert.Equal(0, await _app.Monitors.Tick(Spec, null)); // once
    }

    [Fact]
    public async Task A_monitor_that_can_not_be_judged_is_named_and_does_not_hold_the_others_up()
    {
        File.WriteAllText(Path.Combine(_folder, "takt.yaml"), "takt: 1\nproject: p\nmonitor:\n  broken: { drift: { min-rows: 200 } }\n  e: { drift: { min-rows: 200 } }\n");
        Directory.CreateDirectory(_app.Folder.Predictions);
        File.WriteAllText(Path.Combine(_app.Folder.Predictions, "broken"), "a file where the log's folder should be");
        await Day(0, 300);
        await Day(1, 1);
        var fault = await Assert.ThrowsAnyAsync<TaktException>(() => _app.Loop.Tick(cancel: TestContext.Current.CancellationToken));
        Assert.Contains("monitor broken: ", fault.Message);
        Assert.Single(_app.Monitors.Table.Windows("e"));
    }

    [Fact]
    public async Task The_newest_predictions_come_with_their_newest_labels()
    {
        for (var day = 0; day < 30; day++) await Day(day, 3);
        var log = _app.Predictions.Of("e");
        await log.Append([new Label("p-29:1", 7, Start.AddDays(40))], TestContext.Current.CancellationToken);
        await log.Flush();
        var newest = (await NewestPredictions.Of(log, 5))!;
        Assert.Equal(["p-29:0", "p-29:1", "p-29:2", "p-28:0", "p-28:1"], Enumerable.Range(0, newest.Rows).Select(row => newest["id"].TextAt(row)));
        Assert.Equal(7, newest["label"].NumberAt(1));
        Assert.InRange(newest["label"].NumberAt(0), 0, 1);
    }
}
