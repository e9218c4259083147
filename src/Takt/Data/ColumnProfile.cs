using System.Text.Json.Serialization;

namespace Takt.Data;

/// <summary>What is known of one column's values. Missing values (NULL, NaN, infinite) are counted and take no other part.</summary>
/// <remarks>
/// <see cref="Min"/> to <see cref="BinCounts"/> are of Integer, Number, Boolean (0 and 1) and Time (microseconds since 1970) columns;
/// null or empty for Text and when every value is missing.
/// </remarks>
public sealed record ColumnProfile
{
    public required string Name { get; init; }
    public required ColumnType Type { get; init; }

    /// <summary>How many values there are, missing ones left out.</summary>
    public required long Count { get; init; }

    public required long Missing { get; init; }

    /// <summary>How many different values; exact.</summary>
    public required long Distinct { get; init; }

    public double? Min { get; init; }
    public double? Max { get; init; }
    public double? Mean { get; init; }

    /// <summary>Sample standard deviation (n - 1); null below two values.</summary>
    public double? Std { get; init; }

    /// <summary>The quantiles at <see cref="TableProfile.Probabilities"/>; each is a value of the column (the smallest with at least that share at or below it).</summary>
    public IReadOnlyList<double> Quantiles { get; init; } = [];

    /// <summary>Where the bins meet, rising strictly: the different values of <see cref="Quantiles"/>.</summary>
    public IReadOnlyList<double> Cuts { get; init; } = [];

    /// <summary>Exact counts per bin, one more than <see cref="Cuts"/>; bin i holds the values x with Cuts[i-1] &lt; x ≤ Cuts[i].</summary>
    public IReadOnlyList<long> BinCounts { get; init; } = [];

    /// <summary>
    /// The most frequent values, by count and then by value: of Text and Boolean columns, and of Integer and Number columns with at most
    /// <see cref="TableProfile.FewValues"/> different ones.
    /// </summary>
    public IReadOnlyList<ValueCount> Top { get; init; } = [];

    /// <summary>Whether <see cref="Top"/> names every value that occurs.</summary>
    [JsonIgnore]
    public bool TopIsAll => Top.Count > 0 && Top.Count == Distinct;

    /// <summary>The bin a value falls in, 0 to <see cref="Cuts"/>.Count. NaN has no bin: -1.</summary>
    public int BinOf(double value)
    {
        if (double.IsNaN(value)) return -1;
        int low = 0, high = Cuts.Count;
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (Cuts[middle] < value) low = middle + 1;
            else high = middle;
        }
        return low;
    }
}
