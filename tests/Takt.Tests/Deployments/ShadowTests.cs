using Microsoft.Extensions.Time.Testing;
using Takt.Data;
using Takt.Deployments;
using Takt.Models;
using Takt.Server;

namespace Takt.Tests.Deployments;

/// <summary>Copies of requests for revisions that answer nobody.</summary>
public sealed class ShadowTests : RolloutLine
{
    [Fact]
    public async Task Shadows_get_copies_off_the_requests_path_and_their_answers_are_in_the_log_beside_the_champions()
    {
        await _app.Deployments.Deploy(Spec() with { Shadows = [new("m@2", 1), new("m@1", 0.5)] }, "m@1");
        await _app.Rollouts.Tick();
        await _app.Rollouts.Tick();
        var shadows = _app.Router.Find("e")!.Shadows;
        Assert.Equal(["m@2", "m@1"], shadows.Select(s => s.Slot.Name));
        var answers = new List<string>();
        for (var i = 0; i < 100; i++) answers.Add((await _app.Router.Infer("e", Row(), null, default)).Id);
        while (shadows[0].Slot.Stats.Requests < 100) await Task.Delay(5);
        while (shadows[1].Slot.Stats.Requests < 20 || shadows[1].Compared < shadows[1].Slot.Stats.Requests) await Task.Delay(5);
        Assert.InRange(shadows[1].Slot.Stats.Requests, 20, 80);
        Assert.Equal(0, shadows.Sum(s => s.Dropped));
        Assert.Equal(0, shadows[1].MeanDifference); // the same version
        Assert.Equal(shadows[1].Compared, shadows[1].Agreed);
        var log = _app.Predictions.Of("e");
        while (true)
        {
            await log.Flush();
            using var connection = await log.Open();
            var rows = Tables.Query(connection!, "select s.id, s.model_version, s.difference, s.out_probability - p.out_probability as d, s.error from shadows s join predictions p using (id) where s.model_version = 'm@2' order by s.id");
            if (rows.Rows < 100) continue; // the last is on its way
            Assert.Equal(answers.Select(a => a + ":0").Order(StringComparer.Ordinal), rows["id"].Texts.Take(rows.Rows).Order(StringComparer.Ordinal));
            Assert.All(Enumerable.Range(0, 100), row => Assert.Equal(rows["d"].Numbers[row], rows["difference"].Numbers[row], 12));
            Assert.Equal(100, Tables.Query(connection!, "select count(*) as n from predictions")["n"].Integers[0]); // no monitor takes a copy for a prediction
            break;
        }
    }

    [Fact]
    public async Task A_shadow_that_hangs_or_fails_costs_no_client_anything_and_what_does_not_fit_is_counted()
    {
        await Live();
        var live = _app.Deployments.Get("e").Live!;
        using var gate = new ManualResetEventSlim();
        var model = new StubModel(_app.Router.Find("e")!.Champion.Model!.Signature, () =>
        {
            gate.Wait();
            throw new InvalidOperationException("broken");
        });
        var shadow = _app.Router.Shadow(new Slot(live, model), 1);
        _app.Router.Set("e", new Route(_app.Router.Find("e")!.Champion, null, 0) { Shadows = [shadow] });
        for (var i = 0; i < Shadow.MostWaiting + 50; i++) await _app.Router.Infer("e", Row(), null, default);
        Assert.InRange(shadow.Dropped, 48, 50); // one is inside
        gate.Set();
        while (shadow.Slot.Stats.Errors < Shadow.MostWaiting) await Task.Delay(5);
        Assert.Equal(0, _app.Router.Find("e")!.Champion.Stats.Errors);
        _app.Router.Set("e", new Route(_app.Router.Find("e")!.Champion, null, 0));
        while (!shadow.Slot.Gone) await Task.Delay(5);
        Assert.True(model.Disposed);
    }

    [Fact]
    public async Task A_shadow_rollout_compares_on_copies_waits_for_a_person_and_then_goes_by_its_steps()
    {
        await Live();
        await _app.Deployments.Deploy(Spec() with { Strategy = "shadow", Shadow = new(1, TimeSpan.FromMinutes(10), 50, Approve: true), Analysis = Errors with { Score = 0.5 }, Canary = [1], StepTime = TimeSpan.Zero, StepRequests = 0 }, "m@2");
        await _app.Rollouts.Tick();
        Assert.Null(_app.Router.Find("e")!.Challenger);
        var shadow = Assert.Single(_app.Router.Find("e")!.Shadows);
        await Ask(60);
        while (shadow.Compared < 60) await Task.Delay(5);
        await _app.Rollouts.Tick();
        Assert.Equal(RolloutState.Rolling, _app.Deployments.Get("e").Rollout!.State); // copies enough, not the time
        _time.Advance(TimeSpan.FromMinutes(11));
        await _app.Rollouts.Tick();
        var rollout = _app.Deployments.Get("e").Rollout!;
        Assert.Equal(RolloutState.Waiting, rollout.State);
        Assert.Equal(["errors", "score"], _app.Deployments.Looks("e", rollout.Number)[^1].Evidence.Select(e => e.Metric));
        Assert.All(_app.Deployments.Looks("e", rollout.Number)[^1].Evidence, e => Assert.Equal(60, e.Pairs));
        await _app.Rollouts.Tick();
        Assert.Equal("m@1", _app.Deployments.Get("e").Live!.Model);
        var slot = shadow.Slot;
        await _app.Deployments.Command("e", RolloutState.Rolling);
        for (var i = 0; i < 3; i++) await _app.Rollouts.Tick();
        Assert.Equal(RolloutState.Succeeded, _app.Deployments.Get("e").Rollout!.State);
        Assert.Same(slot, _app.Router.Find("e")!.Champion); // the one that is warm, not another
        Assert.False(slot.Gone);
    }

    sealed class StubModel(Signature signature, Func<Table> answer) : ILoadedModel
    {
        public bool Disposed { get; private set; }

        public Signature Signature { get; } = signature;

        public Table Predict(Table inputs) => answer();

        public void Dispose() => Disposed = true;
    }
}
