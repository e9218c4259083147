namespace Takt.Runs;

/// <summary>An experiment in a list of them.</summary>
/// <param name="Newest">Start of its newest active run, Unix milliseconds; null when it has none.</param>
public sealed record ExperimentRow(long Id, string Name, long Runs, long? Newest, DateTimeOffset UpdatedAt);
