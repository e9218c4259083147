namespace Takt.Data;

/// <summary>A statistic of a column that must lie between two bounds: the balance of a label, a mean, a quantile.</summary>
/// <param name="Statistic"><c>mean</c>, <c>std</c>, <c>sum</c>, <c>median</c>, <c>distinct</c>, <c>q0.95</c> (a quantile, numpy's linear one), <c>share VALUE</c>, <c>corr COLUMN</c> (Pearson).</param>
public sealed record StatisticBound(string Statistic, double? Min, double? Max);
