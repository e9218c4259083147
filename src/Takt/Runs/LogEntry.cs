namespace Takt.Runs;

/// <summary>What one call of a client adds to a run; all of it or nothing.</summary>
public sealed record LogEntry(
    IReadOnlyList<LoggedMetric> Metrics, IReadOnlyList<KeyValuePair<string, string>> Params, IReadOnlyList<KeyValuePair<string, string>> Tags)
{
    /// <summary>It came as a batch: a param that changes is told in a list, also when it is the only one.</summary>
    public bool IsBatch { get; init; }
}
