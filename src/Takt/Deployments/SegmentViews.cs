using DuckDB.NET.Data;
using Takt.Data;

namespace Takt.Deployments;

/// <summary>Segments as the views <c>predictions</c>, <c>shadows</c>, <c>labels</c> and <c>told</c>, in the columns that docs/formats.md names.</summary>
static class SegmentViews
{
    const string NoShadow = "select ''::varchar as id, now()::timestamp as time, now()::timestamp as received, 0::bigint as revision, ''::varchar as model_version, 0::bigint as latency_us, ''::varchar as error, 0::double as difference where false";

    const string NoLabel = "select ''::varchar as id, 0::double as label, now()::timestamp as time, (now()::timestamp, '', 0::bigint) as place where false";
    const string Place = "(time, name, file_row_number) as place";

    static string Told(string files) => $"read_parquet([{files}], filename = true, file_row_number = true, union_by_name = true) join segment_order on file = filename";

    /// <param name="segments">By their names, which begin with their kind; the files may be called anything.</param>
    /// <param name="twice">A row may be in two of them: it is taken once.</param>
    /// <returns>Null: there is no prediction among them.</returns>
    public static DuckDBConnection? Open(IReadOnlyCollection<(string Name, string File)> segments, bool twice = false)
    {
        string List(string kind) => string.Join(", ", segments.Where(s => s.Name.StartsWith(kind + "-", StringComparison.Ordinal)).OrderBy(s => s.Name, StringComparer.Ordinal).Select(s => DuckDb.Text(s.File)));
        var (predictions, shadows, labels, keyed, keys) = (List("predictions"), List("shadows"), List("labels"), List("keyed"), List("keys"));
        if (predictions.Length == 0) return null;
        var connection = DuckDb.Open();
        try
        {
            DuckDb.Execute(connection, $"set variable prediction_files = [{predictions}]"); // for whoever asks their footers
            DuckDb.Execute(connection, $"create view predictions as select * from read_parquet([{predictions}], union_by_name = true){(twice ? " qualify row_number() over (partition by id) = 1" : "")}");
            DuckDb.Execute(connection, $"create view shadows as {(shadows.Length == 0 ? NoShadow : $"select * from read_parquet([{shadows}], union_by_name = true)")}");
            // the label of the newest time counts, of one time the later written: files of the store are not called by when they were written
            DuckDb.Execute(connection, "create table segment_order(file varchar, name varchar)");
            foreach (var chunk in segments.Where(s => s.Name.StartsWith("labels-", StringComparison.Ordinal) || s.Name.StartsWith("keyed-", StringComparison.Ordinal)).Chunk(500))
                DuckDb.Execute(connection, $"insert into segment_order values {string.Join(", ", chunk.Select(s => $"({DuckDb.Text(s.File)}, {DuckDb.Text(s.Name[(s.Name.IndexOf('-', StringComparison.Ordinal) + 1)..])})"))}");
            var told = labels.Length == 0 ? NoLabel : $"select id, label, time, {Place} from {Told(labels)}";
            // which prediction a key means is found when it is read, for it may come later than the label, or from another server
            if (keyed.Length > 0 && keys.Length > 0)
                told += $"""
                     union all select p.id, k.label, k.time, k.place from (select key, label, time, {Place} from {Told(keyed)}) k
                     asof join (select key, time, max(id) as id from read_parquet([{keys}]) where key in (select key from read_parquet([{keyed}])) group by key, time) p on k.key = p.key and k.time >= p.time
                    """;
            DuckDb.Execute(connection, "create view told as " + told);
            DuckDb.Execute(connection, "create view labels as select id, arg_max(label, place) as label, max(time) as time from told group by id");
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }
}
