using Takt.Data;

namespace Takt.Deployments;

/// <summary>Turns records of the journal into Parquet segments: <c>predictions-…</c> and <c>labels-…</c>, each written aside and renamed.</summary>
static class SegmentWriter
{
    /// <param name="name">Sorts by time; the same records under the same name are the same file, so that a recovery can repeat it.</param>
    public static void Write(string folder, string name, IReadOnlyList<object> records)
    {
        var batches = records.OfType<PredictionBatch>().ToList();
        var labels = records.OfType<List<Label>>().SelectMany(l => l).ToList();
        // a change of the model's inputs begins a new segment: within one, all rows have the same columns
        var part = 0;
        foreach (var group in batches.GroupBy(Shape))
            Tables.Write(Predictions([.. group]), Path.Combine(folder, $"predictions-{name}-{part++:D2}.parquet"));
        if (labels.Count > 0) Tables.Write(Labels(labels), Path.Combine(folder, $"labels-{name}.parquet"));
    }

    static string Shape(PredictionBatch batch) => string.Join('|',
        (batch.Inputs?.Columns ?? []).Select(c => $"in {c.Name} {c.Type}").Concat((batch.Outputs?.Columns ?? []).Select(c => $"out {c.Name} {c.Type}")));

    static Table Predictions(List<PredictionBatch> batches)
    {
        var rows = batches.Sum(b => b.Rows);
        var (id, time, received) = (new string?[rows], new long[rows], new long[rows]);
        var (revision, model, latency, error) = (new long[rows], new string?[rows], new long[rows], new string?[rows]);
        var at = 0;
        foreach (var batch in batches)
            for (var row = 0; row < batch.Rows; row++, at++)
            {
                id[at] = $"{batch.Id}:{row}";
                time[at] = Microseconds(batch.Time);
                received[at] = Microseconds(batch.Received);
                revision[at] = batch.Revision;
                model[at] = batch.Model;
                latency[at] = (long)batch.Latency.TotalMicroseconds;
                error[at] = batch.Error;
            }
        var columns = new List<Column>
        {
            Column.Of("id", id), Column.OfTimes("time", time), Column.OfTimes("received", received), Column.Of("revision", revision),
            Column.Of("model_version", model), Column.Of("latency_us", latency), Column.Of("error", error),
        };
        Append(columns, "in_", batches, b => b.Inputs, rows);
        Append(columns, "out_", batches, b => b.Outputs, rows);
        return new Table(columns);
    }

    static void Append(List<Column> columns, string prefix, List<PredictionBatch> batches, Func<PredictionBatch, Table?> table, int rows)
    {
        if (table(batches[0]) is not { } first) return;
        for (var c = 0; c < first.Columns.Count; c++)
        {
            var type = first.Columns[c].Type;
            Array values = type switch
            {
                ColumnType.Number => new double[rows],
                ColumnType.Boolean => new bool[rows],
                ColumnType.Text => new string?[rows],
                _ => new long[rows],
            };
            var missing = new bool[rows];
            var at = 0;
            foreach (var batch in batches)
            {
                var column = table(batch)!.Columns[c];
                Array.Copy(column.Values, 0, values, at, column.Length);
                for (var row = 0; row < column.Length; row++) missing[at + row] = column.IsMissing(row);
                at += column.Length;
            }
            columns.Add(Column.Over(prefix + first.Columns[c].Name, type, values, rows, missing));
        }
    }

    static Table Labels(List<Label> labels) => new(
    [
        Column.Of("id", labels.Select(l => (string?)l.Id).ToArray()),
        Column.Of("label", labels.Select(l => l.Value).ToArray()),
        Column.OfTimes("time", labels.Select(l => Microseconds(l.Time)).ToArray()),
    ]);

    static long Microseconds(DateTimeOffset time) => (time - DateTimeOffset.UnixEpoch).Ticks / 10;
}
