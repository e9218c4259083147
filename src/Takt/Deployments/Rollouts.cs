using System.Collections.Concurrent;
using System.Globalization;
using Takt.Data;
using Takt.Evaluation;
using Takt.Models;

namespace Takt.Deployments;

/// <summary>
/// Moves what is to what is desired, a step a <see cref="Tick"/>: loads revisions, shifts traffic, judges the new revision between the steps, and
/// promotes it or brings the old one back. Every move is a row first, so that a restart goes on where it stopped.
/// </summary>
/// <remarks>Not safe for concurrent ticks; one worker calls it.</remarks>
public sealed class Rollouts(DeploymentBook book, ModelRegistry registry, Router router, TimeProvider time)
{
    /// <summary>Before this many answers of the new revision a rule is not asked: one early error is not a rate.</summary>
    public const long FewestRequests = 20;

    /// <summary>A revision in charge that does not load is tried again after this long, and no more often.</summary>
    static readonly TimeSpan BetweenLoads = TimeSpan.FromSeconds(5);

    readonly Dictionary<string, Watched> _watched = new(StringComparer.Ordinal);
    readonly ConcurrentDictionary<string, (int Revision, DateTimeOffset When, string Why)> _broken = new(StringComparer.Ordinal);

    /// <summary>Why the revision in charge is not served; null when it is, or was not tried.</summary>
    public string? WhyNotServed(string endpoint) => _broken.TryGetValue(endpoint, out var broken) ? broken.Why : null;

    /// <returns>True while a rollout is under way: call again soon.</returns>
    public async Task<bool> Tick(CancellationToken cancel = default)
    {
        var busy = false;
        List<Exception>? failed = null;
        foreach (var endpoint in book.Endpoints())
            try
            {
                if (book.Find(endpoint) is { } deployment) busy |= await Tick(deployment, cancel);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                (failed ??= []).Add(e); // the others go on
            }
        return failed is null ? busy : throw new AggregateException("some deployments could not be moved", failed);
    }

    async Task<bool> Tick(Deployment deployment, CancellationToken cancel)
    {
        var champion = await Champion(deployment, cancel);
        if (deployment is not { Rollout: { Active: true } rollout, Challenger: { } revision })
        {
            if (champion is not null && router.Find(deployment.Endpoint) is not { Challenger: null } and not null) router.Set(deployment.Endpoint, new Route(champion, null, 0));
            _watched.Remove(deployment.Endpoint);
            return false;
        }
        if (router.Find(deployment.Endpoint)?.Challenger is not { } challenger || challenger.Revision.Number != revision.Number)
        {
            var (slot, why) = await Load(revision, cancel);
            if (slot is null)
            {
                await book.Move(rollout, rollout with { State = RolloutState.RolledBack, Evidence = $"revision {revision.Number} ({revision.Model}) did not load: {why}" }, "rolled-back");
                return false;
            }
            challenger = slot;
            if (champion is null)
            {
                // nothing to compare with and nothing to lose: the first revision goes live at once
                if (!await Succeed(rollout, revision, "the first revision")) { slot.Dispose(); return true; }
                router.Set(deployment.Endpoint, new Route(slot, null, 0));
                return false;
            }
            router.Set(deployment.Endpoint, new Route(champion, challenger, deployment.ChallengerShare));
        }
        return rollout.State switch
        {
            RolloutState.Pending => await Begin(rollout, revision, champion!, challenger),
            RolloutState.Rolling => await Judge(rollout, revision, champion!, challenger),
            _ => true,
        };
    }

    async Task<bool> Begin(Rollout rollout, Revision revision, Slot champion, Slot challenger)
    {
        var after = rollout with { State = RolloutState.Rolling, Step = 0, StepStartedAt = time.GetUtcNow() };
        if (await book.Move(rollout, after, "step", $"{Share(revision, 0)} of the traffic to revision {revision.Number} ({Name(revision)})")) Enter(after, revision, champion, challenger);
        return true;
    }

    async Task<bool> Judge(Rollout rollout, Revision revision, Slot champion, Slot challenger)
    {
        var endpoint = rollout.Endpoint;
        if (!_watched.TryGetValue(endpoint, out var watched) || watched.Rollout != rollout.Number || watched.Step != rollout.Step)
        {
            Enter(rollout, revision, champion, challenger); // this server has just come to it
            return true;
        }
        var now = challenger.Stats.Now().Since(watched.Challenger);
        var before = champion.Stats.Now().Since(watched.Champion);
        if (before.Requests < FewestRequests) before = champion.Stats.Now(); // at 100 % the champion rests: compare with what it did before
        double? Metric(string name) => name.StartsWith("champion.", StringComparison.Ordinal) ? before.Value(name["champion.".Length..]) : now.Value(name);
        var seen = string.Create(CultureInfo.InvariantCulture,
            $"{now.Requests} requests, {now.Errors} errors, p95 {now.Value("p95_ms"):0.##} ms (champion {before.Value("p95_ms"):0.##} ms)");

        var why = challenger.Stats.Refusals > watched.Refusals
            ? $"revision {revision.Number} refused {challenger.Stats.Refusals - watched.Refusals} requests that revision {champion.Revision.Number} takes ({challenger.Stats.WhyRefused})"
            : now.Requests >= FewestRequests && revision.Spec.Rules().Select(rule => rule.Evaluate(Metric)).FirstOrDefault(o => o.Verdict == GateVerdict.Passed) is { } held
                ? string.Create(CultureInfo.InvariantCulture, $"{held.Rule} held ({held.Left:0.####} vs {held.Right:0.####})") : null;
        if (why is not null) return await Stop(rollout, revision, champion, $"{why} at {Share(revision, rollout.Step)}: {seen}");
        var spec = revision.Spec;
        if (now.Requests < spec.StepRequests || time.GetUtcNow() - (rollout.StepStartedAt ?? time.GetUtcNow()) < spec.StepTime) return true;
        if (rollout.Step + 1 < spec.Canary.Count)
        {
            var after = rollout with { Step = rollout.Step + 1, StepStartedAt = time.GetUtcNow() };
            if (await book.Move(rollout, after, "step", $"{seen}; now {Share(revision, after.Step)}")) Enter(after, revision, champion, challenger);
            return true;
        }
        if (!await Succeed(rollout, revision, seen)) return true;
        router.Set(endpoint, new Route(challenger, null, 0));
        return false;
    }

    /// <summary>Brings the old revision back; where that is a person's to decide, holds the rollout instead.</summary>
    async Task<bool> Stop(Rollout rollout, Revision revision, Slot champion, string evidence)
    {
        _watched.Remove(rollout.Endpoint); // resumed, it is judged by what comes then
        if (!revision.Spec.RollbackAutomatically)
        {
            await book.Move(rollout, rollout with { State = RolloutState.Paused, Evidence = evidence }, "paused");
            return true;
        }
        router.Set(rollout.Endpoint, new Route(champion, null, 0)); // the traffic first, the record after
        await book.Move(rollout, rollout with { State = RolloutState.RolledBack, Evidence = evidence }, "rolled-back");
        return false;
    }

    /// <summary>The row and the alias in one transaction: there is no moment at which one is there without the other.</summary>
    async Task<bool> Succeed(Rollout rollout, Revision revision, string evidence)
    {
        var version = revision.Spec.ThenAlias is { } wanted && ModelRegistry.IsAlias(wanted) && revision.Model is { } model ? registry.Find(model) : null;
        return await book.Move(rollout, rollout with { State = RolloutState.Succeeded, Evidence = evidence }, "succeeded", makeLive: true,
            also: version is null ? null : session => registry.SetAlias(session, version.Name, revision.Spec.ThenAlias!, version.Version));
    }

    void Enter(Rollout rollout, Revision revision, Slot champion, Slot challenger)
    {
        router.Set(rollout.Endpoint, new Route(champion, challenger, revision.Spec.Canary[rollout.Step]));
        _watched[rollout.Endpoint] = new Watched(rollout.Number, rollout.Step, champion.Stats.Now(), challenger.Stats.Now(), challenger.Stats.Refusals);
    }

    /// <summary>The slot of the revision in charge, loaded when this server has not got it yet.</summary>
    async Task<Slot?> Champion(Deployment deployment, CancellationToken cancel)
    {
        if (deployment.Live is not { } live) return null;
        var route = router.Find(deployment.Endpoint);
        if (route?.Champion.Revision.Number == live.Number) return route.Champion;
        if (route?.Challenger is { } promoted && promoted.Revision.Number == live.Number)
        {
            router.Set(deployment.Endpoint, new Route(promoted, null, 0));
            return promoted;
        }
        if (_broken.TryGetValue(deployment.Endpoint, out var broken) && broken.Revision == live.Number && time.GetUtcNow() - broken.When < BetweenLoads) return null;
        var (slot, why) = await Load(live, cancel);
        if (slot is null)
        {
            _broken[deployment.Endpoint] = (live.Number, time.GetUtcNow(), why);
            return null;
        }
        _broken.TryRemove(deployment.Endpoint, out _);
        router.Set(deployment.Endpoint, new Route(slot, null, 0));
        return slot;
    }

    /// <summary>Loads and warms it; only then can it take traffic.</summary>
    async Task<(Slot? Slot, string Why)> Load(Revision revision, CancellationToken cancel)
    {
        if (revision.Model is null) return (new Slot(revision, null), "");
        try
        {
            var model = await registry.Load(registry.Resolve(revision.Model), cancel);
            try
            {
                model.Predict(Blank(model.Signature));
                return (new Slot(revision, model), "");
            }
            catch
            {
                model.Dispose();
                throw;
            }
        }
        catch (Exception e) when (e is not (OperationCanceledException or OutOfMemoryException))
        {
            return (null, e is TaktException ? e.Message : $"{e.GetType().Name}: {e.Message}"); // whatever a package does, it must not stop the others
        }
    }

    /// <summary>One row of nothing, so that the first real request finds everything paged in and compiled.</summary>
    static Table Blank(Signature signature) => new(signature.Inputs.Select(field => field.Type switch
    {
        FieldType.String or FieldType.Binary => Column.Of(field.Name, new string?[1]),
        FieldType.Boolean => Column.Of(field.Name, new bool[1]),
        FieldType.Integer or FieldType.Long or FieldType.Datetime => Column.Of(field.Name, new long[1]),
        _ => Column.Of(field.Name, [double.NaN]),
    }).ToList());

    static string Share(Revision revision, int step) => revision.Spec.Canary[step].ToString("P0", CultureInfo.InvariantCulture);

    static string Name(Revision revision) => revision.Model ?? revision.Spec.Upstream?.Model ?? "";

    sealed record Watched(int Rollout, int Step, SlotStats.Snapshot Champion, SlotStats.Snapshot Challenger, long Refusals);
}
