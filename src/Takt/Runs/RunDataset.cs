namespace Takt.Runs;

/// <summary>A dataset that runs of an experiment read.</summary>
/// <param name="Context">What for, such as <c>training</c>; null when no client said.</param>
public sealed record RunDataset(long Experiment, string Name, string Digest, string? Context);
