using Microsoft.Extensions.Time.Testing;
using Takt.Data;
using Takt.Deployments;
using Takt.Models;
using Takt.Server;

namespace Takt.Tests.Deployments;

/// <summary>How traffic moves from one revision to the next.</summary>
public sealed class RolloutTests : RolloutLine
{
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
    public async Task The_alias_and_the_end_of_the_rollout_are_there_together_or_not_at_all()
    {
        await Live();
        await _app.Deployments.Deploy(Spec() with { Canary = [1] }, "m@2");
        await _app.Rollouts.Tick();
        await Ask(40);
        _time.Advance(TimeSpan.FromMinutes(6));
        await _app.Database.Write(session => session.Execute($"alter table model_alias rename to model_alias_gone"));
        await Assert.ThrowsAnyAsync<Exception>(() => _app.Rollouts.Tick());
        Assert.Equal(RolloutState.Rolling, _app.Deployments.Get("e").Rollout!.State);
        await _app.Database.Write(session => session.Execute($"alter table model_alias_gone rename to model_alias"));
        await _app.Rollouts.Tick();
        Assert.Equal(RolloutState.Succeeded, _app.Deployments.Get("e").Rollout!.State);
        Assert.Equal(2, _app.Models.Resolve("m@champion").Version);
    }

    [Fact]
    public async Task A_rollout_that_nobody_asked_anything_tells_no_latency()
    {
        await Live();
        await _app.Deployments.Deploy(Spec() with { Canary = [1], StepRequests = 0, StepTime = TimeSpan.Zero }, "m@2");
        for (var tick = 0; tick < 3; tick++) await _app.Rollouts.Tick();
        Assert.Equal((RolloutState.Succeeded, "0 requests, 0 errors"), (_app.Deployments.Get("e").Rollout!.State, _app.Deployments.Get("e").Rollout!.Evidence));
    }

    [Fact]
    public async Task A_deployment_that_can_not_be_read_does_not_hold_the_others_up()
    {
        await _app.Deployments.Deploy(Spec() with { Endpoint = "a" }, "m@1");
        await _app.Database.Write(session => session.Execute($"update revision set spec = '{{' where endpoint = 'a'"));
        await _app.Deployments.Deploy(Spec(), "m@1");
        await Assert.ThrowsAsync<AggregateException>(() => _app.Rollouts.Tick());
        Assert.Equal("m@1", _app.Router.Find("e")?.Champion.Revision.Model);
    }

    [Fact]
    public async Task Where_rolling_back_is_a_persons_to_decide_a_rule_that_holds_pauses()
    {
        await Live();
        await _app.Deployments.Deploy(Spec("error_rate > 1%") with { RollbackAutomatically = false }, "m@2");
        await _app.Rollouts.Tick();
        for (var i = 0; i < 30; i++) _app.Router.Find("e")!.Challenger!.Stats.Count(TimeSpan.FromMilliseconds(1), error: true);
        await _app.Rollouts.Tick();
        Assert.Equal(RolloutState.Paused, _app.Deployments.Get("e").Rollout!.State);
        Assert.Contains("error_rate > 1%", _app.Deployments.Get("e").Rollout!.Evidence);
    }

    [Fact]
    public async Task One_key_keeps_to_one_revision_and_the_keys_share_as_the_traffic_does()
    {
        await Live();
        await _app.Deployments.Deploy(Spec(), "m@2");
        await _app.Rollouts.Tick(); // 10 %
        int Of(string key)
        {
            var slot = _app.Router.Enter("e", key);
            slot.Leave();
            return slot.Revision.Number;
        }
        var challenged = Enumerable.Range(0, 2000).Select(k => $"user-{k}").Where(k => Of(k) == 2).ToList();
        Assert.InRange(challenged.Count, 140, 260);
        Assert.All(challenged, key => Assert.Equal(2, Of(key)));
        await Step(); // 50 %: whoever had the new one keeps it
        Assert.All(challenged, key => Assert.Equal(2, Of(key)));
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
        for (var swap = 0; swap < 1000; swap++)
            _app.Router.Set("e", new Route(new Slot(revision, await _app.Models.Load(_app.Models.Resolve($"m@{1 + (swap % 2)}"))), null, 0));
        await stop.CancelAsync();
        await Task.WhenAll(clients); // throws what a client threw
        Assert.True(answered > 0);
    }

    [Fact]
    public async Task Blue_green_switches_at_once_keeps_the_old_one_warm_and_comes_back_without_loading()
    {
        await Live();
        var old = _app.Router.Find("e")!.Champion;
        var spec = Spec("error_rate > 10%") with { Canary = [1], Strategy = "blue-green", StepTime = TimeSpan.FromMinutes(30), StepRequests = 0 };
        await _app.Deployments.Deploy(spec, "m@2");
        await _app.Rollouts.Tick();
        Assert.Equal("m@2", (await _app.Router.Infer("e", Row(), null, default)).Revision.Model);
        Assert.False(old.Gone);
        for (var i = 0; i < 30; i++) Challenger.Stats.Count(TimeSpan.FromMilliseconds(1), error: true);
        await _app.Rollouts.Tick();
        Assert.Same(old, _app.Router.Find("e")!.Champion);
        Assert.Equal("m@1", (await _app.Router.Infer("e", Row(), null, default)).Revision.Model);

        await _app.Deployments.Deploy(spec, "m@2");
        await _app.Rollouts.Tick();
        _time.Advance(TimeSpan.FromMinutes(31));
        await _app.Rollouts.Tick();
        Assert.Equal("m@2", _app.Deployments.Get("e").Live!.Model);
        Assert.True(old.Gone);
    }

    [Fact]
    public async Task Rolled_back_the_revision_before_is_in_charge_and_where_there_is_none_the_way_out_of_a_rollout_is_told()
    {
        await Live();
        await _app.Deployments.Deploy(Spec() with { Canary = [0.5, 1] }, "m@2");
        var refused = await Assert.ThrowsAsync<TaktException>(() => _app.Deployments.RollBack("e"));
        Assert.Contains("no earlier revision to go back to; 'takt deploy abort e' ends the rollout", refused.Message);
        await _app.Rollouts.Tick();
        await _app.Deployments.Command("e", RolloutState.Promoting);
        await _app.Rollouts.Tick();
        Assert.Equal("m@2", _app.Deployments.Get("e").Live!.Model);
        await _app.Deployments.RollBack("e");
        for (var i = 0; i < 3; i++) await _app.Rollouts.Tick();
        Assert.Equal("m@1", _app.Deployments.Get("e").Live!.Model);
    }

    [Fact]
    public async Task Promoted_by_hand_the_new_revision_is_in_charge_now()
    {
        await Live();
        await _app.Deployments.Deploy(Spec(), "m@2");
        await _app.Rollouts.Tick();
        await _app.Deployments.Command("e", RolloutState.Promoting);
        await _app.Rollouts.Tick();
        Assert.Equal(("m@2", RolloutState.Succeeded), (_app.Deployments.Get("e").Live!.Model, _app.Deployments.Get("e").Rollout!.State));
        Assert.Equal(2, _app.Models.Resolve("m@champion").Version);
        await Assert.ThrowsAsync<TaktException>(() => _app.Deployments.Command("e", RolloutState.Promoting));
    }

    [Fact]
    public async Task By_a_column_one_client_keeps_to_one_revision_and_a_larger_share_moves_clients_one_way_only()
    {
        await Live();
        await _app.Deployments.Deploy(Spec() with { Sticky = "column x" }, "m@2");
        await _app.Rollouts.Tick(); // 10 %
        async Task<int> Of(double x) => (await _app.Router.Ask("e", _ => new Table([Column.Of("x", [x])]), null, default)).Revision.Number;
        var first = new Dictionary<double, int>();
        for (var i = 0; i < 300; i++) first[i / 300.0] = await Of(i / 300.0);
        Assert.InRange(first.Values.Count(r => r == 2), 10, 60);
        foreach (var (x, revision) in first) Assert.Equal(revision, await Of(x));
        await Step(); // 50 %
        Assert.Equal(0.5, _app.Router.Find("e")!.Share);
        foreach (var (x, revision) in first)
            if (revision == 2) Assert.Equal(2, await Of(x));
    }

    [Fact]
    public async Task A_sticky_column_that_is_no_input_or_a_smoke_row_that_does_not_fit_takes_no_traffic()
    {
        await Live();
        await _app.Deployments.Deploy(Spec() with { Sticky = "column user" }, "m@2");
        await _app.Rollouts.Tick();
        Assert.Contains("sticky: column user is no input of m@2", _app.Deployments.Get("e").Rollout!.Evidence);
        await _app.Deployments.Deploy(Spec() with { Smoke = ["{\"y\": 1}"] }, "m@2");
        await _app.Rollouts.Tick();
        Assert.Contains("smoke row 1 lacks the input 'x'", _app.Deployments.Get("e").Rollout!.Evidence);
        await _app.Deployments.Deploy(Spec() with { Smoke = ["{\"x\": 0.2}", "{\"x\": null}"] }, "m@2");
        await _app.Rollouts.Tick();
        Assert.Equal(0.1, _app.Router.Find("e")!.Share);
    }
}
