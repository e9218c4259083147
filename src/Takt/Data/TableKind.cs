namespace Takt.Data;

/// <summary>Files of one set of columns, among others that are read with them as one table.</summary>
/// <param name="Files">How many.</param>
/// <param name="First">The first of them, by path.</param>
/// <param name="Columns">In the order of the first.</param>
public sealed record TableKind(int Files, string First, IReadOnlyList<string> Columns)
{
    const int ShownKinds = 4, ShownColumns = 6;

    /// <summary>The kinds that files are of, the most frequent first; null when one of them has all columns, as after a column was added.</summary>
    internal static IReadOnlyList<TableKind>? Of(IEnumerable<(string File, IReadOnlyList<string> Columns)> files)
    {
        var (kinds, all) = (new Dictionary<string, TableKind>(StringComparer.Ordinal), new HashSet<string>(StringComparer.OrdinalIgnoreCase));
        foreach (var (file, columns) in files)
        {
            var key = string.Join('\n', columns.Select(column => column.ToLowerInvariant()).Order(StringComparer.Ordinal));
            kinds[key] = kinds.TryGetValue(key, out var known) ? known with { Files = known.Files + 1 } : new TableKind(1, file, columns);
            all.UnionWith(columns);
        }
        return kinds.Values.Any(kind => kind.Columns.Count == all.Count) ? null : kinds.Values.OrderByDescending(kind => kind.Files).ToList();
    }

    /// <summary>In one sentence, what is read as one table though it may be several, and what to do.</summary>
    public static string Told(IReadOnlyList<TableKind> kinds)
    {
        var told = kinds.Take(ShownKinds).Select(kind => $"{(kind.Files == 1 ? $"'{kind.First}' has" : $"'{kind.First}' and {kind.Files - 1:N0} more have")} {string.Join(", ", kind.Columns.Take(ShownColumns))}{(kind.Columns.Count > ShownColumns ? " …" : "")}");
        return $"tables of {kinds.Count:N0} kinds are taken for one, and what a file lacks counts as missing: {string.Join("; ", told)}{(kinds.Count > ShownKinds ? $"; and {kinds.Count - ShownKinds:N0} more kinds" : "")}. "
            + "Where these are tables of their own, put each into a folder of its own, as a dataset of its own";
    }
}
