using System.Globalization;

namespace Takt.Evaluation;

/// <summary>
/// A rule over metrics, such as <c>auc >= champion.auc - 0.01</c>: numbers, shares (<c>1%</c>), metric names with dots, <c>slice(region).auc.min</c>, <c>class(setosa).recall</c>, <c>classes.f1.min</c>,
/// <c>+ - * /</c>, parentheses, and one comparison. It has no other effect than its answer.
/// </summary>
public sealed class GateRule
{
    readonly Func<Func<string, double?>, double?> _left;
    readonly Func<Func<string, double?>, double?> _right;
    readonly string _comparison;

    GateRule(string text, GateRuleParser parser)
    {
        Text = text;
        _left = parser.Sum(0);
        _comparison = parser.Comparison();
        _right = parser.Sum(0);
        parser.End();
        Names = parser.Names;
    }

    public string Text { get; }

    /// <summary>The metrics that it names; <c>baseline.</c> is read as <c>champion.</c></summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>Whether it compares with the model that is in charge.</summary>
    public bool NeedsChampion => Names.Any(n => n.StartsWith("champion.", StringComparison.Ordinal));

    /// <exception cref="TaktException">Invalid: not of this form; the message says where.</exception>
    public static GateRule Parse(string text) => new(text, new GateRuleParser(text));

    static string Opposite(string comparison) => comparison switch { ">=" => "<", "<=" => ">", ">" => "<=", "<" => ">=", "==" => "!=", _ => "==" };

    /// <summary>A metric that is missing or NaN fails the rule, whatever it compares with.</summary>
    public GateOutcome Evaluate(Func<string, double?> metric)
    {
        double? left = _left(metric), right = _right(metric);
        var missing = Names.Where(n => metric(n) is not { } value || !double.IsFinite(value)).ToList();
        if (missing.Count > 0) return new GateOutcome(Text, GateVerdict.Failed, left, right, $"there is no value of {string.Join(", ", missing)}");
        if (left is not { } l || right is not { } r || !double.IsFinite(l) || !double.IsFinite(r)) return new GateOutcome(Text, GateVerdict.Failed, left, right, "it divides by zero");
        var passed = _comparison switch
        {
            ">=" => l >= r,
            "<=" => l <= r,
            ">" => l > r,
            "<" => l < r,
            "==" => l == r,
            _ => l != r,
        };
        return new GateOutcome(Text, passed ? GateVerdict.Passed : GateVerdict.Failed, l, r,
            passed ? "" : string.Create(CultureInfo.InvariantCulture, $"{l:0.#####} {Opposite(_comparison)} {r:0.#####}"));
    }
}
