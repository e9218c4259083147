namespace Takt.Data;

/// <summary>One expectation that is not met.</summary>
/// <param name="Column">Null: a rule about the whole table.</param>
/// <param name="Rule">What should hold, such as <c>min 0</c>.</param>
/// <param name="Message">What was found instead.</param>
/// <param name="Count">How many rows break it (0 for a rule about the table or a type).</param>
/// <param name="Rows">Up to five of them with their values, each after the name of its file.</param>
public sealed record Violation(string? Column, string Rule, string Message, long Count, IReadOnlyList<string> Rows)
{
    public override string ToString()
    {
        var head = Column is null ? Message : $"column '{Column}', {Rule}: {Message}";
        return Rows.Count == 0 ? head : $"{head}; {(Rows.Count < Count ? "the first are" : "namely")} {string.Join("; ", Rows)}";
    }
}
