namespace Takt.Client;

/// <summary>A run as the server tells it, each metric at its newest point.</summary>
/// <param name="Status">RUNNING, SCHEDULED, FINISHED, FAILED or KILLED.</param>
public sealed record RunInfo(
    string Id, string ExperimentId, string Name, string Status, DateTimeOffset StartedAt, DateTimeOffset? EndedAt,
    IReadOnlyDictionary<string, string> Params, IReadOnlyDictionary<string, double> Metrics, IReadOnlyDictionary<string, string> Tags);
