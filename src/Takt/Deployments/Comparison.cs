using Takt.Evaluation;

namespace Takt.Deployments;

/// <summary>What this server has seen of a rollout's two revisions in one step, side by side; it goes into a row that adds up with those of the other servers.</summary>
/// <remarks>One caller at a time.</remarks>
sealed class Comparison
{
    readonly Slot _champion, _challenger;
    readonly long _refusals;
    readonly PairedOutcomes _errors, _latency;
    readonly Random _random;
    SlotStats.Snapshot _championBefore, _challengerBefore;

    public Comparison(Rollout rollout, Slot champion, Slot challenger)
    {
        (Rollout, _champion, _challenger) = (rollout, champion, challenger);
        (_championBefore, _challengerBefore, _refusals) = (champion.Stats.Now(), challenger.Stats.Now(), challenger.Stats.Refusals);
        _random = new Random(HashCode.Combine(rollout.Number, rollout.Step)); // any will do
        (_errors, _latency) = (new PairedOutcomes(_random), new PairedOutcomes(_random));
    }

    /// <summary>As it was when this began.</summary>
    public Rollout Rollout { get; }

    /// <summary>The name of its row.</summary>
    public string Row { get; } = Guid.NewGuid().ToString("N");

    public StepFigures Figures { get; } = new();

    public DateTimeOffset? SavedAt { get; set; }

    /// <summary>Whether there is something in <see cref="Figures"/> that is not saved.</summary>
    public bool IsNews { get; set; }

    public bool IsOf(Rollout rollout, Slot champion, Slot challenger) => Rollout.Number == rollout.Number && Rollout.Step == rollout.Step && Rollout.StepStartedAt == rollout.StepStartedAt
        && Rollout.JudgedFrom == rollout.JudgedFrom && _champion == champion && _challenger == challenger;

    /// <summary>Counts what came since the last time.</summary>
    /// <param name="share">The challenger's part of the traffic; pairs are made where both get some.</param>
    /// <param name="shadow">Where the challenger gets copies: it makes the pairs itself.</param>
    public void Look(double share, double? overMs, Shadow? shadow)
    {
        var (champion, challenger) = (_champion.Stats.Now(), _challenger.Stats.Now());
        var (before, now) = (champion.Since(_championBefore), challenger.Since(_challengerBefore));
        (_championBefore, _challengerBefore) = (champion, challenger);
        if (before.Requests + now.Requests == 0 && shadow is null) return;
        Figures.Champion = Figures.Champion.Plus(before);
        Figures.Challenger = Figures.Challenger.Plus(now);
        (Figures.Refusals, Figures.WhyRefused) = (_challenger.Stats.Refusals - _refusals, _challenger.Stats.WhyRefused);
        IsNews = true;
        if (shadow is not null)
        {
            shadow.OverMs = overMs;
            foreach (var (metric, pairs) in shadow.Take().Pairs) Figures.Of(metric).Add(pairs);
        }
        else if (share is > 0 and < 1)
        {
            _errors.Add(now.Requests, now.Errors, before.Requests, before.Errors, share, Figures.Of(AnalysisSpec.OfErrors));
            if (overMs is { } limit) _latency.Add(now.Latency.Sum(), now.CountOver(limit), before.Latency.Sum(), before.CountOver(limit), share, Figures.Of(AnalysisSpec.OfLatency));
        }
    }
}
