using DuckDB.NET.Data;

namespace Takt.Data;

/// <summary>One expectation ready to be run: with aggregates, which share the one scan of all, or with a query of its own (grouping, sorting, joining).</summary>
/// <param name="Rule">What should hold.</param>
sealed record ExpectationProbe(string? Column, string Rule, Severity Severity, string? Where, string? Name)
{
    /// <summary>Aggregate expressions over the data; their values go to <see cref="Judge"/> in this order, the number of rows looked at before them.</summary>
    public IReadOnlyList<string> Aggregates { get; init; } = [];

    public Func<object?[], Verdict>? Judge { get; init; }

    /// <summary>The query of its own; null: aggregates do.</summary>
    public Func<DuckDBConnection, Verdict>? Own { get; init; }

    /// <summary>What came out.</summary>
    /// <param name="Message">What was found, also when it is as expected.</param>
    /// <param name="Rows">SQL that gives rows which break the rule; null: none can be shown.</param>
    public readonly record struct Verdict(CheckStatus Status, string Message, long Count = 0, double? Observed = null, string? Rows = null);
}
