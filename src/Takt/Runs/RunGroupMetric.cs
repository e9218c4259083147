namespace Takt.Runs;

/// <summary>A metric over a group of runs, each at its newest value.</summary>
/// <param name="Runs">How many have a number; when 0, the others are 0 as well.</param>
public readonly record struct RunGroupMetric(long Runs, double Mean, double Least, double Most);
