namespace Takt.Runs;

/// <summary>
/// MLflow's filter language: <c>clause (AND clause)*</c>, a clause being <c>entity.key operator literal</c>. There is no OR and there are no parentheses
/// but those of a list. Runs in time linear in the text.
/// </summary>
static class FilterParser
{
    /// <summary>More is refused: a database takes only so many.</summary>
    const int MostClauses = 100, MostValues = 10_000, LongestFilter = 1 << 20;

    /// <summary>So many words of what can't be read are told.</summary>
    const int MostTold = 20;

    static readonly string[] Compares = ["LIKE", "ILIKE", "RLIKE", "IN"];

    /// <summary>SQL's, which are neither a name nor a value.</summary>
    static readonly HashSet<string> Keywords = new(["AND", "OR", "NOT", "IS", "TRUE", "FALSE", "BETWEEN", "SELECT", "FROM", "WHERE", "ORDER", "BY", .. Compares], StringComparer.OrdinalIgnoreCase);

    enum Kind { Word, Name, Operator, Text, Open, Close, Comma, Loose }

    /// <param name="From">Where it begins in the filter.</param>
    /// <param name="Close">Of an opening parenthesis: the token that closes it; else -1.</param>
    readonly record struct Token(Kind Kind, string Value, string Raw, int From, int Close = -1);

    /// <param name="nulls">There are IS NULL and IS NOT NULL.</param>
    /// <param name="quote">Around each word of what can't be read, in the message.</param>
    /// <exception cref="TaktException">Invalid, in MLflow's words.</exception>
    public static List<FilterClause> Parse(string? filter, bool nulls = false, string quote = "")
    {
        var clauses = new List<FilterClause>();
        if (string.IsNullOrWhiteSpace(filter)) return clauses;
        if (filter.Length > LongestFilter) throw TaktException.Invalid($"The filter string is longer than {LongestFilter} characters");
        var tokens = Tokens(filter);
        var left = new List<string>();
        for (var at = 0; at < tokens.Count && left.Count <= MostTold;)
        {
            // as with MLflow, AND may stand anywhere, or not at all
            if (Is(tokens, at, "AND")) at++;
            else if (Clause(filter, tokens, ref at, nulls) is { } clause) clauses.Add(clauses.Count < MostClauses ? clause : throw TaktException.Invalid($"The filter string has more than {MostClauses} clauses"));
            else left.Add(Unit(filter, tokens, ref at));
        }
        if (left.Count > MostTold) left[MostTold] = "…";
        return left.Count == 0 ? clauses : throw TaktException.Invalid($"Invalid clause(s) in filter string: {string.Join(", ", left.Select(word => quote + word + quote))}");
    }

    /// <summary>A comparison, or null when none begins here.</summary>
    static FilterClause? Clause(string filter, List<Token> tokens, ref int at, bool nulls)
    {
        var start = at;
        if (tokens[at].Kind is not (Kind.Word or Kind.Name or Kind.Text) || IsKeyword(tokens[at])) return null;
        var next = at + 1;
        if (nulls && Is(tokens, next, "IS") && Is(tokens, next + 1, "NULL")) return Null("IS NULL", ref at, 3);
        if (nulls && Is(tokens, next, "IS") && Is(tokens, next + 1, "NOT") && Is(tokens, next + 2, "NULL")) return Null("IS NOT NULL", ref at, 4);
        if (Operator(tokens, ref next) is not { } op || next == tokens.Count) return null;
        var value = tokens[next];
        if (value.Kind is not (Kind.Word or Kind.Name or Kind.Text or Kind.Open) || IsKeyword(value) || (value.Kind == Kind.Open && value.Close < 0)) return null;
        var (entity, key) = Name(tokens[start]);
        at = (value.Kind == Kind.Open ? value.Close : next) + 1;
        if (value.Kind != Kind.Open) return new FilterClause(entity, key, op, [value.Value], value.Kind == Kind.Text) { Raw = value.Raw };
        var (values, fault) = List(tokens, next, value.Close);
        return new FilterClause(entity, key, op, values, true) { Raw = filter[value.From..(tokens[value.Close].From + 1)], IsList = true, Fault = fault };

        FilterClause Null(string op, ref int at, int words)
        {
            at += words;
            var (entity, key) = Name(tokens[start]);
            return new FilterClause(entity, key, op, [], true);
        }
    }

    static (string? Entity, string Key) Name(Token token) => token.Kind != Kind.Text && !char.IsAsciiDigit(token.Raw[0]) ? Split(token.Raw)
        : throw TaktException.Invalid($"Invalid comparison clause. Expected 'Identifier' found '{token.Raw}'");

    static string? Operator(List<Token> tokens, ref int at)
    {
        if (at < tokens.Count && tokens[at].Kind == Kind.Operator) return tokens[at++].Value;
        var not = Is(tokens, at, "NOT");
        var word = not ? at + 1 : at;
        if (!IsCompare(tokens, word)) return null;
        at = word + 1;
        return (not ? "NOT " : "") + tokens[word].Value.ToUpperInvariant();
    }

    /// <summary>The texts between two parentheses, or what is wrong with them.</summary>
    static (List<string> Values, string? Fault) List(List<Token> tokens, int open, int close)
    {
        var values = new List<string>();
        if (close == open + 1) return (values, "While parsing a list in the query, expected a non-empty list of string values, but got empty list");
        for (var at = open + 1; at < close; at += 2)
        {
            if (tokens[at].Kind is Kind.Open or Kind.Close or Kind.Comma or Kind.Operator || (at + 1 < close && tokens[at + 1].Kind != Kind.Comma))
                return (values, "While parsing a list in the query, expected a non-empty list of string values, but got ill-formed list.");
            if (tokens[at].Kind != Kind.Text)
                return (values, $"While parsing a list in the query, expected string value, punctuation, or whitespace, but got different type in list: {tokens[at].Raw}");
            if (values.Count == MostValues) return (values, $"A list in the filter string has more than {MostValues} values");
            values.Add(tokens[at].Value); // ('a',) is a list of one
        }
        return (values, null);
    }

    /// <summary>What is told as one word: what is in parentheses, or a word with NOT before it.</summary>
    static string Unit(string filter, List<Token> tokens, ref int at)
    {
        var last = tokens[at].Close >= 0 ? tokens[at].Close : Is(tokens, at, "NOT") && (Is(tokens, at + 1, "NULL") || IsCompare(tokens, at + 1)) ? at + 1 : at;
        var text = filter[tokens[at].From..(tokens[last].From + tokens[last].Raw.Length)];
        at = last + 1;
        return text;
    }

    static bool IsCompare(List<Token> tokens, int at) => Array.Exists(Compares, word => Is(tokens, at, word));

    static bool IsKeyword(Token token) => token.Kind == Kind.Word && Keywords.Contains(token.Value);

    /// <summary><c>metrics.`a b`</c> to its parts, quotes taken off.</summary>
    internal static (string? Entity, string Key) Split(string name)
    {
        // `metrics`.`a b` too
        var from = name[0] is '`' or '"' ? Math.Max(1, name.IndexOf(name[0], 1)) : 0;
        var dot = from >= name.Length ? -1 : name.IndexOf('.', from);
        return dot < 0 ? (null, Unquote(name)) : (Unquote(name[..dot]), Unquote(name[(dot + 1)..]));
    }

    static string Unquote(string text) =>
        text.Length >= 2 && text[0] == text[^1] && text[0] is '`' or '"' ? text[1..^1] : text;

    static bool Is(List<Token> tokens, int at, string word) =>
        at >= 0 && at < tokens.Count && tokens[at].Kind == Kind.Word && tokens[at].Value.Equals(word, StringComparison.OrdinalIgnoreCase);

    static List<Token> Tokens(string text)
    {
        var tokens = new List<Token>();
        var open = new Stack<int>();
        for (var at = 0; at < text.Length;)
        {
            var start = at;
            var c = text[at];
            if (char.IsWhiteSpace(c))
            {
                at++;
                continue;
            }
            var kind = c switch
            {
                '(' => Kind.Open,
                ')' => Kind.Close,
                ',' => Kind.Comma,
                ';' => Kind.Loose,
                '=' or '<' or '>' or '!' or '~' => Kind.Operator,
                '\'' => Kind.Text,
                '"' when tokens.Count > 0 && (tokens[^1].Kind is Kind.Operator or Kind.Open or Kind.Comma || IsCompare(tokens, tokens.Count - 1)) => Kind.Text,
                _ => Kind.Word,
            };
            if (kind == Kind.Operator) while (at < text.Length && text[at] is '=' or '<' or '>' or '!' or '~') at++;
            else if (kind == Kind.Text && (at = Past(text, at)) > 0)
            {
                // SQL's quote within quotes
                while (at < text.Length && text[at] == c && Past(text, at) is > 0 and var further) at = further;
            }
            else if (kind == Kind.Word)
            {
                while (at < text.Length && !char.IsWhiteSpace(text[at]) && text[at] is not ('(' or ')' or ',' or ';' or '=' or '<' or '>' or '!' or '~' or '\''))
                {
                    if (text[at] is not ('`' or '"')) at++;
                    else if (Past(text, at) is > 0 and var further) (at, kind) = (further, Kind.Name);
                    else if (at > start) break;
                    else (at, kind) = (at + 1, Kind.Loose);
                    if (kind == Kind.Loose) break;
                }
            }
            else if (kind == Kind.Text) (at, kind) = (start + 1, Kind.Loose); // a quote that nothing closes
            else at++;
            if (kind == Kind.Open) open.Push(tokens.Count);
            if (kind == Kind.Close && open.TryPop(out var opened)) tokens[opened] = tokens[opened] with { Close = tokens.Count };
            tokens.Add(new(kind, kind == Kind.Text ? text[(start + 1)..(at - 1)].Replace($"{c}{c}", c.ToString(), StringComparison.Ordinal) : text[start..at], text[start..at], start));
        }
        return tokens;
    }

    /// <summary>Behind the quote that closes this one; 0: none does.</summary>
    static int Past(string text, int open) => text.IndexOf(text[open], open + 1) + 1;
}
