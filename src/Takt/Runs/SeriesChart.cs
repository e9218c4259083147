namespace Takt.Runs;

/// <summary>A metric of some runs, ready to draw.</summary>
/// <param name="X">Rising; the same value may stand several times.</param>
/// <param name="Exact">Every point is there; otherwise each stretch of the axis shows its least and its greatest value.</param>
public sealed record SeriesChart(double[] X, IReadOnlyList<SeriesLine> Lines, bool Exact);
