namespace Takt.Data;

/// <summary>How far a column's distribution may be from that of a version; docs/statistics.md names each distance. Null: any distance.</summary>
public sealed record DriftBound
{
    /// <summary>The version compared with.</summary>
    public const string Previous = "previous";

    /// <summary>A reference, or <see cref="Previous"/>: the version before.</summary>
    public string Against { get; init; } = Previous;

    /// <summary>Population stability index over the reference's deciles or its values.</summary>
    public double? Psi { get; init; }

    /// <summary>Kolmogorov and Smirnov's D, exact: reads both versions' values.</summary>
    public double? Ks { get; init; }

    /// <summary>The smallest p of Pearson's chi-square test.</summary>
    public double? ChiSquareP { get; init; }

    /// <summary>Jensen and Shannon's distance, 0 to 1 (logarithms to base 2).</summary>
    public double? JensenShannon { get; init; }

    /// <summary>The largest share of values that the version did not have.</summary>
    public double? NewValues { get; init; }

    /// <summary>Relative change of the mean.</summary>
    public double? Mean { get; init; }

    /// <summary>Relative change of the standard deviation.</summary>
    public double? Std { get; init; }

    /// <summary>Change of the share of missing values.</summary>
    public double? Nulls { get; init; }
}
