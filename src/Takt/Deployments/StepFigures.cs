using System.Text.Json;
using Takt.Evaluation;

namespace Takt.Deployments;

/// <summary>Counts of the two revisions of a rollout, in one step or in several, on one server or on all: figures add up.</summary>
/// <remarks>Not safe for concurrent use.</remarks>
public sealed class StepFigures
{
    public SlotStats.Snapshot Challenger { get; set; } = SlotStats.Snapshot.Empty;

    public SlotStats.Snapshot Champion { get; set; } = SlotStats.Snapshot.Empty;

    /// <summary>Requests that the new revision refused although the other takes them.</summary>
    public long Refusals { get; set; }

    /// <summary>What it said; null when it refused none.</summary>
    public string? WhyRefused { get; set; }

    /// <summary>Differences, new revision less the other, by the figure's name.</summary>
    public Dictionary<string, PairedDifferences> Pairs { get; } = new(StringComparer.Ordinal);

    public PairedDifferences Of(string metric)
    {
        if (!Pairs.TryGetValue(metric, out var pairs)) Pairs[metric] = pairs = new PairedDifferences();
        return pairs;
    }

    public void Add(StepFigures other)
    {
        Challenger = Challenger.Plus(other.Challenger);
        Champion = Champion.Plus(other.Champion);
        Refusals += other.Refusals;
        WhyRefused ??= other.WhyRefused;
        foreach (var (metric, pairs) in other.Pairs) Of(metric).Add(pairs);
    }

    public string ToJson() => JsonSerializer.Serialize(new Row(Challenger, Champion, Refusals, WhyRefused, Pairs.ToDictionary(p => p.Key, p => p.Value.Counts.ToArray())), DeploymentsJson.Default.Row);

    public static StepFigures Parse(string json)
    {
        var row = JsonSerializer.Deserialize(json, DeploymentsJson.Default.Row)!;
        var figures = new StepFigures { Challenger = row.Challenger, Champion = row.Champion, Refusals = row.Refusals, WhyRefused = row.WhyRefused };
        foreach (var (metric, counts) in row.Pairs) figures.Pairs[metric] = new PairedDifferences(counts);
        return figures;
    }

    /// <summary>As it is stored.</summary>
    internal sealed record Row(SlotStats.Snapshot Challenger, SlotStats.Snapshot Champion, long Refusals, string? WhyRefused, Dictionary<string, long[]> Pairs);
}
