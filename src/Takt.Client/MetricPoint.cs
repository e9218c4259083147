namespace Takt.Client;

/// <summary>One value of a metric.</summary>
/// <param name="Value">May be NaN; an infinite one is kept as the largest finite number.</param>
public readonly record struct MetricPoint(string Key, double Value, long Step, DateTimeOffset Time);
