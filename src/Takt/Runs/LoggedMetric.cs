namespace Takt.Runs;

/// <summary>A point of a metric as a client logs it.</summary>
/// <param name="Value">May be NaN; an infinite one is kept as the largest finite number.</param>
/// <param name="Time">Unix milliseconds, as the client's clock said.</param>
/// <param name="Model">The logged model that was measured; null for none.</param>
/// <param name="DatasetName">What it was measured on; null for nothing that is named.</param>
public readonly record struct LoggedMetric(
    string Key, double Value, long Step, long Time, string? Model = null, string? DatasetName = null, string? DatasetDigest = null)
{
    internal MetricPoint Point => new(Step, Time, double.IsInfinity(Value) ? Value > 0 ? double.MaxValue : double.MinValue : Value);
}
