using System.Globalization;
using DuckDB.NET.Data;
using Takt.Data;

namespace Takt.Deployments;

/// <summary>The newest rows of a prediction log with their labels, without reading the whole log for them.</summary>
public static class NewestPredictions
{
    /// <param name="limit">Rows, at least 1.</param>
    /// <returns>The newest first, columns as in docs/formats.md and <c>label</c>; null before the first prediction is in a segment.</returns>
    public static async Task<Table?> Of(PredictionLog log, int limit)
    {
        using var connection = await log.Open(new LogRange(Newest: limit));
        return connection is null ? null : Of(connection, limit);
    }

    static Table Of(DuckDBConnection connection, int limit)
    {
        // one column tells where the newest begin, so that whole rows are read of those row groups only; a literal, for only that is held against their statistics
        var newest = Tables.Query(connection, $"select min(received) as since from (select received from predictions order by received desc limit {limit})")["since"];
        var since = newest.IsMissing(0) ? 0 : newest.Integers[0];
        var rows = string.Create(CultureInfo.InvariantCulture, $"select * from predictions where received >= make_timestamp({since}) order by received desc, id limit {limit}");
        // likewise of the labels only these: a long list is not pushed below the grouping of the view of all labels
        var ids = Tables.Query(connection, $"select id from ({rows})")["id"];
        var wanted = string.Join(", ", Enumerable.Range(0, ids.Length).Select(row => DuckDb.Text(ids.TextAt(row) ?? "")));
        return Tables.Query(connection, $"""
            select p.*, l.label from ({rows}) p left join (select id, arg_max(label, place) as label from told where id in ({(wanted.Length == 0 ? "''" : wanted)}) group by id) l using (id) order by received desc, id
            """);
    }
}
