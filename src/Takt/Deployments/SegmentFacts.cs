using Takt.Data;

namespace Takt.Deployments;

/// <summary>What is known of a part of a prediction log without reading its rows.</summary>
/// <param name="Name">Sorts by the time of writing; one a writer and journal.</param>
/// <param name="Kind"><c>predictions</c>, <c>shadows</c>, <c>labels</c>, <c>keyed</c> (labels by key) or <c>keys</c> (of predictions).</param>
/// <param name="Received">When its first and its last row came to the server; of labels, the times that they tell.</param>
/// <param name="Time">Event times of its rows.</param>
abstract record SegmentFacts(string Name, string Kind, long Rows, (DateTimeOffset From, DateTimeOffset To) Received, (DateTimeOffset From, DateTimeOffset To) Time)
{
    public static readonly IReadOnlyList<string> Kinds = ["predictions", "shadows", "labels", "keyed", "keys"];

    /// <summary>Of finished files, from their footers.</summary>
    /// <exception cref="TaktException">Invalid: one is damaged.</exception>
    public static IReadOnlyList<(string Kind, long Rows, (DateTimeOffset From, DateTimeOffset To) Received, (DateTimeOffset From, DateTimeOffset To) Time)> Of(IReadOnlyList<string> files)
    {
        using var connection = DuckDb.Open(threads: 1);
        var table = DuckDb.Guard(files[0], () => Tables.Query(connection, $"""
            select file_name as file, path_in_schema as name, sum(row_group_num_rows)::bigint as rows, epoch_ms(min(stats_min_value::timestamp)) as low, epoch_ms(max(stats_max_value::timestamp)) as high
            from parquet_metadata([{string.Join(", ", files.Select(DuckDb.Text))}]) where path_in_schema in ('time', 'received') group by all
            """));
        var found = new Dictionary<(string, string), (long Rows, (DateTimeOffset, DateTimeOffset) Between)>();
        for (var row = 0; row < table.Rows; row++)
            found[(table["file"].TextAt(row)!, table["name"].TextAt(row)!)] = (table["rows"].Integers[row], (At(table["low"].Integers[row]), At(table["high"].Integers[row])));
        return files.Select(file =>
        {
            var name = Path.GetFileName(file);
            var kind = Kinds.First(k => name.StartsWith(k + "-", StringComparison.Ordinal));
            var (rows, time) = found[(file, "time")];
            return (kind, rows, kind is "labels" or "keyed" ? time : found[(file, "received")].Between, time);
        }).ToList();

        static DateTimeOffset At(long milliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(milliseconds);
    }
}
