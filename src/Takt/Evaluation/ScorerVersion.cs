namespace Takt.Evaluation;

/// <summary>A version of a judge's definition, as its client wrote it.</summary>
/// <param name="Created">Unix milliseconds.</param>
public sealed record ScorerVersion(string Scorer, long Experiment, string Name, long Version, string Definition, long Created);
