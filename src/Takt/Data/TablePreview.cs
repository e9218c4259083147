namespace Takt.Data;

/// <summary>The first rows of a data file, for people to look at.</summary>
public static class TablePreview
{
    const long Memory = 256L << 20;

    /// <param name="file">Its bytes, under any name.</param>
    /// <param name="name">What it is called: the ending says how to read it.</param>
    /// <exception cref="TaktException">Invalid: the file is not what its ending says.</exception>
    public static Table Read(string file, string name, int rows, int columns)
    {
        // DuckDB goes by the ending
        var link = Path.Combine(Path.GetTempPath(), $"takt-preview-{Guid.NewGuid():N}{Ending(name)}");
        File.CreateSymbolicLink(link, Path.GetFullPath(file));
        try
        {
            using var connection = DuckDb.Open(threads: 1, Memory);
            try
            {
                return DuckDb.Guard(name, () =>
                {
                    var source = DuckDb.Scan([link], whole: false);
                    var shown = Tables.Schema(connection, source).Take(columns).Select(c => DuckDb.Name(c.Name));
                    return Tables.Query(connection, $"select {string.Join(", ", shown)} from {source} limit {rows}");
                }, [link]);
            }
            catch (TaktException e) when (e.Message.Contains(link, StringComparison.Ordinal))
            {
                throw new TaktException(e.Error, e.Message.Replace(link, name, StringComparison.Ordinal), e);
            }
        }
        finally
        {
            File.Delete(link);
        }
    }

    static string Ending(string name)
    {
        var plain = name.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? name[..^3] : name;
        return Path.GetExtension(plain).ToLowerInvariant() + (plain.Length < name.Length ? ".gz" : "");
    }
}
