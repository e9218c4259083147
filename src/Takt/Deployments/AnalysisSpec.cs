using Takt.Evaluation;

namespace Takt.Deployments;

/// <summary>How a rollout compares the new revision with the one in charge, at the same time and for as long as it goes on (docs/statistics.md).</summary>
/// <param name="Errors">Tolerated rise of the share of failed requests, 0 to 1; null: not compared.</param>
/// <param name="Latency">Tolerated rise of the share of requests that take longer than the champion's p95 when the rollout began.</param>
/// <param name="Score">Tolerated change, up or down, of the mean of the first output, in units of <paramref name="Scale"/>.</param>
/// <param name="Label">Tolerated rise of the mean loss against labels, in units of <paramref name="Scale"/> (its square for squared errors).</param>
/// <param name="Alpha">The chance that a revision which does no harm is rolled back in the whole rollout is at most this; the figures share it.</param>
/// <param name="Wait">How long after a step's end evidence is waited for, where <paramref name="Pass"/> wants it; then a person decides.</param>
/// <param name="Scale">What outputs and losses are divided by; beyond it they count as it.</param>
/// <param name="AbsoluteLoss">Whether the loss is the absolute error; else the squared one, which is Brier's for probabilities.</param>
public sealed record AnalysisSpec(
    double? Errors, double? Latency, double? Score, double? Label, double Alpha, StepPass Pass, TimeSpan Wait, double Scale = 1, bool AbsoluteLoss = false)
{
    public static readonly AnalysisSpec Default = new(0.01, null, null, null, 0.05, StepPass.Time, TimeSpan.FromDays(1));

    internal const string OfErrors = "errors", OfLatency = "latency", OfScore = "score", OfLabel = "label";

    /// <summary>What all that was seen says, a figure at a time.</summary>
    /// <param name="overMs">From which latency on an answer is slow; null while it is not known.</param>
    public IReadOnlyList<Evidence> Weigh(StepFigures seen, double? overMs)
    {
        var wanted = new List<(string Metric, double Margin)>();
        if (Errors is { } errors) wanted.Add((OfErrors, errors));
        if (Latency is { } latency) wanted.Add((OfLatency, latency));
        if (Score is { } score) wanted.Add((OfScore, score));
        if (Label is { } label) wanted.Add((OfLabel, label));
        return wanted.ConvertAll(w =>
        {
            var pairs = seen.Pairs.TryGetValue(w.Metric, out var found) ? found : new PairedDifferences();
            var (challenger, champion) = w.Metric switch
            {
                OfErrors => (seen.Challenger.Value("error_rate"), seen.Champion.Value("error_rate")),
                OfLatency when overMs is { } limit => (seen.Challenger.Over(limit), seen.Champion.Over(limit)),
                _ => ((double?)null, null),
            };
            return Evidence.Of(w.Metric, pairs, w.Margin, Alpha / wanted.Count, challenger, champion, bothSides: w.Metric == OfScore);
        });
    }
}
