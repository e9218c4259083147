using System.Text;

namespace Takt.Data;

/// <summary>Versions in SQL: <c>from trips@v3</c> is no SQL, <c>from "trips@v3"</c> is. What stands in quotes and comments is left alone.</summary>
static class SqlNames
{
    /// <summary>The query with every <c>NAME@REF</c> quoted.</summary>
    public static string Quote(string sql)
    {
        var text = new StringBuilder(sql.Length + 16);
        foreach (var (part, version) in Parts(sql)) text.Append(version && part[0] != '"' ? $"\"{part}\"" : part);
        return text.ToString();
    }

    /// <summary>Every version that is named, <c>NAME@REF</c>, quoted or not, each once.</summary>
    public static IReadOnlyList<string> Versions(string sql) => Parts(sql).Where(p => p.Version).Select(p => p.Text.Trim('"')).Distinct().ToList();

    static IEnumerable<(string Text, bool Version)> Parts(string sql)
    {
        var from = 0;
        for (var i = 0; i < sql.Length;)
        {
            var end = Skipped(sql, i);
            if (end > i)
            {
                if (sql[i] == '"' && sql[i..end] is { Length: > 2 } quoted && IsVersion(quoted[1..^1]))
                {
                    yield return (sql[from..i], false);
                    yield return (quoted, true);
                    from = end;
                }
                i = end;
                continue;
            }
            if (!char.IsAsciiLetterOrDigit(sql[i]) && sql[i] != '_') { i++; continue; }
            var word = i;
            while (i < sql.Length && (char.IsAsciiLetterOrDigit(sql[i]) || sql[i] is '_' or '.' or '-')) i++;
            if (i >= sql.Length || sql[i] != '@') continue;
            var at = i++;
            while (i < sql.Length && (char.IsAsciiLetterOrDigit(sql[i]) || sql[i] is '_' or '.' or '-' or ':')) i++;
            while (sql[i - 1] is '.' or '-' or ':' && i > at + 1) i--; // the end of a sentence, or a minus
            // a-b@v1 is the dataset a-b: nothing else could be meant, since @ is no operator between two values
            if (!IsVersion(sql[word..i])) continue;
            yield return (sql[from..word], false);
            yield return (sql[word..i], true);
            from = i;
        }
        yield return (sql[from..], false);
    }

    /// <summary>The end of the literal, quoted name or comment that begins here; the place itself when none does.</summary>
    static int Skipped(string sql, int i)
    {
        char c = sql[i], next = i + 1 < sql.Length ? sql[i + 1] : '\0';
        if (c is '\'' or '"')
        {
            for (var j = i + 1; j < sql.Length; j++)
                if (sql[j] == c && (j + 1 >= sql.Length || sql[j + 1] != c || ++j < 0)) return j + 1;
            return sql.Length;
        }
        if (c == '-' && next == '-') return sql.IndexOf('\n', i) is >= 0 and var line ? line + 1 : sql.Length;
        if (c == '/' && next == '*') return sql.IndexOf("*/", i + 2, StringComparison.Ordinal) is >= 0 and var end ? end + 2 : sql.Length;
        return i;
    }

    static bool IsVersion(string text)
    {
        if (!text.Contains('@')) return false;
        try
        {
            _ = DatasetReference.Parse(text);
            return true;
        }
        catch (TaktException)
        {
            return false;
        }
    }
}
