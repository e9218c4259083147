using System.Collections.Concurrent;
using System.Globalization;
using Takt.Data;
using Takt.Evaluation;
using Takt.Models;

namespace Takt.Deployments;

/// <summary>
/// Moves what is to what is desired, a step a <see cref="Tick"/>: loads revisions, shifts traffic, judges the new revision all the time, and
/// promotes it or brings the old one back. Every move is a row first, so that a restart goes on where it stopped.
/// </summary>
/// <remarks>
/// Each of several servers on one database loads, routes and counts as the rows say; one of them, by a lease, judges and moves. A server that has not loaded the new revision
/// yet leaves all traffic with the old one, and none gets any before all that live have loaded it. Not safe for concurrent ticks; one worker calls it.
/// </remarks>
/// <param name="connect">Reaches a model elsewhere; null: there is none.</param>
/// <param name="server">This server among those on the database; the same after a restart, so that it need not wait for its own lease.</param>
/// <param name="fleet">The other servers; null: there are none.</param>
public sealed class Rollouts(DeploymentBook book, ModelRegistry registry, Router router, PredictionLogs logs, TimeProvider time, string server,
    Func<RemoteEndpoint, CancellationToken, Task<ILoadedModel>>? connect = null, Fleet? fleet = null)
{
    /// <summary>Before this many answers of the new revision a rule is not asked: one early error is not a rate.</summary>
    public const long FewestRequests = 20;

    /// <summary>So many answers of the champion make its p95 known.</summary>
    const long ForQuantile = 200;

    /// <summary>A revision in charge that does not load is tried again after this long, and no more often.</summary>
    static readonly TimeSpan BetweenLoads = TimeSpan.FromSeconds(5);

    static readonly TimeSpan LeaseLife = TimeSpan.FromSeconds(6);
    static readonly TimeSpan LeaseEvery = TimeSpan.FromSeconds(2);
    static readonly TimeSpan SaveEvery = TimeSpan.FromSeconds(1);
    static readonly TimeSpan LogEvery = TimeSpan.FromSeconds(10);

    /// <summary>A rollout's evidence over time is kept in about so many points.</summary>
    const int Looks = 200;

    readonly Dictionary<string, Comparison> _compared = new(StringComparer.Ordinal);
    readonly Dictionary<string, LoggedPairs> _logged = new(StringComparer.Ordinal);
    readonly Dictionary<string, DateTimeOffset> _leased = new(StringComparer.Ordinal), _looked = new(StringComparer.Ordinal);
    readonly ReplicaGate _gate = new(fleet, book, time);
    readonly RevisionLoader _loader = new(registry, connect);
    readonly ConcurrentDictionary<string, (int Revision, DateTimeOffset When, string Why)> _broken = new(StringComparer.Ordinal);

    /// <summary>Every revision in charge is loaded, or known to be broken: traffic may come. False before the first <see cref="Tick"/> has ended.</summary>
    public bool Ready => Volatile.Read(ref _ready);

    bool _ready;

    /// <summary>Why the revision in charge is not served; null when it is, or was not tried.</summary>
    public string? WhyNotServed(string endpoint) => _broken.TryGetValue(endpoint, out var broken) ? broken.Why : null;

    /// <summary>Why a shadow gets no copies; null when it does, or was not tried.</summary>
    public string? WhyNotShadowed(string endpoint, string model) => _broken.TryGetValue($"{endpoint}\n{model}", out var broken) ? broken.Why : null;

    /// <returns>True while a rollout is under way: call again soon.</returns>
    public async Task<bool> Tick(CancellationToken cancel = default)
    {
        var (busy, ready) = (false, true);
        List<Exception>? failed = null;
        var endpoints = book.Endpoints();
        _loader.Begin();
        foreach (var endpoint in endpoints)
            try
            {
                if (book.Find(endpoint) is not { } deployment) continue;
                busy |= await Tick(deployment, cancel);
                ready &= deployment.Live is null || deployment.StoppedAt is not null || router.Find(endpoint) is not null || _broken.ContainsKey(endpoint);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                (failed ??= []).Add(e); // the others go on
            }
        foreach (var gone in router.Endpoints.Except(endpoints, StringComparer.Ordinal).ToList())
            if (book.Find(gone) is null)
            {
                router.Remove(gone);
                await _gate.Keep(gone);
            }
        await _loader.Forget();
        Volatile.Write(ref _ready, ready);
        return failed is null ? busy : throw new AggregateException("some deployments could not be moved", failed);
    }

    async Task<bool> Tick(Deployment deployment, CancellationToken cancel)
    {
        var endpoint = deployment.Endpoint;
        if (deployment.StoppedAt is not null)
        {
            router.Remove(endpoint);
            _broken.TryRemove(endpoint, out _);
            await _gate.Keep(endpoint);
            return false;
        }
        var champion = await Champion(deployment, cancel);
        if (deployment.Live is { } wanted && (champion is not null || WhyNotServed(endpoint) is not null)) await _gate.Tell(wanted, champion is null ? WhyNotServed(endpoint) : null);
        if (deployment is not { Rollout: { Active: true } rollout, Challenger: { } revision })
        {
            if (champion is not null) await Go(deployment, champion, null, cancel);
            await _gate.Keep(endpoint, deployment.Live);
            _compared.Remove(endpoint);
            _logged.Remove(endpoint);
            return false;
        }
        var drives = await Drives(endpoint);
        // while the one in charge is still being loaded, nothing is decided; nor by a server that does not drive
        if (champion is null && (!drives || (deployment.Live is { } live && !(_broken.TryGetValue(endpoint, out var broken) && broken.Revision == live.Number)))) return true;
        var known = Serving(endpoint, revision);
        var (challenger, why) = known is not null ? (known, "") : await _loader.Loaded(revision, cancel);
        if (challenger is null)
        {
            if (why.Length == 0) return true;
            await _gate.Tell(revision, why);
            if (drives)
                await book.Move(rollout, rollout with { State = RolloutState.RolledBack, Evidence = $"revision {revision.Number} ({revision.Name}) did not load: {why}" }, "rolled-back");
            return false;
        }
        if (champion is null)
        {
            // nothing to compare with and nothing to lose: the first revision goes live at once
            var isLive = false;
            try
            {
                await _gate.Tell(revision);
                isLive = await Succeed(rollout, revision, "the first revision", null);
            }
            finally
            {
                if (isLive) router.Set(endpoint, new Route(challenger, null, 0));
                else if (known is null) challenger.Dispose(); // the database may be out as well: the next round loads it again
            }
            return !isLive;
        }
        await Go(deployment, champion, challenger, cancel);
        await _gate.Tell(revision);
        if (rollout.State is RolloutState.Rolling or RolloutState.Promoting) Count(deployment, rollout, champion, challenger);
        if (!drives)
        {
            await Save(endpoint, rollout);
            return true;
        }
        switch (rollout.State)
        {
            case RolloutState.Pending: return await Begin(deployment, rollout, revision, champion, challenger, cancel);
            case RolloutState.Rolling: return await Judge(deployment, rollout, revision, champion, challenger, cancel);
            case RolloutState.Promoting:
                if (!await Succeed(rollout, revision, $"promoted by hand at {Share(revision, rollout.Step)}", null)) return true;
                router.Set(endpoint, new Route(challenger, null, 0));
                return false;
            default: return true;
        }
    }

    /// <summary>Makes the route what the rows say.</summary>
    async Task Go(Deployment deployment, Slot champion, Slot? challenger, CancellationToken cancel)
    {
        var endpoint = deployment.Endpoint;
        var old = router.Find(endpoint);
        var shadows = new List<Shadow>();
        foreach (var wanted in champion.Revision.Spec.Shadows ?? [])
        {
            var there = old?.Shadows.FirstOrDefault(s => s.Slot.Name == wanted.Model && s.Sample == wanted.Sample && s.Slot.Revision.Is(champion.Revision));
            if ((there ?? await LoadShadow(champion.Revision, wanted, cancel)) is { } shadow) shadows.Add(shadow);
        }
        if (challenger is not null && deployment.ChallengerIsShadow)
            shadows.Add(old?.Shadows.FirstOrDefault(s => s.Slot == challenger) ?? router.Shadow(challenger, challenger.Revision.Spec.Shadow!.Sample));
        var takes = deployment.ChallengerIsShadow ? null : challenger;
        var route = new Route(champion, takes, takes is null ? 0 : deployment.ChallengerShare)
        {
            Shadows = shadows,
            Sticky = StickyKey.Parse((takes ?? champion).Revision.Spec.Sticky),
        };
        if (old is null || !old.IsAs(route)) router.Set(endpoint, route);
    }

    async Task<Shadow?> LoadShadow(Revision of, ShadowSpec wanted, CancellationToken cancel)
    {
        var key = $"{of.Endpoint}\n{wanted.Model}";
        if (_broken.TryGetValue(key, out var broken) && Now - broken.When < BetweenLoads) return null;
        var (slot, why) = await _loader.Loaded(of with { Model = wanted.Model }, cancel);
        if (slot is not null)
        {
            _broken.TryRemove(key, out _);
            return router.Shadow(slot, wanted.Sample);
        }
        if (why.Length > 0) _broken[key] = (of.Number, Now, why);
        return null;
    }

    /// <summary>The slot of a rollout's revision, when it is in the route.</summary>
    Slot? Serving(string endpoint, Revision revision)
    {
        var route = router.Find(endpoint);
        return route?.Challenger is { } challenger && challenger.Revision.Is(revision) ? challenger
            : route?.Shadows.FirstOrDefault(s => s.Slot.Revision.Is(revision) && s.Slot.Name == revision.Name)?.Slot;
    }

    async Task<bool> Drives(string endpoint)
    {
        if (_leased.TryGetValue(endpoint, out var since) && Now - since < LeaseEvery) return true;
        if (await book.Lease(endpoint, server, LeaseLife))
        {
            _leased[endpoint] = Now;
            return true;
        }
        _leased.Remove(endpoint);
        return false;
    }

    async Task<bool> Begin(Deployment deployment, Rollout rollout, Revision revision, Slot champion, Slot challenger, CancellationToken cancel)
    {
        var now = Now;
        if (await _gate.Holds(rollout, revision) is { } busy) return busy;
        var after = rollout with { State = RolloutState.Rolling, Step = 0, StepStartedAt = now, JudgedFrom = now };
        if (revision.Spec.Analysis?.Latency is not null && champion.Stats.Now() is { Requests: >= ForQuantile } known) after = after with { OverMs = known.EdgeAt(0.95) };
        if (await book.Move(rollout, after, "step", $"{Share(revision, 0)} to revision {revision.Number} ({revision.Name})")) await Enter(deployment with { Rollout = after }, after, champion, challenger, cancel);
        return true;
    }

    async Task Enter(Deployment deployment, Rollout rollout, Slot champion, Slot challenger, CancellationToken cancel)
    {
        await Go(deployment, champion, challenger, cancel);
        _compared[rollout.Endpoint] = new Comparison(rollout, champion, challenger);
    }

    /// <summary>Counts what this server has seen of the step.</summary>
    void Count(Deployment deployment, Rollout rollout, Slot champion, Slot challenger)
    {
        if (!_compared.TryGetValue(rollout.Endpoint, out var compared) || !compared.IsOf(rollout, champion, challenger))
            _compared[rollout.Endpoint] = compared = new Comparison(rollout, champion, challenger); // this server has just come to it
        compared.Look(deployment.ChallengerShare, rollout.OverMs, router.Find(rollout.Endpoint)?.Shadows.FirstOrDefault(s => s.Slot == challenger));
    }

    async Task Save(string endpoint, Rollout rollout, bool now = false)
    {
        if (!_compared.TryGetValue(endpoint, out var compared) || !compared.IsNews || (!now && compared.SavedAt is { } at && Now - at < SaveEvery)) return;
        (compared.SavedAt, compared.IsNews) = (Now, false);
        await book.Put(rollout, compared.Row, compared.Figures);
    }

    async Task<bool> Judge(Deployment deployment, Rollout rollout, Revision revision, Slot champion, Slot challenger, CancellationToken cancel)
    {
        var (endpoint, spec, now) = (rollout.Endpoint, revision.Spec, Now);
        var compared = _compared[endpoint];
        var logged = await ReadLog(deployment, rollout, revision, champion);
        await Save(endpoint, rollout);
        var (step, all) = (new StepFigures(), new StepFigures());
        foreach (var (of, row, figures) in book.Figures(endpoint, rollout.Number))
        {
            if (row == compared.Row || row == LogRow) continue;
            all.Add(figures);
            if (of == rollout.Step) step.Add(figures);
        }
        step.Add(compared.Figures);
        all.Add(compared.Figures);
        if (logged is not null) all.Add(logged.Figures);
        if (rollout.OverMs is null && spec.Analysis?.Latency is not null && all.Champion.Requests >= ForQuantile) await book.SetOver(rollout, all.Champion.EdgeAt(0.95)!.Value);

        var before = step.Champion.Requests >= FewestRequests ? step.Champion : all.Champion; // at 100 % the champion rests: compare with what it did before
        if (before.Requests < FewestRequests) before = champion.Stats.Now();
        double? Metric(string name) => name.StartsWith("champion.", StringComparison.Ordinal) ? before.Value(name["champion.".Length..]) : step.Challenger.Value(name);
        var seen = string.Create(CultureInfo.InvariantCulture, $"{step.Challenger.Requests} requests, {step.Challenger.Errors} errors")
            + (step.Challenger.Value("p95_ms") is { } p95 ? string.Create(CultureInfo.InvariantCulture, $", p95 {p95:0.##} ms{(before.Value("p95_ms") is { } was ? $" (champion {was:0.##} ms)" : "")}") : "");
        var evidence = spec.Analysis?.Weigh(all, rollout.OverMs) ?? [];
        var look = new RolloutLook(rollout.Number, rollout.Step, "look", deployment.ChallengerShare, step.Challenger.Requests, step.Champion.Requests, evidence, now);

        var why = step.Refusals > 0
            ? $"revision {revision.Number} refused {step.Refusals} requests that revision {champion.Revision.Number} takes ({step.WhyRefused})"
            : step.Challenger.Requests >= FewestRequests && spec.Rules().Select(rule => rule.Evaluate(Metric)).FirstOrDefault(o => o.Verdict == GateVerdict.Passed) is { } held
                ? string.Create(CultureInfo.InvariantCulture, $"{held.Rule} held ({held.Left:0.####} vs {held.Right:0.####})")
                : evidence.FirstOrDefault(e => e.Verdict == EvidenceVerdict.Harm)?.InWords();
        if (why is not null) return await Stop(rollout, revision, champion, $"{why} at {Share(revision, rollout.Step)}: {seen}", look);
        await Keep(rollout, look, now);

        var (needed, least) = spec.IsShadow(rollout.Step) ? (spec.Shadow!.Requests, spec.Shadow.Time) : (spec.StepRequests, spec.StepTime);
        var over = step.Challenger.Requests >= needed && now - (rollout.StepStartedAt ?? now) >= least;
        var decided = evidence.Count > 0 && evidence.All(e => e.Verdict == EvidenceVerdict.NoHarm);
        var passed = evidence.Count == 0 ? over : spec.Analysis!.Pass switch
        {
            StepPass.Evidence => over && decided,
            StepPass.Either => over || (decided && step.Challenger.Requests >= FewestRequests),
            _ => over,
        };
        if (!passed)
        {
            if (!over || now - rollout.StepStartedAt < least + spec.Analysis!.Wait) return true;
            await book.Move(rollout, rollout with { State = RolloutState.Paused, Evidence = $"no verdict {spec.Analysis.Wait.TotalHours:0.#} h after the step was over: {Words(evidence)}" }, "paused", look: look);
            return true;
        }
        if (spec.IsShadow(rollout.Step) && spec.Shadow!.Approve)
        {
            await Save(endpoint, rollout, now: true);
            await book.Move(rollout, rollout with { State = RolloutState.Waiting, Evidence = $"compared on copies: {seen}; {Words(evidence)}; `takt deploy resume {endpoint}` lets it go on" }, "waiting", look: look);
            return true;
        }
        if (rollout.Step + 1 < spec.Steps)
        {
            await Save(endpoint, rollout, now: true); // what was seen in this step counts in the next ones
            var after = rollout with { Step = rollout.Step + 1, StepStartedAt = now };
            if (await book.Move(rollout, after, "step", $"{seen}{(evidence.Count > 0 ? "; " + Words(evidence) : "")}; now {Share(revision, after.Step)}", look: look))
                await Enter(deployment with { Rollout = after }, after, champion, challenger, cancel);
            return true;
        }
        if (!await Succeed(rollout, revision, evidence.Count > 0 ? $"{seen}; {Words(evidence)}" : seen, look)) return true;
        router.Set(endpoint, new Route(challenger, null, 0) { Sticky = StickyKey.Parse(spec.Sticky) });
        return false;
    }

    /// <summary>The row of what the log of all servers tells; whoever drives next reads it all again and writes it anew.</summary>
    const string LogRow = "log";

    async Task<LoggedPairs?> ReadLog(Deployment deployment, Rollout rollout, Revision revision, Slot champion)
    {
        if (revision.Spec.Analysis is not { } analysis || (analysis.Score is null && analysis.Label is null)) return null;
        if (!_logged.TryGetValue(rollout.Endpoint, out var logged) || !logged.IsOf(rollout))
            try
            {
                _logged[rollout.Endpoint] = logged = new LoggedPairs(rollout, logs.Of(rollout.Endpoint));
            }
            catch (TaktException)
            {
                return null; // the log can't be opened; it is tried again, and what it holds counts then
            }
        if (logged.ReadAt is { } at && Now - at < LogEvery) return logged;
        logged.ReadAt = Now;
        await logged.Read(analysis, revision.Number, champion.Revision.Number, deployment.ChallengerShare);
        await book.Put(rollout with { Step = 0 }, LogRow, logged.Figures);
        return logged;
    }

    /// <summary>Keeps the evidence, less and less often the longer it takes.</summary>
    async Task Keep(Rollout rollout, RolloutLook look, DateTimeOffset now)
    {
        if (look.Evidence.Count == 0) return;
        var every = TimeSpan.FromSeconds(Math.Max(1, (now - rollout.CreatedAt).TotalSeconds / Looks));
        if (_looked.TryGetValue(rollout.Endpoint, out var at) && now - at < every) return;
        _looked[rollout.Endpoint] = now;
        await book.Add(rollout.Endpoint, look);
    }

    /// <summary>Brings the old revision back; where that is a person's to decide, holds the rollout instead.</summary>
    async Task<bool> Stop(Rollout rollout, Revision revision, Slot champion, string evidence, RolloutLook look)
    {
        _compared.Remove(rollout.Endpoint); // resumed, it is judged by what comes then
        if (!revision.Spec.RollbackAutomatically)
        {
            await book.Move(rollout, rollout with { State = RolloutState.Paused, Evidence = evidence }, "paused", look: look);
            return true;
        }
        router.Set(rollout.Endpoint, new Route(champion, null, 0) { Shadows = router.Find(rollout.Endpoint)?.Shadows.Where(s => s.Slot.Revision.Is(champion.Revision)).ToList() ?? [] }); // the traffic first, the record after
        await book.Move(rollout, rollout with { State = RolloutState.RolledBack, Evidence = evidence }, "rolled-back", look: look);
        return false;
    }

    /// <summary>The row and the alias in one transaction: there is no moment at which one is there without the other.</summary>
    async Task<bool> Succeed(Rollout rollout, Revision revision, string evidence, RolloutLook? look)
    {
        var version = revision.Spec.ThenAlias is { } wanted && ModelRegistry.IsAlias(wanted) && revision.Model is { } model ? registry.Find(model) : null;
        return await book.Move(rollout, rollout with { State = RolloutState.Succeeded, Evidence = evidence }, "succeeded", makeLive: true, look: look,
            also: version is null ? null : session => registry.SetAlias(session, version.Name, revision.Spec.ThenAlias!, version.Version));
    }

    /// <summary>The slot of the revision in charge, loaded when this server has not got it yet.</summary>
    async Task<Slot?> Champion(Deployment deployment, CancellationToken cancel)
    {
        if (deployment.Live is not { } live) return null;
        var route = router.Find(deployment.Endpoint);
        if (route?.Champion.Revision.Is(live) == true) return route.Champion;
        if (Serving(deployment.Endpoint, live) is { } promoted)
        {
            router.Set(deployment.Endpoint, new Route(promoted, null, 0));
            return promoted;
        }
        if (_broken.TryGetValue(deployment.Endpoint, out var broken) && broken.Revision == live.Number && Now - broken.When < BetweenLoads) return null;
        var (slot, why) = await _loader.Loaded(live, cancel);
        if (slot is null)
        {
            if (why.Length > 0) _broken[deployment.Endpoint] = (live.Number, Now, why);
            return null;
        }
        _broken.TryRemove(deployment.Endpoint, out _);
        router.Set(deployment.Endpoint, new Route(slot, null, 0));
        return slot;
    }

    /// <summary>As exact as it comes back from a row: what is compared with a row must be.</summary>
    DateTimeOffset Now => DateTimeOffset.FromUnixTimeMilliseconds(time.GetUtcNow().ToUnixTimeMilliseconds());

    static string Words(IReadOnlyList<Evidence> evidence) => evidence.Count == 0 ? "nothing was analysed" : string.Join("; ", evidence.Select(e => e.InWords()));

    static string Share(Revision revision, int step) => revision.Spec.IsShadow(step) ? $"copies of {revision.Spec.Shadow!.Sample.ToString("P0", CultureInfo.InvariantCulture)} of the requests"
        : $"{revision.Spec.ShareAt(step).ToString("P0", CultureInfo.InvariantCulture)} of the traffic";
}
