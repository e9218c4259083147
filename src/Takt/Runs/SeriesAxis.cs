namespace Takt.Runs;

/// <summary>What a metric is drawn over.</summary>
public enum SeriesAxis
{
    Step,

    /// <summary>Unix seconds.</summary>
    Time,

    /// <summary>Seconds since the run's first point of the metric.</summary>
    Relative,
}
