namespace Takt.Runs;

/// <summary>
/// MLflow's filter language: <c>clause (AND clause)*</c>, a clause being <c>entity.key operator literal</c>. There is no OR and there are no parentheses
/// but those of a list. Runs in time linear in the text.
/// </summary>
static class FilterParser
{
    /// <summary>More is refused: a database takes only so many.</summary>
    const int MostClauses = 100, MostValues = 10_000, LongestFilter = 1 << 20;

    enum Kind { Word, Name, Operator, Text, Open, Close, Comma }

    readonly record struct Token(Kind Kind, string Value, string Raw);

    /// <exception cref="TaktException">Invalid, in MLflow's words.</exception>
    public static List<FilterClause> Parse(string? filter)
    {
        var clauses = new List<FilterClause>();
        if (string.IsNullOrWhiteSpace(filter)) return clauses;
        if (filter.Length > LongestFilter) throw TaktException.Invalid($"The filter string is longer than {LongestFilter} characters");
        var tokens = Tokens(filter);
        for (var at = 0; at < tokens.Count;)
        {
            if (clauses.Count == MostClauses) throw TaktException.Invalid($"The filter string has more than {MostClauses} clauses");
            clauses.Add(Clause(tokens, ref at));
            if (at == tokens.Count) break;
            if (!Is(tokens, at, "AND")) throw Bad(tokens[at].Raw);
            if (++at == tokens.Count) throw Bad(tokens[at - 1].Raw);
        }
        return clauses;
    }

    static FilterClause Clause(List<Token> tokens, ref int at)
    {
        var start = at;
        if (tokens[at].Kind is not (Kind.Word or Kind.Name)) throw Bad(tokens[at].Raw);
        var (entity, key) = Split(tokens[at++].Raw);
        if (at == tokens.Count) throw Bad(tokens[start].Raw);
        string op;
        if (tokens[at].Kind == Kind.Operator) op = tokens[at++].Value;
        else if (Is(tokens, at, "NOT") && Is(tokens, at + 1, "IN")) { op = "NOT IN"; at += 2; }
        else if (Is(tokens, at, "IS") && Is(tokens, at + 1, "NULL")) { at += 2; return new FilterClause(entity, key, "IS NULL", [], true); }
        else if (Is(tokens, at, "IS") && Is(tokens, at + 1, "NOT") && Is(tokens, at + 2, "NULL")) { at += 3; return new FilterClause(entity, key, "IS NOT NULL", [], true); }
        else if (Is(tokens, at, "LIKE") || Is(tokens, at, "ILIKE") || Is(tokens, at, "RLIKE") || Is(tokens, at, "IN")) op = tokens[at++].Value.ToUpperInvariant();
        else throw Bad(tokens[start].Raw, tokens[at].Raw);
        if (at == tokens.Count) throw Bad([.. tokens[start..at].Select(t => t.Raw)]);
        if (op is not ("IN" or "NOT IN"))
        {
            if (tokens[at].Kind is not (Kind.Word or Kind.Text)) throw Bad(tokens[at].Raw);
            var value = tokens[at++];
            return new FilterClause(entity, key, op, [value.Value], value.Kind == Kind.Text);
        }
        var values = new List<string>();
        if (tokens[at].Kind != Kind.Open) throw Bad(tokens[at].Raw);
        do
        {
            if (++at < tokens.Count && tokens[at].Kind == Kind.Close)
            {
                if (values.Count > 0) break; // ('a',) is a list of one
                throw TaktException.Invalid("While parsing a list in the query, expected a non-empty list of string values, but got empty list");
            }
            if (at >= tokens.Count || tokens[at].Kind is Kind.Open or Kind.Comma or Kind.Operator)
                throw TaktException.Invalid("While parsing a list in the query, expected a non-empty list of string values, but got ill-formed list.");
            if (tokens[at].Kind != Kind.Text)
                throw TaktException.Invalid($"While parsing a list in the query, expected string value, punctuation, or whitespace, but got different type in list: {tokens[at].Raw}");
            if (values.Count == MostValues) throw TaktException.Invalid($"A list in the filter string has more than {MostValues} values");
            values.Add(tokens[at++].Value);
        }
        while (at < tokens.Count && tokens[at].Kind == Kind.Comma);
        if (at == tokens.Count || tokens[at].Kind != Kind.Close) throw TaktException.Invalid("While parsing a list in the query, expected a non-empty list of string values, but got ill-formed list.");
        at++;
        return new FilterClause(entity, key, op, values, true);
    }

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
        for (var at = 0; at < text.Length;)
        {
            var start = at;
            var c = text[at];
            if (char.IsWhiteSpace(c)) { at++; continue; }
            if (c is '(' or ')' or ',')
            {
                at++;
                tokens.Add(new(c == '(' ? Kind.Open : c == ')' ? Kind.Close : Kind.Comma, text[start..at], text[start..at]));
            }
            else if (c is '=' or '<' or '>' or '!' or '~')
            {
                while (at < text.Length && text[at] is '=' or '<' or '>' or '!' or '~') at++;
                tokens.Add(new(Kind.Operator, text[start..at], text[start..at]));
            }
            else if (c == '\'' || (c == '"' && tokens.Count > 0 && tokens[^1].Kind is Kind.Operator or Kind.Open or Kind.Comma || c == '"' && AfterLike(tokens)))
            {
                at = Past(text, at);
                // SQL's quote within quotes
                while (at < text.Length && text[at] == c) at = Past(text, at);
                tokens.Add(new(Kind.Text, text[(start + 1)..(at - 1)].Replace($"{c}{c}", c.ToString(), StringComparison.Ordinal), text[start..at]));
            }
            else
            {
                var quoted = false;
                while (at < text.Length && !char.IsWhiteSpace(text[at]) && text[at] is not ('(' or ')' or ',' or '=' or '<' or '>' or '!' or '~' or '\''))
                {
                    if (text[at] is '`' or '"') { at = Past(text, at); quoted = true; }
                    else at++;
                }
                tokens.Add(new(quoted ? Kind.Name : Kind.Word, text[start..at], text[start..at]));
            }
        }
        return tokens;
    }

    static bool AfterLike(List<Token> tokens) => Is(tokens, tokens.Count - 1, "LIKE") || Is(tokens, tokens.Count - 1, "ILIKE") || Is(tokens, tokens.Count - 1, "RLIKE");

    static int Past(string text, int open)
    {
        var close = text.IndexOf(text[open], open + 1);
        return close < 0 ? throw Bad(text[open..]) : close + 1;
    }

    static TaktException Bad(params IEnumerable<string> tokens) =>
        TaktException.Invalid($"Invalid clause(s) in filter string: {string.Join(", ", tokens.Select(t => $"'{t}'"))}");
}
