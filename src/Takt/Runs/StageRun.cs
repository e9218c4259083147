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
    /// <summary>The gate and its rules that were not passed: <c>gates.quality: auc >= 0.75: 0.71 &lt; 0.75</c>; null when no gate said no.</summary>
    public string? Refusal => State == StageState.NotPassed ? $"{Stage}: {Summary}" : null;

    public bool Succeeded => State is StageState.Ran or StageState.Cached or StageState.Restored;
}
