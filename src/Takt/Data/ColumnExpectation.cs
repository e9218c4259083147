namespace Takt.Data;

/// <summary>What one column must be like. A missing value breaks <see cref="MaxNulls"/> only.</summary>
public sealed record ColumnExpectation(string Name)
{
    /// <summary>How it must be held; an Integer passes for a Number. Null: anything.</summary>
    public ColumnType? Type { get; init; }

    /// <summary>The largest share of missing values (NULL, NaN), 0 to 1; null: any.</summary>
    public double? MaxNulls { get; init; }

    /// <summary>The smallest and largest value allowed: a number, or a time as text (<c>2001-01-31</c>, UTC) for a timestamp. Null: no bound.</summary>
    public string? Min { get; init; }

    /// <inheritdoc cref="Min"/>
    public string? Max { get; init; }

    /// <summary>A regular expression (RE2) that the whole text must match.</summary>
    public string? Matches { get; init; }

    /// <summary>The only values allowed; empty: any.</summary>
    public IReadOnlyList<string> In { get; init; } = [];

    public bool Unique { get; init; }
}
