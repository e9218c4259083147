using System.Globalization;
using Takt.Data;

namespace Takt.Deployments;

/// <summary>Turns the records of a journal into Parquet segments: <c>predictions-…</c> with <c>keys-…</c> beside them, <c>shadows-…</c>, <c>labels-…</c> and <c>keyed-…</c> (labels by key), each written aside and renamed.</summary>
/// <remarks>Memory is bounded by <see cref="MostRows"/> rows a shape, whatever the journal's length.</remarks>
static class SegmentWriter
{
    public const int MostRows = 50_000;

    /// <summary>Of a row group: whoever wants the newest rows, or those of a time, reads no more than that for nothing.</summary>
    public const int RowsOfGroup = 16_384;

    /// <summary>In front of a shape of shadows' rows.</summary>
    const string Shadows = "shadows|";

    /// <param name="name">Sorts by time; the same records under the same name are the same files, so that a recovery can repeat it.</param>
    public static void Write(string folder, string name, IEnumerable<ReadOnlyMemory<byte>> records)
    {
        var sources = new Dictionary<int, LogSource>();
        // a change of the model's inputs begins a new segment: within one, all rows have the same columns
        var open = new Dictionary<string, SegmentRows>(StringComparer.Ordinal);
        var shapeOf = new Dictionary<int, string>();
        var (labels, keyed) = (new List<Label>(), new List<Label>());
        var (part, labelPart, keyedPart) = (0, 0, 0);
        foreach (var payload in records)
        {
            var framed = payload.Span;
            var traced = framed.Length > BatchCodec.TraceBytes && framed[0] == BatchCodec.TracedRecord;
            var trace = traced ? Convert.ToHexStringLower(framed[1..BatchCodec.TraceBytes]) : null;
            var record = traced ? framed[BatchCodec.TraceBytes..] : framed;
            switch (record.Length > 0 ? record[0] : 0)
            {
                case BatchCodec.LabelRecord or BatchCodec.ClassLabelRecord:
                    labels.AddRange(BatchCodec.ReadLabels(record));
                    if (labels.Count >= MostRows) WriteLabels("labels", "id", labels, ref labelPart);
                    break;
                case BatchCodec.KeyedLabelRecord or BatchCodec.KeyedClassLabelRecord:
                    keyed.AddRange(BatchCodec.ReadLabels(record));
                    if (keyed.Count >= MostRows) WriteLabels("keyed", "key", keyed, ref keyedPart);
                    break;
                case BatchCodec.SourceRecord:
                    var read = BatchCodec.ReadSource(record);
                    sources[read.Number] = read;
                    shapeOf[read.Number] = SegmentRows.Shape(read.Inputs, read.Outputs);
                    break;
                case BatchCodec.BatchRecord or BatchCodec.ShadowRecord:
                    var batch = BatchCodec.ReadBatch(record);
                    var (inputs, outputs) = (SegmentRows.Columns(batch.Inputs), SegmentRows.Columns(batch.Outputs));
                    var shape = (record[0] == BatchCodec.ShadowRecord ? Shadows : "") + SegmentRows.Shape(inputs, outputs);
                    if (!open.TryGetValue(shape, out var rows)) open[shape] = rows = new SegmentRows(inputs, outputs);
                    rows.Add(batch, trace);
                    if (rows.Rows >= MostRows) WriteRows(shape);
                    break;
                case BatchCodec.RowsRecord:
                    var reader = new RecordReader(record[1..]);
                    var number = reader.Int();
                    if (!sources.TryGetValue(number, out var source)) break; // its source is in front of it in every journal that was written whole
                    if (!open.TryGetValue(shapeOf[number], out var of)) open[shapeOf[number]] = of = new SegmentRows(source.Inputs, source.Outputs);
                    of.Add(source, ref reader, trace);
                    if (of.Rows >= MostRows) WriteRows(shapeOf[number]);
                    break;
            }
        }
        foreach (var shape in open.Where(o => o.Value.Rows > 0).Select(o => o.Key).ToList()) WriteRows(shape);
        if (labels.Count > 0) WriteLabels("labels", "id", labels, ref labelPart);
        if (keyed.Count > 0) WriteLabels("keyed", "key", keyed, ref keyedPart);

        void WriteRows(string shape)
        {
            var shadows = shape.StartsWith(Shadows, StringComparison.Ordinal);
            if (!shadows && open[shape].KeyIndex() is { } keys) Tables.Write(keys, Path.Combine(folder, $"keys-{name}-{part:D2}.parquet"));
            Tables.Write(open[shape].Build(shadows ? "" : "in_"), Path.Combine(folder, $"{(shadows ? "shadows" : "predictions")}-{name}-{part++:D2}.parquet"), RowsOfGroup);
            open[shape].Clear(); // its arrays take the next rows
        }

        void WriteLabels(string kind, string named, List<Label> of, ref int written)
        {
            // the first has no number, as when there was only one
            Tables.Write(Labels(of, named), Path.Combine(folder, written++ == 0 ? $"{kind}-{name}.parquet" : $"{kind}-{name}~{written:D2}.parquet"));
            of.Clear();
        }
    }

    static Table Labels(List<Label> labels, string named) => new(
    [
        Column.Of(named, labels.Select(l => (string?)l.Id).ToArray()),
        labels.Exists(l => l.Class is not null) ? Column.Of("label", labels.Select(l => l.Class ?? l.Value.ToString("R", CultureInfo.InvariantCulture)).ToArray()) : Column.Of("label", labels.Select(l => l.Value).ToArray()),
        Column.OfTimes("time", labels.Select(l => l.Time.ToUnixTimeMilliseconds() * 1000).ToArray()),
    ]);
}
