using Microsoft.Extensions.Time.Testing;
using Takt.Data;
using Takt.Deployments;
using Takt.ML.Trainers;
using Takt.Models;
using Takt.Server;

namespace Takt.Tests.Monitors;

/// <summary>What a window is compared with where Takt did not train the model.</summary>
public sealed class BaselineTests : IAsyncLifetime
{
    const string Yaml = """
        takt: 1
        project: loop
        stages:
          again: { run: "echo trained > again.txt", out: [again.txt] }
        monitor:
          e: { endpoint: e, drift: { threshold: 0.2, window: 1h, min-rows: 200 } }
          given: { endpoint: e, drift: { threshold: 0.2, window: 1h, min-rows: 200, baseline: past@main } }
          longer: { endpoint: e, drift: { threshold: 0.2, window: 1h, min-rows: 200, baseline: { time: 2h } } }
        triggers:
          drift: { monitor: e, cooldown: 1h }
        """;

    static readonly DateTimeOffset Monday = new(2026, 1, 5, 0, 0, 0, TimeSpan.Zero);

    readonly string _folder = Directory.CreateTempSubdirectory("takt-baseline").FullName;
    readonly Random _random = new(7);
    TaktApp _app = null!;

    public async ValueTask InitializeAsync()
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "takt.yaml"), Yaml);
        _app = TaktApp.Open(TaktFolder.At(_folder), new FakeTimeProvider(Monday));
        var x = Enumerable.Range(0, 400).Select(_ => _random.NextDouble()).ToArray();
        var table = new Table([Column.Of("x", x), Column.Of("y", x.Select(v => v > 0.5 ? 1L : 0L).ToArray())]);
        var package = Directory.CreateDirectory(Path.Combine(_folder, "package")).FullName;
        new LightGbmTrainer().Train(new TrainingRequest("binary", "y", null, [], new Dictionary<string, double> { ["trees"] = 5 }, 1), table, package, TextWriter.Null, default);
        File.Delete(Path.Combine(package, ModelPackage.InfoFile)); // as an MLflow client logs it: no profile, no target
        await _app.Models.Register(new RegisterModel("m", package, null, null, [], new Dictionary<string, string>(), new Dictionary<string, double>()));
        await _app.Deployments.Deploy(new DeploymentSpec("e", [1], TimeSpan.Zero, 0, [], null, true, null), "m@1");
        await _app.Rollouts.Tick();
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Predictions of one hour.</summary>
    async Task Ask(int hour, int rows, double shift = 0, int minute = 0)
    {
        var x = Enumerable.Range(0, rows).Select(_ => _random.NextDouble() + shift).ToArray();
        await _app.Router.Infer("e", new Table([Column.Of("x", x)]), Monday.AddHours(hour).AddMinutes(minute), default);
    }

    string[] Verdicts(string monitor) => [.. _app.Monitors.Table.Windows(monitor).Reverse().Select(w => w.Verdict)];

    [Fact]
    public async Task The_first_predictions_of_a_model_that_Takt_did_not_train_are_its_baseline_and_drift_from_them_closes_the_loop()
    {
        await Ask(0, 500);
        await Ask(1, 500);
        await Ask(2, 500, shift: 0.5);
        await Ask(3, 1); // the hour before is over
        await _app.Loop.Tick("e");
        Assert.Equal(["baseline", "waiting for labels", "alert"], Verdicts("e"));
        var window = _app.Monitors.Table.Windows("e")[0];
        Assert.Equal("x", window.Drift[0].Column);
        Assert.Contains("\"baseline\":\"first 200 predictions\"", _app.Monitors.Table.Alerts("e")[0].Evidence);
        Assert.True(await _app.Loop.RunNext(default));
        Assert.Equal("succeeded", Assert.Single(_app.Monitors.Table.Triggers()).Outcome);
        Assert.True(File.Exists(Path.Combine(_folder, "again.txt")));
    }

    [Fact]
    public async Task A_baseline_stays_as_it_was_when_it_was_complete()
    {
        await Ask(0, 500, minute: 1);
        await Ask(1, 500);
        await Ask(2, 1);
        await _app.Loop.Tick("e");
        var kept = _app.Monitors.Table.Baseline("e", "m@1", "first 200 predictions")!;
        await Ask(0, 500, shift: 3); // late ones, which are now the first
        await Ask(2, 500);
        await Ask(3, 1);
        await _app.Loop.Tick("e");
        Assert.Equal(kept.Profile.ToJson(), _app.Monitors.Table.Baseline("e", "m@1", "first 200 predictions")!.Profile.ToJson());
        Assert.Equal(["baseline", "waiting for labels", "waiting for labels"], Verdicts("e"));
    }

    [Fact]
    public async Task Before_enough_predictions_have_come_there_is_no_baseline_and_no_alert()
    {
        await Ask(0, 500);
        await Ask(1, 500, shift: 0.5);
        await _app.Loop.Tick("longer");
        Assert.Equal(["no baseline yet"], Verdicts("longer"));
        await Ask(2, 500, shift: 0.5);
        await Ask(3, 1);
        await _app.Loop.Tick("longer");
        Assert.Equal(["baseline", "baseline", "alert"], Verdicts("longer")); // half of the baseline is shifted
        Assert.Equal(1000, _app.Monitors.Table.Baseline("longer", "m@1", "first 02:00:00")!.Profile.Rows);
    }

    [Fact]
    public async Task A_datasets_version_is_a_baseline_from_the_first_window_on()
    {
        var past = Path.Combine(_folder, "past.csv");
        await File.WriteAllLinesAsync(past, Enumerable.Range(0, 500).Select(_ => _random.NextDouble().ToString("R", System.Globalization.CultureInfo.InvariantCulture)).Prepend("x"));
        await _app.Datasets.Collect("past", _folder, ["past.csv"]);
        await Ask(0, 500);
        await Ask(1, 500, shift: 0.5);
        await Ask(2, 1);
        await _app.Loop.Tick("given");
        Assert.Equal(["waiting for labels", "alert"], Verdicts("given"));
        Assert.Contains("\"baseline\":\"past@sha256:", _app.Monitors.Table.Alerts("given")[0].Evidence);
    }
}
