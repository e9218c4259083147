namespace Takt.Runs;

/// <summary>The least and the greatest number that a metric of a run ever had, and at which steps first. NaN is none.</summary>
public readonly record struct MetricExtremes(double Least, long LeastStep, double Most, long MostStep);
