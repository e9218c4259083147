using Microsoft.Extensions.Time.Testing;
using Takt.Data;
using Takt.Deployments;
using Takt.Models;
using Takt.Server;

namespace Takt.Tests.Deployments;

/// <summary>Rollouts on real packages in a real folder, under simulated time.</summary>
public sealed class RolloutTests : IAsyncLifetime
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-rollout").FullName;
    readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
    TaktApp _app = null!;

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

    static DeploymentSpec Spec(params string[] abortIf) => new("e", [0.1, 0.5, 1], TimeSpan.FromMinutes(5), 20, abortIf, "champion", true, null);

    [Fact]
    public async Task The_first_revision_goes_live_at_once_and_gets_the_alias()
    {
        await _app.Deployments.Deploy(Spec(), "m@1");
        await _app.Rollouts.Tick();
        Assert.Equal("m@1", _app.Deployments.Get("e").Live?.Model);
        Assert.Equal(1, _app.Models.Resolve("m@champion").Version);
    }

    [Fact]
    public async Task A_canary_moves_by_steps_of_time_and_requests_and_is_promoted()
    {
        await Live();
        await _app.Deployments.Deploy(Spec("error_rate > 1%"), "m@2");
        await _app.Rollouts.Tick();
        Assert.Equal(0.1, _app.Router.Find("e")!.Share);
        await Ask(400);
        await _app.Rollouts.Tick();
        Assert.Equal(0.1, _app.Router.Find("e")!.Share); // enough requests, not enough time
        _time.Advance(TimeSpan.FromMinutes(6));
        await _app.Rollouts.Tick();
        Assert.Equal(0.5, _app.Router.Find("e")!.Share);
        _time.Advance(TimeSpan.FromMinutes(6));
        await _app.Rollouts.Tick();
        Assert.Equal(0.5, _app.Router.Find("e")!.Share); // enough time, no request
        await Step();
        await Step();
        Assert.Equal("m@2", _app.Deployments.Get("e").Live?.Model);
        Assert.Equal(2, _app.Models.Resolve("m@champion").Version);
        Assert.Equal(RolloutState.Succeeded, _app.Deployments.Get("e").Rollout!.State);
    }

    [Fact]
    public async Task A_failing_challenger_is_rolled_back_by_itself_with_the_evidence()
    {
        await Live();
        await _app.Deployments.Deploy(Spec("error_rate > 1%"), "m@2");
        await _app.Rollouts.Tick();
        var challenger = _app.Router.Find("e")!.Challenger!;
        for (var i = 0; i < 30; i++) challenger.Stats.Count(TimeSpan.FromMilliseconds(1), error: i % 3 == 0);
        await _app.Rollouts.Tick();
        var rollout = _app.Deployments.Get("e").Rollout!;
        Assert.Equal(RolloutState.RolledBack, rollout.State);
        Assert.Contains("error_rate > 1%", rollout.Evidence);
        Assert.Null(_app.Router.Find("e")!.Challenger);
        Assert.Equal("m@1", (await _app.Router.Infer("e", Row(), null, default)).Revision.Model);
        Assert.Equal(1, _app.Models.Resolve("m@champion").Version);
    }

    [Fact]
    public async Task A_revision_that_does_not_load_never_takes_traffic()
    {
        await Live();
        await _app.Deployments.Deploy(Spec(), "m@77");
        await _app.Rollouts.Tick();
        Assert.Equal(RolloutState.RolledBack, _app.Deployments.Get("e").Rollout!.State);
        Assert.Equal("m@1", _app.Router.Find("e")!.Champion.Revision.Model);
    }

    [Fact]
    public async Task A_restart_in_the_middle_goes_on_at_the_same_step()
    {
        await Live();
        await _app.Deployments.Deploy(Spec(), "m@2");
        await _app.Rollouts.Tick();
        await Step();
        Assert.Equal(0.5, _app.Router.Find("e")!.Share);
        await _app.DisposeAsync();
        _app = TaktApp.Open(TaktFolder.At(_folder), _time);
        await _app.Rollouts.Tick();
        Assert.Equal(0.5, _app.Router.Find("e")!.Share);
        Assert.Equal("m@2", _app.Router.Find("e")!.Challenger!.Revision.Model);
    }

    [Fact]
    public async Task Paused_it_stays_and_aborted_the_old_revision_has_all_traffic()
    {
        await Live();
        await _app.Deployments.Deploy(Spec(), "m@2");
        await _app.Rollouts.Tick();
        await _app.Deployments.Command("e", RolloutState.Paused);
        await Step();
        Assert.Equal(0.1, _app.Router.Find("e")!.Share);
        await _app.Deployments.Command("e", RolloutState.Aborted);
        await _app.Rollouts.Tick();
        Assert.Null(_app.Router.Find("e")!.Challenger);
        await Assert.ThrowsAsync<TaktException>(() => _app.Deployments.Command("e", RolloutState.Paused));
    }

    [Fact]
    public async Task Swaps_under_load_lose_no_request()
    {
        await Live();
        using var stop = new CancellationTokenSource();
        var answered = 0;
        var clients = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                await _app.Router.Infer("e", Row(), null, default);
                Interlocked.Increment(ref answered);
            }
        })).ToList();
        var revision = _app.Deployments.Get("e").Live!;
        for (var swap = 0; swap < 200; swap++)
            _app.Router.Set("e", new Route(new Slot(revision, await _app.Models.Load(_app.Models.Resolve($"m@{1 + (swap % 2)}"))), null, 0));
        await stop.CancelAsync();
        await Task.WhenAll(clients); // throws what a client threw
        Assert.True(answered > 0);
    }

    async Task Live()
    {
        await _app.Deployments.Deploy(Spec(), "m@1");
        await _app.Rollouts.Tick();
    }

    async Task Step()
    {
        await Ask(400);
        _time.Advance(TimeSpan.FromMinutes(6));
        await _app.Rollouts.Tick();
    }

    async Task Ask(int requests)
    {
        for (var i = 0; i < requests; i++) await _app.Router.Infer("e", Row(), null, default);
    }

    static Table Row() => new([Column.Of("x", [0.3])]);

    async Task Register(int seed)
    {
        var random = new Random(seed);
        var x = Enumerable.Range(0, 400).Select(_ => random.NextDouble()).ToArray();
        var table = new Table([Column.Of("x", x), Column.Of("y", x.Select(v => v > 0.5 ? 1L : 0L).ToArray())]);
        var package = Directory.CreateDirectory(Path.Combine(_folder, $"model-{seed}")).FullName;
        new ML.Trainers.LightGbmTrainer().Train(new TrainingRequest("binary", "y", null, [], new Dictionary<string, double> { ["trees"] = 5 }, seed), table, package, TextWriter.Null, default);
        await _app.Models.Register(new RegisterModel("m", package, null, null, [], new Dictionary<string, string>(), new Dictionary<string, double>()));
    }
}
