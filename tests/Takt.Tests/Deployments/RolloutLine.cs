using Microsoft.Extensions.Time.Testing;
using Takt.Data;
using Takt.Deployments;
using Takt.Models;
using Takt.Server;

namespace Takt.Tests.Deployments;

/// <summary>An endpoint <c>e</c> and two versions of a model <c>m</c>, real packages in a real folder, under simulated time.</summary>
public abstract class RolloutLine : IAsyncLifetime
{
    protected readonly string _folder = Directory.CreateTempSubdirectory("takt-rollout").FullName;
    protected readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
    protected TaktApp _app = null!;

    public async ValueTask InitializeAsync()
    {
        _app = TaktApp.Open(TaktFolder.At(_folder), _time);
        await Register(seed: 1);
        await Register(seed: 2);
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    protected static DeploymentSpec Spec(params string[] abortIf) => new("e", [0.1, 0.5, 1], TimeSpan.FromMinutes(5), 20, abortIf, "champion", true, null);

    protected static readonly AnalysisSpec Errors = AnalysisSpec.Default;

    protected Slot Challenger => _app.Router.Find("e")!.Challenger!;

    /// <summary>Both revisions answer, as the shares say, and so many of their answers fail.</summary>
    protected void Answered(int requests, double challengerFails, double championFails, double ms = 1, double challengerMs = 1)
    {
        var route = _app.Router.Find("e")!;
        for (var i = 0; i < requests; i++)
        {
            var challenger = i % 100 < route.Share * 100;
            var nth = challenger ? route.Challenger!.Stats.Requests : route.Champion.Stats.Requests;
            var rate = challenger ? challengerFails : championFails;
            (challenger ? route.Challenger! : route.Champion).Stats.Count(TimeSpan.FromMilliseconds(challenger ? challengerMs : ms), (long)((nth + 1) * rate) > (long)(nth * rate));
        }
    }

    protected async Task Live()
    {
        await _app.Deployments.Deploy(Spec(), "m@1");
        await _app.Rollouts.Tick();
    }

    protected async Task Step()
    {
        await Ask(400);
        _time.Advance(TimeSpan.FromMinutes(6));
        await _app.Rollouts.Tick();
    }

    protected async Task Ask(int requests)
    {
        for (var i = 0; i < requests; i++) await _app.Router.Infer("e", Row(), null, default);
    }

    protected static Table Row() => new([Column.Of("x", [0.3])]);

    protected async Task Register(int seed)
    {
        var random = new Random(seed);
        var x = Enumerable.Range(0, 400).Select(_ => random.NextDouble()).ToArray();
        var table = new Table([Column.Of("x", x), Column.Of("y", x.Select(v => v > 0.5 ? 1L : 0L).ToArray())]);
        var package = Directory.CreateDirectory(Path.Combine(_folder, $"model-{seed}")).FullName;
        new ML.Trainers.LightGbmTrainer().Train(new TrainingRequest("binary", "y", null, [], new Dictionary<string, double> { ["trees"] = 5 }, seed), table, package, TextWriter.Null, default);
        await _app.Models.Register(new RegisterModel("m", package, null, null, [], new Dictionary<string, string>(), new Dictionary<string, double>()));
    }
}
