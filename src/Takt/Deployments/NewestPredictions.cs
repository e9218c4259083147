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
        // likewise of the labels only these: the view of all labels would group them all
        return Tables.Query(connection, string.Create(CultureInfo.InvariantCulture, $"""
            with newest as materialized (select * from predictions where received >= make_timestamp({since}) order by received desc, id limit {limit}),
                 labelled as (select id, arg_max(label, place) as label from told where id in (select id from newest) group by id)
            select newest.*, labelled.label from newest left join labelled using (id) order by received desc, id
            """));
    }
}
