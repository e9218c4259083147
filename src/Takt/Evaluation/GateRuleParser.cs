using System.Globalization;

namespace Takt.Evaluation;

/// <summary>Recursive descent over a rule's text, one character ahead.</summary>
sealed class GateRuleParser(string text)
{
    const int DeepestNesting = 64;
    static readonly string[] Comparisons = [">=", "<=", "==", "!=", ">", "<"];

    int _at;

    public List<string> Names { get; } = [];

    public Func<Func<string, double?>, double?> Sum(int depth)
    {
        var left = Product(depth);
        while (true)
        {
            var a = left;
            if (Take('+'))
            {
                var b = Product(depth);
                left = m => a(m) + b(m);
            }
            else if (Take('-'))
            {
                var b = Product(depth);
                left = m => a(m) - b(m);
            }
            else return left;
        }
    }

    Func<Func<string, double?>, double?> Product(int depth)
    {
        var left = Factor(depth);
        while (true)
        {
            var a = left;
            if (Take('*'))
            {
                var b = Factor(depth);
                left = m => a(m) * b(m);
            }
            else if (Take('/'))
            {
                var b = Factor(depth);
                left = m => a(m) / b(m);
            }
            else return left;
        }
    }

    Func<Func<string, double?>, double?> Factor(int depth)
    {
        if (depth > DeepestNesting) throw Fault($"nested over {DeepestNesting} deep");
        if (Take('-'))
        {
            var negated = Factor(depth + 1);
            return m => -negated(m);
        }
        if (Take('('))
        {
            var inner = Sum(depth + 1);
            return Take(')') ? inner : throw Fault("a ')' is missing");
        }
        if (_at >= text.Length) throw Fault("a number or a metric is missing");
        if (char.IsAsciiDigit(text[_at]) || text[_at] == '.') return Number();
        if (char.IsAsciiLetter(text[_at]) || text[_at] == '_') return Name();
        throw Fault($"'{text[_at]}' is not expected here");
    }

    Func<Func<string, double?>, double?> Number()
    {
        var start = _at;
        while (_at < text.Length && (char.IsAsciiDigit(text[_at]) || text[_at] is '.' or 'e' or 'E' || (text[_at] is '-' or '+' && text[_at - 1] is 'e' or 'E'))) _at++;
        if (!double.TryParse(text.AsSpan(start, _at - start), NumberStyles.Float, CultureInfo.InvariantCulture, out var value)) throw Fault($"'{text[start.._at]}' is not a number");
        if (_at < text.Length && text[_at] == '%')
        {
            _at++;
            value /= 100;
        }
        return _ => value;
    }

    Func<Func<string, double?>, double?> Name()
    {
        var start = _at;
        Word();
        if (_at < text.Length && text[_at] == '(' && text[start.._at] is "slice" or "class")
        {
            var close = text.IndexOf(')', _at);
            if (close < 0) throw Fault("a ')' is missing");
            _at = close + 1;
            Word();
        }
        var name = text[start.._at];
        if (name.StartsWith("baseline.", StringComparison.Ordinal)) name = "champion." + name["baseline.".Length..];
        Names.Add(name);
        return m => m(name);
    }

    public string Comparison()
    {
        Skip();
        foreach (var comparison in Comparisons)
            if (text.AsSpan(_at).StartsWith(comparison))
            {
                _at += comparison.Length;
                return comparison;
            }
        throw Fault($"a comparison ({string.Join(' ', Comparisons)}) is missing");
    }

    public void End()
    {
        Skip();
        if (_at < text.Length) throw Fault($"'{text[_at..]}' is left over");
    }

    void Word()
    {
        while (_at < text.Length && (char.IsAsciiLetterOrDigit(text[_at]) || text[_at] is '_' or '.')) _at++;
    }

    bool Take(char c)
    {
        Skip();
        if (_at >= text.Length || text[_at] != c) return false;
        _at++;
        return true;
    }

    void Skip()
    {
        while (_at < text.Length && char.IsWhiteSpace(text[_at])) _at++;
    }

    TaktException Fault(string what) => TaktException.Invalid($"rule '{text}', character {_at + 1}: {what}");
}
