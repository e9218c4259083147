namespace Takt.Data;

/// <summary>One expectation and what was found.</summary>
/// <param name="Column">Null: a rule about the whole table.</param>
/// <param name="Rule">What should hold, such as <c>min 0</c>.</param>
/// <param name="Message">What was found.</param>
/// <param name="Count">How many rows break it (0 for a rule about the table, a type or a statistic).</param>
/// <param name="Rows">Up to five of them with their values, each after the name of its file.</param>
public sealed record CheckResult(string? Column, string Rule, CheckStatus Status, string Message, long Count, IReadOnlyList<string> Rows)
{
    /// <summary>The filter the rule was held to; null: all rows.</summary>
    public string? Where { get; init; }

    /// <summary>The number that was compared: a share, a mean, a distance. Null: none.</summary>
    public double? Observed { get; init; }

    /// <summary>As the project file calls it; null: it has no name.</summary>
    public string? Name { get; init; }

    public override string ToString()
    {
        var rule = Name is null ? Rule : $"{Name} ({Rule})";
        if (Where is not null) rule += $" where {Where}";
        var head = Column is not null ? $"column '{Column}', {rule}: {Message}" : Name is null && Where is null && Rule == "rows" ? Message : $"{rule}: {Message}";
        return Rows.Count == 0 ? head : $"{head}; {(Rows.Count < Count ? "the first are" : "namely")} {string.Join("; ", Rows)}";
    }
}
