namespace Takt.Runs;

/// <param name="Value">May be NaN.</param>
public sealed record MetricValue(string Key, double Value, long Step, DateTimeOffset Time);
