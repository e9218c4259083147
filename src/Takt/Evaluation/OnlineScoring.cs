namespace Takt.Evaluation;

/// <summary>How often a scorer judges the traces that come in.</summary>
/// <param name="SampleRate">0 to 1.</param>
/// <param name="Filter">Which traces; null: all.</param>
public sealed record OnlineScoring(string Id, string Scorer, long Experiment, double SampleRate, string? Filter);
