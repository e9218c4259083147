using System.Globalization;

namespace Takt.Runs;

/// <summary>One comparison of a filter, such as <c>metrics.acc &gt; 0.9</c>.</summary>
/// <param name="Entity">As typed, before the dot; null when there is no dot.</param>
/// <param name="Operator">In capitals: <c>=</c>, <c>LIKE</c>, <c>NOT IN</c>, ….</param>
/// <param name="Values">One, unless the operator takes a list.</param>
/// <param name="Quoted">The values were written in quotes.</param>
sealed record FilterClause(string? Entity, string Key, string Operator, IReadOnlyList<string> Values, bool Quoted)
{
    /// <summary>The value as it was typed.</summary>
    public string Raw { get; init; } = "";

    /// <summary>In parentheses.</summary>
    public bool IsList { get; init; }

    /// <summary>Why the list can't be read; it matters only where a list may be.</summary>
    public string? Fault { get; init; }

    public bool IsNumber => !Quoted && !IsList && Raw.TrimStart('-', '+') is [var first, ..] && !char.IsLetter(first) && double.TryParse(Raw, NumberStyles.Float, CultureInfo.InvariantCulture, out _);

    /// <exception cref="TaktException">Invalid, in MLflow's words: it compares with no text in quotes.</exception>
    public string Text(string expected)
    {
        if (Quoted && !IsList) return Values[0];
        var isName = !IsList && Raw is [var first, ..] && (char.IsLetter(first) || first is '_' or '`') && !Raw.Equals("null", StringComparison.OrdinalIgnoreCase);
        throw TaktException.Invalid(isName ? $"Parameter value is either not quoted or unidentified quote types used for string value {Raw}. Use either single or double quotes." : $"Expected {expected}. Got value {Raw}");
    }

    /// <exception cref="TaktException">Invalid, in MLflow's words: it is no list of texts in quotes.</exception>
    public IReadOnlyList<string> List() => IsList && Fault is null ? Values
        : throw TaktException.Invalid(Fault ?? "While parsing a list in the query, expected a non-empty list of string values, but got ill-formed list.");
}
