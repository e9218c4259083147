using Takt.Data;

namespace Takt.Cli;

/// <summary>Numbers that a table tells as text: behind a word for what is missing (R writes <c>NA</c>, others <c>?</c>), or with a decimal comma, as spreadsheets of half the world write them.</summary>
static class HiddenNumbers
{
    /// <summary>Words, in lower case, that say that there is no value.</summary>
    static readonly string Nothing = string.Join(", ", new[] { "na", "n/a", "nan", "null", "none", "?", "-", ".", "" }.Select(DuckDb.Text));

    /// <summary>One comma before three digits could as well part thousands: such a column stays a text unless one of its values shows what is meant.</summary>
    const string Comma = "'[+-]?[0-9]+(,[0-9]+)?'", SurelyComma = "',([0-9]{1,2}|[0-9]{4,})$'";

    const int Counts = 4;

    /// <summary>SQL that is null of a text that says that there is no value.</summary>
    public static string OrNull(string column) => $"case when lower(trim({column})) not in ({Nothing}) then {column} end";

    /// <summary>Whether a text says that there is no value.</summary>
    public static bool IsNothing(string text) => Nothing.Contains(DuckDb.Text(text.Trim().ToLowerInvariant()), StringComparison.Ordinal);

    /// <returns>By the column's name, SQL that makes a number of its text, and null of what is missing.</returns>
    public static IReadOnlyDictionary<string, string> Of(string file, TableProfile profile)
    {
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        var names = profile.Columns.Where(c => c.Type == ColumnType.Text && c.Count > 0).Select(c => c.Name).ToList();
        if (names.Count == 0) return found;
        using var connection = DuckDb.Open();
        var counts = DuckDb.Guard(Path.GetFileName(file), () => Tables.Query(connection, $"select {string.Join(",\n", names.Select(Count))} from {DuckDb.Scan([file])}"));
        for (var i = 0; i < names.Count; i++)
        {
            var name = DuckDb.Name(names[i]);
            long At(int n) => counts.Columns[(i * Counts) + n].Integers[0];
            var (values, points, commas, surely) = (At(0), At(1), At(2), At(3));
            if (values > 0 && points == values) found.Add(names[i], $"try_cast({name} as double)");
            else if (values > 0 && commas == values && surely > 0) found.Add(names[i], $"try_cast(replace({name}, ',', '.') as double)");
        }
        return found;
    }

    static string Count(string column)
    {
        var name = DuckDb.Name(column);
        string That(string what) => $"count(*) filter (where lower(trim({name})) not in ({Nothing}) and {what})";
        return string.Join(", ", That("true"), That($"try_cast({name} as double) is not null"), That($"regexp_full_match({name}, {Comma})"), That($"regexp_matches({name}, {SurelyComma})"));
    }
}
