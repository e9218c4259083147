namespace Takt.Runs;

/// <summary>A run and all that is known of it, each metric at its newest point.</summary>
public sealed record RunDetail
{
    public required RunId Id { get; init; }
    public required string Experiment { get; init; }
    public required string Name { get; init; }
    public required RunStatus Status { get; init; }
    public required DateTimeOffset StartedAt { get; init; }
    public DateTimeOffset? EndedAt { get; init; }
    public RunId? Parent { get; init; }
    public required IReadOnlyDictionary<string, string> Params { get; init; }
    public required IReadOnlyDictionary<string, MetricValue> Metrics { get; init; }
    public required IReadOnlyDictionary<string, string> Tags { get; init; }
    public required IReadOnlyList<Artifact> Artifacts { get; init; }
}
