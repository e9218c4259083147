namespace Takt.Runs;

/// <summary>A run as a tracking client sees it, each metric at its newest point.</summary>
public sealed record TrackedRun
{
    public required string Id { get; init; }
    public required long Experiment { get; init; }
    public required string Name { get; init; }
    public required string User { get; init; }
    public required string Status { get; init; }
    public required bool Deleted { get; init; }

    /// <summary>Unix milliseconds, as the client said.</summary>
    public required long Started { get; init; }
    public long? Ended { get; init; }
    public required string ArtifactUri { get; init; }
    public List<LoggedMetric> Metrics { get; } = [];
    public List<KeyValuePair<string, string>> Params { get; } = [];
    public List<KeyValuePair<string, string>> Tags { get; } = [];
    public List<RunInput> Inputs { get; } = [];

    /// <summary>Ids of logged models that the run read; only <see cref="RunLog.Get"/> tells them.</summary>
    public List<string> ModelInputs { get; } = [];
    public List<RunOutput> Outputs { get; } = [];
}
