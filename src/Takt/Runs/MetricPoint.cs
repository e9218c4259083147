namespace Takt.Runs;

/// <summary>One point of a metric's history.</summary>
/// <param name="Time">Unix milliseconds, as the client's clock said.</param>
/// <param name="Value">May be NaN, which sorts before every number.</param>
public readonly record struct MetricPoint(long Step, long Time, double Value) : IComparable<MetricPoint>
{
    /// <summary>By time, then step, then value: the order of a history.</summary>
    public int CompareTo(MetricPoint other)
    {
        var order = Time.CompareTo(other.Time);
        if (order == 0) order = Step.CompareTo(other.Step);
        return order != 0 ? order : Value.CompareTo(other.Value);
    }
}
