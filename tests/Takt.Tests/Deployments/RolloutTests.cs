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

    static readonly AnalysisSpec Errors = AnalysisSpec.Default;

    Slot Challenger => _app.Router.Find("e")!.Challenger!;

    /// <summary>Both revisions answer, as the shares say, and so many of their answers fail.</summary>
    void Answered(int requests, double challengerFails, double championFails, double ms = 1, double challengerMs = 1)
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
        Assert.InRange(shadows[1].Slot.Stats.Requests, 20, 80);
        Assert.Equal(0, shadows.Sum(s => s.Dropped));
        while (shadows[1].Compared < shadows[1].Slot.Stats.Requests) await Task.Delay(5);
        Assert.Equal(0, shadows[1].MeanDifference); // the same version
        Assert.Equal(shadows[1].Compared, shadows[1].Agreed);
        var log = _app.Predictions.Of("e");
        while (true)
        {
            await log.Flush();
            using var connection = log.Open();
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

    sealed class StubModel(Signature signature, Func<Table> answer) : ILoadedModel
    {
        public bool Disposed { get; private set; }

        public Signature Signature { get; } = signature;

        public Table Predict(Table inputs) => answer();

        public void Dispose() => Disposed = true;
    }
}
