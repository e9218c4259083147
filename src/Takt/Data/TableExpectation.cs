namespace Takt.Data;

/// <summary>What must hold of a table as a whole: exactly one of its rules is set.</summary>
public sealed record TableExpectation
{
    /// <summary>Columns whose values together occur once.</summary>
    public IReadOnlyList<string> Key { get; init; } = [];

    /// <summary>The largest share of rows that repeat another one in every column.</summary>
    public double? DuplicateRows { get; init; }

    /// <summary>One SELECT that finds what is wrong: it must give no row.</summary>
    public string? Sql { get; init; }

    /// <summary>An aggregate expression that must be true, such as <c>sum(paid) &lt;= sum(due)</c>.</summary>
    public string? Predicate { get; init; }

    /// <summary><c>rows</c>, or <c>COLUMN.mean</c>, <c>.std</c>, <c>.min</c>, <c>.max</c>, <c>.median</c>, <c>.distinct</c>, <c>.nulls</c>: not far from what it was in the last versions.</summary>
    public string? Anomaly { get; init; }

    /// <summary>How many versions before count for <see cref="Anomaly"/>.</summary>
    public int Versions { get; init; } = 20;

    /// <summary>How many robust standard deviations are far.</summary>
    public double Sigma { get; init; } = 3;

    /// <summary>As many rows as this dataset's version.</summary>
    public string? RowsOf { get; init; }

    /// <summary>The relative difference allowed with <see cref="RowsOf"/>.</summary>
    public double Tolerance { get; init; }

    /// <summary>With <see cref="Key"/>: every one of its values is there. </summary>
    public KeyReference? References { get; init; }

    /// <summary>With <see cref="Key"/>: none of its values is there.</summary>
    public KeyReference? Disjoint { get; init; }

    /// <inheritdoc cref="ColumnExpectation.Where"/>
    public string? Where { get; init; }

    public Severity Severity { get; init; }

    public string? Label { get; init; }
}
