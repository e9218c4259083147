namespace Takt.Runs;

/// <summary>One stage in one pipeline run.</summary>
/// <param name="Run">The run that holds its params, metrics and log; null when nothing was run.</param>
/// <param name="Summary">What came out, or why it failed.</param>
public sealed record StageRun(
    RunId PipelineRun,
    string Stage,
    StageState State,
    string? Key,
    RunId? Run,
    DateTimeOffset? StartedAt,
    DateTimeOffset? EndedAt,
    string Summary)
{
    public bool Succeeded => State is StageState.Ran or StageState.Cached or StageState.Restored;
}
