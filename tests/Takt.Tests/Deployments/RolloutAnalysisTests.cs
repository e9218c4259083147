using Microsoft.Extensions.Time.Testing;
using Takt.Data;
using Takt.Deployments;
using Takt.Models;
using Takt.Server;

namespace Takt.Tests.Deployments;

/// <summary>What a rollout concludes from errors, latencies and labels.</summary>
public sealed class RolloutAnalysisTests : RolloutLine
{
    [Fact]
    public async Task Harm_is_found_during_a_step_without_any_rule_and_the_evidence_is_stored()
    {
        await Live();
        await _app.Deployments.Deploy(Spec() with { Analysis = Errors }, "m@2");
        await _app.Rollouts.Tick();
        for (var i = 0; i < 40 && _app.Deployments.Get("e").Rollout!.State == RolloutState.Rolling; i++)
        {
            Answered(200, 0.2, 0.005);
            await _app.Rollouts.Tick(); // the step has 5 minutes, of which none has passed
        }
        var rollout = _app.Deployments.Get("e").Rollout!;
        Assert.Equal(RolloutState.RolledBack, rollout.State);
        Assert.Contains("failed requests", rollout.Evidence);
        var verdict = _app.Deployments.Looks("e", rollout.Number)[^1];
        var evidence = Assert.Single(verdict.Evidence);
        Assert.Equal(("rolled-back", EvidenceVerdict.Harm, "errors"), (verdict.Kind, evidence.Verdict, evidence.Metric));
        Assert.True(evidence.Lower > evidence.Margin && evidence.Pairs > 0 && evidence.LogHarm >= Math.Log(20));
        Assert.InRange(evidence.Challenger!.Value, 0.15, 0.25);
        Assert.Null(_app.Router.Find("e")!.Challenger);
    }

    [Fact]
    public async Task Errors_of_both_alike_are_no_harm_and_the_rollout_goes_through()
    {
        await Live();
        await _app.Deployments.Deploy(Spec() with { Analysis = Errors, Canary = [0.5, 1] }, "m@2");
        await _app.Rollouts.Tick();
        for (var i = 0; i < 10; i++)
        {
            Answered(300, 0.1, 0.1);
            await _app.Rollouts.Tick();
        }
        _time.Advance(TimeSpan.FromMinutes(6));
        await _app.Rollouts.Tick();
        Assert.Equal(1, _app.Deployments.Get("e").Rollout!.Step);
        await Step();
        Assert.Equal(RolloutState.Succeeded, _app.Deployments.Get("e").Rollout!.State);
    }

    [Fact]
    public async Task A_slower_revision_is_rolled_back_by_the_champions_p95_of_the_same_time()
    {
        await Live();
        await _app.Deployments.Deploy(Spec() with { Analysis = Errors with { Errors = null, Latency = 0.1 }, Canary = [0.5, 1] }, "m@2");
        await _app.Rollouts.Tick();
        for (var i = 0; i < 40 && _app.Deployments.Get("e").Rollout!.State == RolloutState.Rolling; i++)
        {
            Answered(200, 0, 0, ms: 2, challengerMs: 5);
            await _app.Rollouts.Tick();
        }
        Assert.Equal(RolloutState.RolledBack, _app.Deployments.Get("e").Rollout!.State);
        Assert.Contains("slower than the champion's p95", _app.Deployments.Get("e").Rollout!.Evidence);
    }

    [Fact]
    public async Task Where_evidence_is_wanted_a_step_ends_with_it_and_not_with_its_time_and_a_person_is_asked_when_it_does_not_come()
    {
        await Live();
        await _app.Deployments.Deploy(Spec() with { Analysis = Errors with { Pass = StepPass.Evidence, Wait = TimeSpan.FromHours(1) }, Canary = [0.5, 1] }, "m@2");
        await _app.Rollouts.Tick();
        Answered(60, 0, 0);
        _time.Advance(TimeSpan.FromMinutes(10));
        await _app.Rollouts.Tick();
        Assert.Equal(0, _app.Deployments.Get("e").Rollout!.Step); // over, but 30 pairs show nothing
        Answered(2000, 0, 0);
        await _app.Rollouts.Tick();
        Assert.Equal(1, _app.Deployments.Get("e").Rollout!.Step);
        Assert.Contains("no worse than the tolerated +1 points is shown", _app.Deployments.History("e")[0].Detail);

        await _app.Deployments.Deploy(Spec() with { Analysis = Errors with { Pass = StepPass.Evidence, Wait = TimeSpan.FromHours(1) }, Canary = [0.5, 1] }, "m@2");
        await _app.Rollouts.Tick();
        await _app.Rollouts.Tick();
        Answered(60, 0, 0);
        _time.Advance(TimeSpan.FromHours(2));
        await _app.Rollouts.Tick();
        Assert.Equal(RolloutState.Paused, _app.Deployments.Get("e").Rollout!.State);
        Assert.Contains("no verdict", _app.Deployments.Get("e").Rollout!.Evidence);
    }

    [Fact]
    public async Task What_was_counted_before_a_kill_counts_after_it()
    {
        await Live();
        await _app.Deployments.Deploy(Spec() with { Analysis = Errors, Canary = [0.5, 1], StepRequests = 300 }, "m@2");
        await _app.Rollouts.Tick();
        Answered(500, 0.1, 0.1);
        await _app.Rollouts.Tick(); // 250 of 300; written to the rows at once
        await _app.DisposeAsync(); // nothing is written at the end: as after kill -9
        _app = TaktApp.Open(TaktFolder.At(_folder), _time);
        await _app.Rollouts.Tick();
        Assert.Equal(250, _app.Deployments.Figures("e", 2).Sum(f => f.Figures.Challenger.Requests));
        Answered(100, 0.1, 0.1); // 300
        _time.Advance(TimeSpan.FromMinutes(6));
        await _app.Rollouts.Tick();
        Assert.Equal(1, _app.Deployments.Get("e").Rollout!.Step);
        var evidence = Assert.Single(_app.Deployments.Looks("e", 2)[^1].Evidence);
        Assert.InRange(evidence.Pairs, 290, 300);
    }

    [Fact]
    public async Task Resumed_it_is_judged_by_what_comes_then()
    {
        await Live();
        await _app.Deployments.Deploy(Spec() with { Analysis = Errors, Canary = [0.5, 1], RollbackAutomatically = false }, "m@2");
        await _app.Rollouts.Tick();
        Answered(400, 0.5, 0);
        await _app.Rollouts.Tick();
        Assert.Equal(RolloutState.Paused, _app.Deployments.Get("e").Rollout!.State);
        _time.Advance(TimeSpan.FromMinutes(1));
        await _app.Deployments.Command("e", RolloutState.Rolling);
        await _app.Rollouts.Tick();
        Answered(400, 0, 0);
        await _app.Rollouts.Tick();
        Assert.Equal(RolloutState.Rolling, _app.Deployments.Get("e").Rollout!.State);
        Assert.Equal(200, _app.Deployments.Figures("e", 2).Sum(f => f.Figures.Challenger.Requests));
    }

    [Fact]
    public async Task Labels_that_come_later_roll_a_worse_model_back()
    {
        await Live();
        await _app.Deployments.Deploy(Spec() with { Canary = [0.5, 1], Analysis = Errors with { Errors = null, Label = 0.02 } }, "m@2");
        await _app.Rollouts.Tick();
        var labels = new List<Label>();
        for (var i = 0; i < 600; i++)
        {
            var answer = await _app.Router.Infer("e", Row(), null, default);
            var score = answer.Outputs.Columns[0].Numbers[0];
            // the truth is what the champion says
            labels.Add(new Label(answer.Id + ":0", answer.Revision.Number == 1 ? Math.Round(score) : 1 - Math.Round(score), _time.GetUtcNow()));
        }
        await _app.Rollouts.Tick();
        Assert.Equal(RolloutState.Rolling, _app.Deployments.Get("e").Rollout!.State);
        await _app.Predictions.Of("e").Append(labels);
        _time.Advance(TimeSpan.FromSeconds(20));
        await _app.Rollouts.Tick();
        Assert.Equal(RolloutState.RolledBack, _app.Deployments.Get("e").Rollout!.State);
        Assert.Contains("loss against labels", _app.Deployments.Get("e").Rollout!.Evidence);
    }
}
