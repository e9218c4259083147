using System.Globalization;
using System.Text;

namespace Takt.Server.Protocols.Mlflow.GraphQl;

/// <summary>Cuts a text of GraphQL into tokens, one ahead.</summary>
sealed class GraphQlLexer
{
    internal enum Kind { End, Sign, Name, Int, Float, Text }

    readonly string _text;
    int _at;

    /// <exception cref="TaktException">Invalid: what can't be a token.</exception>
    public GraphQlLexer(string text)
    {
        _text = text;
        Next();
    }

    public Kind Token { get; private set; }

    /// <summary>Of a text, without its quotes and escapes.</summary>
    public string Value { get; private set; } = "";

    /// <summary>Where the token begins, and where the one before it ended.</summary>
    public int Start { get; private set; }

    public int EndBefore { get; private set; }

    public string Slice(int from, int to) => _text[from..to];

    public bool Is(string sign) => Token == Kind.Sign && Value == sign;

    public bool IsWord(string word) => Token == Kind.Name && Value == word;

    public bool Skip(string sign)
    {
        if (!Is(sign)) return false;
        Next();
        return true;
    }

    /// <exception cref="TaktException">Invalid: another token stands there.</exception>
    public void Take(string sign)
    {
        if (!Skip(sign)) throw Fault($"Expected '{sign}', found {Shown}.");
    }

    /// <inheritdoc cref="Take"/>
    public string Name()
    {
        if (Token != Kind.Name) throw Fault($"Expected Name, found {Shown}.");
        var name = Value;
        Next();
        return name;
    }

    public string Shown => Token switch { Kind.End => "<EOF>", Kind.Sign => $"'{Value}'", _ => $"{Token} '{(Value.Length > 40 ? Value[..40] + "…" : Value)}'" };

    public TaktException Fault(string what)
    {
        var before = _text.AsSpan(0, Math.Min(Start, _text.Length));
        return TaktException.Invalid($"Syntax Error: {what} (line {before.Count('\n') + 1}, column {Start - before.LastIndexOf('\n')})");
    }

    public void Next()
    {
        EndBefore = _at;
        for (; _at < _text.Length; _at++)
        {
            var c = _text[_at];
            if (c == '#')
                while (_at + 1 < _text.Length && _text[_at + 1] is not ('\n' or '\r')) _at++;
            else if (c is not (' ' or '\t' or '\n' or '\r' or ',' or '\ufeff')) break;
        }
        Start = _at;
        if (_at == _text.Length)
        {
            (Token, Value) = (Kind.End, "");
            return;
        }
        var first = _text[_at];
        if (first is '_' || char.IsAsciiLetter(first)) While(Kind.Name, static c => c is '_' || char.IsAsciiLetterOrDigit(c));
        else if (first is '-' || char.IsAsciiDigit(first)) Number();
        else if (first == '"') Text();
        else if (_text.AsSpan(_at).StartsWith("...")) Sign(3);
        else if ("!$&():=@[]{|}".Contains(first)) Sign(1);
        else throw Fault($"Unexpected character: {(char.IsControl(first) ? $"U+{(int)first:X4}" : $"'{first}'")}.");
    }

    void Sign(int length)
    {
        (Token, Value) = (Kind.Sign, _text.Substring(_at, length));
        _at += length;
    }

    void While(Kind kind, Func<char, bool> more)
    {
        var end = _at + 1;
        while (end < _text.Length && more(_text[end])) end++;
        (Token, Value) = (kind, _text[_at..end]);
        _at = end;
    }

    void Number()
    {
        While(Kind.Int, static c => char.IsAsciiDigit(c) || c is '.' or 'e' or 'E' or '+' or '-');
        if (long.TryParse(Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _)) return;
        if (!double.TryParse(Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) || !double.IsFinite(number)) throw Fault($"Invalid number, '{(Value.Length > 40 ? Value[..40] + "…" : Value)}'.");
        Token = Kind.Float;
    }

    void Text()
    {
        var text = new StringBuilder();
        var block = _text.AsSpan(_at).StartsWith("\"\"\"");
        for (_at += block ? 3 : 1; ;)
        {
            if (_at >= _text.Length || (!block && _text[_at] is '\n' or '\r')) throw Fault("Unterminated string.");
            if (block && _text.AsSpan(_at).StartsWith("\\\"\"\""))
            {
                text.Append("\"\"\"");
                _at += 4;
            }
            else if (block ? _text.AsSpan(_at).StartsWith("\"\"\"") : _text[_at] == '"')
            {
                _at += block ? 3 : 1;
                break;
            }
            else if (!block && _text[_at] == '\\') Escape(text);
            else text.Append(_text[_at++]);
        }
        (Token, Value) = (Kind.Text, block ? text.ToString().Trim() : text.ToString());
    }

    void Escape(StringBuilder text)
    {
        var kind = _at + 1 < _text.Length ? _text[_at + 1] : ' ';
        if (kind == 'u')
        {
            if (_at + 6 > _text.Length || !ushort.TryParse(_text.AsSpan(_at + 2, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code)) throw Fault("Invalid Unicode escape sequence.");
            text.Append((char)code);
            _at += 6;
            return;
        }
        text.Append(kind switch { '"' => '"', '\\' => '\\', '/' => '/', 'b' => '\b', 'f' => '\f', 'n' => '\n', 'r' => '\r', 't' => '\t', _ => throw Fault($"Invalid character escape sequence: '\\{kind}'.") });
        _at += 2;
    }
}
