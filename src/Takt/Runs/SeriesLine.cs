namespace Takt.Runs;

/// <summary>One run's metric over the shared axis of a <see cref="SeriesChart"/>.</summary>
/// <param name="Values">As long as the axis; NaN where the run has no point.</param>
/// <param name="Points">How many the run has, within the range that was asked for.</param>
/// <param name="Gaps">How many of them are NaN.</param>
public sealed record SeriesLine(string Run, double[] Values, long Points, long Gaps);
