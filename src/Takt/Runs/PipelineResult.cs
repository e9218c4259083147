namespace Takt.Runs;

/// <summary>How a pipeline run ended, stage by stage in the order of the plan.</summary>
public sealed record PipelineResult(RunId Run, IReadOnlyList<StageRun> Stages)
{
    public bool Succeeded => Stages.All(s => s.Succeeded);

    /// <summary>Every stage was as it had been: no new data, no other settings.</summary>
    public bool NothingRan => Stages.Count > 0 && Stages.All(s => s.State is StageState.Cached);

    /// <summary>Nothing broke, but a gate said no.</summary>
    public bool StoppedByGate => Stages.Any(s => s.State == StageState.NotPassed) && Stages.All(s => s.State is not (StageState.Failed or StageState.Cancelled));

    /// <summary>Which gates said no, and by which rules; null unless that is all that stopped it.</summary>
    public string? Refusal => StoppedByGate ? string.Join("; ", Stages.Select(s => s.Refusal).OfType<string>()) : null;
}
