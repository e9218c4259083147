namespace Takt.Data;

/// <summary>Whether a value is unlike those before: Hampel's identifier, distance to the median in units of the median absolute deviation.</summary>
/// <remarks>
/// Davies and Gather, "The identification of multiple outliers", JASA 88, 1993. When more than half of the values are equal the deviation's median is 0
/// and their mean absolute deviation takes its place (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993). Assumes no trend.
/// </remarks>
static class Outlier
{
    /// <summary>With fewer values before, nothing is said.</summary>
    public const int Fewest = 5;

    /// <returns>Centre, and scale in units of a normal distribution's standard deviation; 0 when all values are equal.</returns>
    public static (double Centre, double Scale) Scale(IReadOnlyList<double> values)
    {
        var centre = Median(values);
        var away = values.Select(value => Math.Abs(value - centre)).ToList();
        var mad = Median(away) * 1.482602218505602;
        return (centre, mad > 0 ? mad : away.Average() * 1.2533141373155);
    }

    static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        var half = sorted.Count / 2;
        return sorted.Count % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
    }
}
