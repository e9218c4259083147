namespace Takt.Runs;

/// <summary>The runs that share one value.</summary>
/// <param name="Value">Null: those that have none.</param>
/// <param name="Newest">Start of the newest, Unix milliseconds.</param>
/// <param name="Metrics">One for each metric that was asked for; NaN and missing values are left out.</param>
public sealed record RunGroup(string? Value, long Runs, long Newest, RunGroupMetric[] Metrics);
