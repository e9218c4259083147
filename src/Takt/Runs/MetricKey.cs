namespace Takt.Runs;

/// <summary>A metric of a run.</summary>
/// <param name="Series">It has more than one point, so that a chart of it says something.</param>
public sealed record MetricKey(MetricValue Newest, bool Series);
