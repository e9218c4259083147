using Takt.Data;

namespace Takt.Storage;

/// <summary>What sources of rows have in common.</summary>
static class SqlSource
{
    /// <summary>The SELECT: <c>query</c> is a file of SQL or the SQL itself, <c>table</c> is all of one.</summary>
    /// <exception cref="TaktException">NotFound: no such file. Invalid: neither or both.</exception>
    public static string Query(SourceRequest request, Func<string, string> quoted)
    {
        var (query, table) = (request.Setting("query"), request.Setting("table"));
        if (query is null == table is null) throw TaktException.Invalid($"{request.Address}: say either query: (a file of SQL, or a SELECT) or table:");
        if (table is not null) return $"select * from {quoted(table)}";
        if (query!.EndsWith(".sql", StringComparison.OrdinalIgnoreCase))
        {
            var file = Path.Combine(request.Folder, query);
            query = File.Exists(file) ? File.ReadAllText(file) : throw TaktException.NotFound($"no query file '{query}'");
        }
        return query.TrimEnd().TrimEnd(';');
    }
}
