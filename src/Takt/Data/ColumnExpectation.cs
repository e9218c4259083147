namespace Takt.Data;

/// <summary>What one column must be like. A missing value (NULL, and NaN of a Number) breaks <see cref="MaxNulls"/> and <see cref="RequiredIf"/> only.</summary>
public sealed record ColumnExpectation(string Name)
{
    /// <summary>How it must be held; an Integer passes for a Number. Null: anything.</summary>
    public ColumnType? Type { get; init; }

    /// <summary>Whether a file may be without it.</summary>
    public bool Optional { get; init; }

    /// <summary>The largest share of missing values (NULL, NaN), 0 to 1; null: any.</summary>
    public double? MaxNulls { get; init; }

    /// <summary>The largest share of texts that are empty or white space; null: any.</summary>
    public double? MaxEmpty { get; init; }

    /// <summary>The largest share of NaN and infinite values; null: any.</summary>
    public double? MaxNotFinite { get; init; }

    /// <summary>SQL: where it holds, there must be a value.</summary>
    public string? RequiredIf { get; init; }

    /// <summary>The smallest and largest value allowed: a number, or a time as text (<c>2001-01-31</c>, UTC) for a timestamp. Null: no bound.</summary>
    public string? Min { get; init; }

    /// <inheritdoc cref="Min"/>
    public string? Max { get; init; }

    /// <summary>A regular expression (RE2) that the whole text must match.</summary>
    public string? Matches { get; init; }

    /// <summary>The only values allowed; empty: any.</summary>
    public IReadOnlyList<string> In { get; init; } = [];

    /// <summary>Values that are not allowed.</summary>
    public IReadOnlyList<string> NotIn { get; init; } = [];

    /// <summary>In characters.</summary>
    public long? MinLength { get; init; }

    /// <inheritdoc cref="MinLength"/>
    public long? MaxLength { get; init; }

    /// <summary>How a text is to read as a time, in strptime's words: <c>%Y-%m-%d</c>.</summary>
    public string? Format { get; init; }

    /// <summary><c>any</c>, <c>object</c> or <c>array</c>: each text is such JSON.</summary>
    public string? Json { get; init; }

    /// <summary>Members that every JSON object has.</summary>
    public IReadOnlyList<string> JsonKeys { get; init; } = [];

    /// <summary><c>increasing</c>, <c>strictly-increasing</c>, <c>decreasing</c>, <c>strictly-decreasing</c>: from row to row, file after file.</summary>
    public string? Order { get; init; }

    public bool Unique { get; init; }

    /// <summary>The share of rows that may break each of the rules about single values, 0 to 1.</summary>
    public double Allowed { get; init; }

    public IReadOnlyList<StatisticBound> Statistics { get; init; } = [];

    /// <summary>The newest time may be this old.</summary>
    public TimeSpan? Fresh { get; init; }

    /// <summary>The longest time between two neighbours in order of time.</summary>
    public TimeSpan? MaxGap { get; init; }

    /// <summary>Every value is one of this column's.</summary>
    public KeyReference? References { get; init; }

    /// <summary>No value is one of this column's: no row of the test set in the training set.</summary>
    public KeyReference? Disjoint { get; init; }

    public DriftBound? Drift { get; init; }

    /// <summary>SQL: only rows where it holds are looked at. Null: all.</summary>
    public string? Where { get; init; }

    public Severity Severity { get; init; }

    /// <summary>What the results call it; null: by its rules.</summary>
    public string? Label { get; init; }
}
