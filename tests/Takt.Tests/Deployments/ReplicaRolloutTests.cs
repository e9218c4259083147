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

    /// <summary>Two servers that answer with m@1.</summary>
    async Task<((Fleet Fleet, Router Router, Rollouts Rollouts) A, (Fleet Fleet, Router Router, Rollouts Rollouts) B)> TwoThatServe()
    {
        var (a, b) = (Server("a"), Server("b"));
        await a.Fleet.Beat();
        await b.Fleet.Beat();
        await _app.Deployments.Deploy(Spec(), "m@1");
        await a.Rollouts.Tick();
        await b.Rollouts.Tick();
        return (a, b);
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
        var (a, b) = await TwoThatServe();
        await _app.Deployments.Deploy(Spec(), "m@2");
        await b.Fleet.Tell(_app.Deployments.Revisions("e").Single(r => r.Number == 2), "its disk is full");
        await a.Rollouts.Tick();
        var rollout = _app.Deployments.Get("e").Rollout!;
        Assert.Equal(RolloutState.RolledBack, rollout.State);
        Assert.Contains("did not load on b: its disk is full", rollout.Evidence);
        Assert.Equal("m@1", a.Router.Find("e")!.Champion.Revision.Model);
    }

    [Fact]
    public async Task An_endpoint_that_was_deleted_and_made_again_answers_with_its_new_model_on_every_server()
    {
        var (a, b) = await TwoThatServe();
        Assert.Equal("m@1", b.Router.Find("e")!.Champion.Revision.Model);
        _time.Advance(TimeSpan.FromSeconds(1));
        await _app.Deployments.Delete("e"); // between two looks of b
        Assert.Equal(["b"], a.Fleet.Behind("e", 1).Loading);
        await _app.Deployments.Deploy(Spec(), "m@2"); // revision 1 again
        await a.Rollouts.Tick();
        await b.Rollouts.Tick();
        Assert.Equal(("m@2", "m@2"), (a.Router.Find("e")!.Champion.Revision.Model, b.Router.Find("e")!.Champion.Revision.Model));
        Assert.Empty(a.Fleet.Behind("e", 1).Loading);
    }

    [Fact]
    public async Task A_server_does_not_go_on_telling_that_it_is_ready_for_what_it_has_let_go_of()
    {
        var (a, b) = (Server("a"), Server("b"));
        await a.Fleet.Beat();
        await b.Fleet.Beat();
        await _app.Deployments.Deploy(Spec(), "m@1");
        await a.Rollouts.Tick();
        await _app.Deployments.Deploy(Spec(), "m@2");
        for (var i = 0; i < 2; i++)
        {
            await a.Rollouts.Tick();
            await b.Rollouts.Tick();
        }
        Assert.Equal([1, 2], Ready());
        await _app.Deployments.Command("e", RolloutState.Aborted);
        await b.Rollouts.Tick();
        Assert.Equal([1], Ready());
        await _app.Deployments.Stop("e");
        await b.Rollouts.Tick();
        Assert.Empty(Ready());
        await _app.Deployments.Start("e");
        await b.Rollouts.Tick();
        Assert.Equal([1], Ready());

        IEnumerable<int> Ready() => a.Fleet.View().Single(r => r.Name == "b").Revisions.Select(r => r.Revision);
    }

    [Fact]
    public async Task A_load_that_a_time_out_ends_holds_up_no_other_endpoint()
    {
        var router = new Router(_app.Predictions.Of, _time);
        var rollouts = new Rollouts(_app.Deployments, _app.Models, router, _app.Predictions, _time, "a", (_, _) => throw new TaskCanceledException("as an HTTP client's own time-out"));
        await _app.Deployments.Deploy(Spec() with { Endpoint = "before-e", Remote = new Takt.Models.RemoteEndpoint("http://127.0.0.1:1/v2/models/m", null, TimeSpan.FromSeconds(1), 1, null, null), ThenAlias = null }, null);
        await _app.Deployments.Deploy(Spec(), "m@1");
        await rollouts.Tick();
        Assert.Equal("m@1", router.Find("e")!.Champion.Revision.Model);
        Assert.Equal(RolloutState.RolledBack, _app.Deployments.Get("before-e").Rollout!.State);
        Assert.Contains("time-out", _app.Deployments.Get("before-e").Rollout!.Evidence);
    }
}
