using Takt.Deployments;

namespace Takt.Tests.Deployments;

/// <summary>Two servers on the same rows: no traffic moves before both can answer.</summary>
public sealed class ReplicaRolloutTests : RolloutLine
{
    (Fleet Fleet, Router Router, Rollouts Rollouts) Server(string name)
    {
        var fleet = new Fleet(_app.Database, name, _time);
        var router = new Router(_app.Predictions.Of, _time);
        return (fleet, router, new Rollouts(_app.Deployments, _app.Models, router, _app.Predictions, _time, name, null, fleet));
    }

    [Fact]
    public async Task The_champion_keeps_all_traffic_until_the_challenger_is_ready_on_every_server_that_lives()
    {
        var (a, b) = (Server("a"), Server("b"));
        await Both(s => s.Fleet.Beat());
        await _app.Deployments.Deploy(Spec(), "m@1");
        await Both(s => s.Rollouts.Tick());
        await Both(s => s.Rollouts.Tick());
        await _app.Deployments.Deploy(Spec(), "m@2");
        for (var i = 0; i < 3; i++) await a.Rollouts.Tick(); // a drives; b has not come to it
        Assert.Equal(RolloutState.Pending, _app.Deployments.Get("e").Rollout!.State);
        Assert.Equal(0, a.Router.Find("e")!.Share);
        _time.Advance(TimeSpan.FromSeconds(11));
        await Both(s => s.Fleet.Beat());
        await a.Rollouts.Tick();
        Assert.Contains(_app.Deployments.History("e"), e => e.Kind == "waiting-for" && e.Detail.StartsWith('b'));
        await b.Rollouts.Tick();
        await a.Rollouts.Tick();
        Assert.Equal((RolloutState.Rolling, 0.1), (_app.Deployments.Get("e").Rollout!.State, a.Router.Find("e")!.Share));
        await b.Rollouts.Tick();
        Assert.Equal(0.1, b.Router.Find("e")!.Share);
        // a sticky key goes the same way on both
        for (var key = 0; key < 500; key++)
        {
            var (here, there) = (a.Router.Enter("e", $"client-{key}"), b.Router.Enter("e", $"client-{key}"));
            Assert.Equal(here.Revision.Number, there.Revision.Number);
            here.Leave();
            there.Leave();
        }

        async Task Both(Func<(Fleet Fleet, Router Router, Rollouts Rollouts), Task> work)
        {
            await work(a);
            await work(b);
        }
    }

    [Fact]
    public async Task A_server_that_died_is_not_waited_for_and_another_one_takes_the_lead()
    {
        var (a, b) = (Server("a"), Server("b"));
        await _app.Deployments.Deploy(Spec(), "m@1");
        await a.Fleet.Beat();
        await b.Fleet.Beat();
        await a.Rollouts.Tick();
        await b.Rollouts.Tick();
        await _app.Deployments.Deploy(Spec(), "m@2");
        await a.Rollouts.Tick(); // a has the lease, and is not heard of again
        await b.Rollouts.Tick();
        Assert.Equal(RolloutState.Pending, _app.Deployments.Get("e").Rollout!.State);
        for (var i = 0; i < 8; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(2));
            await b.Fleet.Beat();
            await b.Rollouts.Tick();
        }
        Assert.Equal(RolloutState.Rolling, _app.Deployments.Get("e").Rollout!.State);
        Assert.Equal(1, b.Fleet.Live);
    }

    [Fact]
    public async Task A_revision_that_one_server_can_not_load_is_rolled_back_on_all()
    {
        var (a, b) = (Server("a"), Server("b"));
        await a.Fleet.Beat();
        await b.Fleet.Beat();
        await _app.Deployments.Deploy(Spec(), "m@1");
        await a.Rollouts.Tick();
        await b.Rollouts.Tick();
        await _app.Deployments.Deploy(Spec(), "m@2");
        await b.Fleet.Tell("e", 2, "its disk is full");
        await a.Rollouts.Tick();
        var rollout = _app.Deployments.Get("e").Rollout!;
        Assert.Equal(RolloutState.RolledBack, rollout.State);
        Assert.Contains("did not load on b: its disk is full", rollout.Evidence);
        Assert.Equal("m@1", a.Router.Find("e")!.Champion.Revision.Model);
    }
}
