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

    /// <remarks>Each step asks for less than the one before leaves: what is compared are literals, for only those are held against the statistics of row groups.</remarks>
    static Table Of(DuckDBConnection connection, int limit)
    {
        // from the footers: of the row groups that begin latest as many as hold enough rows
        var groups = Tables.Query(connection, string.Create(CultureInfo.InvariantCulture, $"""
            select epoch_us(min(low)) as since from
              (select low, sum(rows) over (order by low desc rows unbounded preceding) - rows as newer from
                (select stats_min_value::timestamp as low, row_group_num_rows as rows from parquet_metadata(getvariable('prediction_files')) where path_in_schema = 'received'))
            where newer < {limit}
            """));
        // one column of those tells where the newest begin, so that whole rows are read of few
        var newest = Tables.Query(connection, string.Create(CultureInfo.InvariantCulture,
            $"select epoch_us(min(received)) as since from (select received from predictions where received >= make_timestamp({Since(groups)}) order by received desc limit {limit})"));
        var rows = Tables.Query(connection, string.Create(CultureInfo.InvariantCulture, $"select * from predictions where received >= make_timestamp({Since(newest)}) order by received desc, id limit {limit}"));
        if (rows.Rows == 0) return rows;
        // ids begin with their time: labels of others are passed over by the group. The view of all labels would group them all
        var ids = Enumerable.Range(0, rows.Rows).Select(row => rows["id"].TextAt(row)!).ToList();
        var labels = Tables.Query(connection, $"""
            select id, arg_max(label, place) as label from told
            where id between {DuckDb.Text(ids.Min(StringComparer.Ordinal)!)} and {DuckDb.Text(ids.Max(StringComparer.Ordinal)!)} and id in ({string.Join(", ", ids.Select(DuckDb.Text))}) group by id
            """);
        var told = Enumerable.Range(0, labels.Rows).ToDictionary(row => labels["id"].TextAt(row)!, row => row, StringComparer.Ordinal);
        var label = labels["label"];
        return new Table([.. rows.Columns, label.Type == ColumnType.Text ? Column.Of("label", ids.Select(id => told.TryGetValue(id, out var row) ? label.TextAt(row) : null).ToArray())
            : Column.Of("label", ids.Select(id => told.TryGetValue(id, out var row) ? label.NumberAt(row) : double.NaN).ToArray())]);
    }

    static long Since(Table table) => table["since"].IsMissing(0) ? 0 : table["since"].Integers[0];
}
