namespace Takt.Runs;

/// <param name="Experiment">Made when there is none of this name.</param>
/// <param name="Parent">The run that this one is a part of: the pipeline's, for a stage's.</param>
/// <param name="Id">Null: a new one.</param>
public sealed record StartRun(
    string Experiment,
    string Name,
    RunId? Parent = null,
    IReadOnlyDictionary<string, string>? Tags = null,
    RunId? Id = null);
