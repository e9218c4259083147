using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using Microsoft.Data.Sqlite;

namespace Takt.Storage.Sqlite;

/// <summary>SQLite's operator REGEXP, which it leaves to the program. Matches in time linear in the text.</summary>
static class SqliteRegex
{
    /// <summary>Compiled patterns that are kept.</summary>
    const int Most = 100;

    static readonly ConcurrentDictionary<string, Regex> Known = new(StringComparer.Ordinal);

    public static void Add(SqliteConnection connection) => connection.CreateFunction<string?, string?, bool?>("regexp", Match, isDeterministic: true);

    // NULL matches nothing, as with LIKE
    static bool? Match(string? pattern, string? text)
    {
        if (pattern is null || text is null) return null;
        if (!Known.TryGetValue(pattern, out var regex))
        {
            if (Known.Count >= Most) Known.Clear();
            Known[pattern] = regex = new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        return regex.IsMatch(text);
    }
}
