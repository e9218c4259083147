using System.Globalization;
using Takt.Evaluation;

namespace Takt.Deployments;

/// <summary>What a rollout has seen of one figure, and what follows from it; kept as it was with each verdict.</summary>
/// <param name="Metric"><c>errors</c>, <c>latency</c>, <c>score</c> or <c>label</c>.</param>
/// <param name="Pairs">Comparisons of the new revision with the one in charge at the same time.</param>
/// <param name="Challenger">The new revision's mean; null where only differences are kept.</param>
/// <param name="Difference">Mean of the new revision less that of the one in charge.</param>
/// <param name="Lower">With <paramref name="Upper"/> a confidence sequence: each bound is wrong with a chance of <paramref name="Alpha"/> at most, however often one looks.</param>
/// <param name="Margin">The difference that is tolerated.</param>
/// <param name="LogHarm">ln of the e-value of "worse by more than the margin"; harm is shown from ln(1/alpha) on.</param>
/// <param name="LogSafe">ln of the e-value of "not worse by as much as the margin".</param>
public sealed record Evidence(
    string Metric, long Pairs, double? Challenger, double? Champion, double Difference, double Lower, double Upper, double Margin, double Alpha, double LogHarm, double LogSafe,
    EvidenceVerdict Verdict)
{
    /// <param name="bothSides">Whether a fall beyond the margin is harm as well.</param>
    public static Evidence Of(string metric, PairedDifferences pairs, double margin, double alpha, double? challenger = null, double? champion = null, bool bothSides = false)
    {
        var harm = bothSides ? BettingTest.LogOutside(pairs, margin) : BettingTest.LogAbove(pairs, margin);
        var safe = bothSides ? Math.Min(BettingTest.LogBelow(pairs, margin), BettingTest.LogAbove(pairs, -margin)) : BettingTest.LogBelow(pairs, margin);
        var (lower, upper) = BettingTest.Interval(pairs, alpha);
        var needed = -Math.Log(alpha);
        return new Evidence(metric, pairs.Pairs, challenger, champion, pairs.Mean, lower, upper, margin, alpha, harm, safe,
            harm >= needed ? EvidenceVerdict.Harm : safe >= needed ? EvidenceVerdict.NoHarm : EvidenceVerdict.Open);
    }

    /// <summary>One sentence.</summary>
    public string InWords()
    {
        var what = Metric switch { AnalysisSpec.OfErrors => "failed requests", AnalysisSpec.OfLatency => "answers slower than the champion's p95", AnalysisSpec.OfScore => "mean output", _ => "loss against labels" };
        if (Pairs == 0) return $"{what}: nothing to compare yet";
        var means = Challenger is { } now && Champion is { } before ? $"{Percent(now)} against {Percent(before)}, " : "";
        var verdict = Verdict switch
        {
            EvidenceVerdict.Harm => $"worse than the tolerated {Points(Margin)} is shown: e-value {E(LogHarm)}, {E(-Math.Log(Alpha))} needed",
            EvidenceVerdict.NoHarm => $"no worse than the tolerated {Points(Margin)} is shown: e-value {E(LogSafe)}, {E(-Math.Log(Alpha))} needed",
            _ => $"tolerated {Points(Margin)}; neither harm (e-value {E(LogHarm)}) nor its absence ({E(LogSafe)}) is shown yet, {E(-Math.Log(Alpha))} needed",
        };
        return string.Create(CultureInfo.InvariantCulture, $"{what}: {means}difference {Points(Difference)}, from {Points(Lower)} to {Points(Upper)} ({1 - (2 * Alpha):P0} confidence at all times, {Pairs:N0} pairs); {verdict}");
    }

    string Points(double value) => Metric is AnalysisSpec.OfErrors or AnalysisSpec.OfLatency
        ? string.Create(CultureInfo.InvariantCulture, $"{(value > 0 ? "+" : "")}{value * 100:0.##} points") : string.Create(CultureInfo.InvariantCulture, $"{(value > 0 ? "+" : "")}{value:0.####}");

    static string Percent(double value) => string.Create(CultureInfo.InvariantCulture, $"{value * 100:0.##} %");

    static string E(double log) => log > 20 ? "over 10^8" : Math.Exp(log).ToString(log > 2.3 ? "0" : "0.##", CultureInfo.InvariantCulture);
}
