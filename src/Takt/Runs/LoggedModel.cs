namespace Takt.Runs;

/// <summary>A model that a client logged, before or without its being registered.</summary>
/// <param name="Id"><c>m-</c> and 32 hex digits.</param>
/// <param name="Run">The run that made it; empty for none.</param>
/// <param name="Status">LOGGED_MODEL_PENDING, …READY or …UPLOAD_FAILED.</param>
public sealed record LoggedModel(
    string Id, long Experiment, string Name, string ModelType, string Run, string ArtifactUri, string Status, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt,
    IReadOnlyList<KeyValuePair<string, string>> Tags, IReadOnlyList<KeyValuePair<string, string>> Params)
{
    /// <summary>Every point of its metrics; <c>Run</c> is the one that logged it.</summary>
    public IReadOnlyList<(LoggedMetric Metric, string Run)> Metrics { get; init; } = [];
}
