using Takt.Data;

namespace Takt.Deployments;

/// <summary>Rows of one shape on their way from a journal into a segment.</summary>
sealed class SegmentRows(IReadOnlyList<LogColumn> inputs, IReadOnlyList<LogColumn> outputs)
{
    readonly ColumnValues[] _inputs = inputs.Select(c => new ColumnValues(c, 1024)).ToArray();
    readonly ColumnValues[] _outputs = outputs.Select(c => new ColumnValues(c, 1024)).ToArray();
    readonly List<string?> _id = [], _model = [], _error = [], _trace = [], _key = [];
    readonly List<long> _time = [], _received = [], _revision = [], _latency = [];

    public int Rows => _id.Count;

    public static string Shape(IEnumerable<LogColumn> inputs, IEnumerable<LogColumn> outputs) =>
        string.Join('|', inputs.Select(c => $"in {c.Type} {c.Name}").Concat(outputs.Select(c => $"out {c.Type} {c.Name}")));

    public static IReadOnlyList<LogColumn> Columns(Table? table) => table is null ? [] : table.Columns.Select(c => new LogColumn(c.Name, c.Type)).ToList();

    /// <param name="trace">Its id in hexadecimal; null: it is not known.</param>
    public void Add(PredictionBatch batch, string? trace)
    {
        for (var row = 0; row < batch.Rows; row++)
            Add($"{batch.Id}:{row}", batch.Time.ToUnixTimeMilliseconds(), batch.Received.ToUnixTimeMilliseconds(), batch.Revision, batch.Model, batch.Latency.Ticks, batch.Error, trace, batch.Keys is { } keys && keys.Count == batch.Rows ? keys[row] : null);
        for (var c = 0; c < _inputs.Length; c++) _inputs[c].Append(batch.Inputs!.Columns[c]);
        for (var c = 0; c < _outputs.Length; c++) _outputs[c].Append(batch.Outputs!.Columns[c]);
    }

    /// <param name="reader">Behind the record's kind and source.</param>
    public void Add(LogSource source, ref RecordReader reader, string? trace)
    {
        var id = reader.Id();
        var (time, received, latency, rows) = (reader.Long(), reader.Long(), reader.Long(), reader.Int());
        for (var row = 0; row < rows; row++) Add(id.OfRow(row), time, received, source.Revision, source.Model, latency, "", trace);
        foreach (var columns in (ColumnValues[][])[_inputs, _outputs])
            foreach (var column in columns)
                for (var row = 0; row < rows; row++) column.Append(ref reader);
    }

    void Add(string id, long time, long received, int revision, string model, long latency, string error, string? trace, string? key = null)
    {
        const long TicksAMicrosecond = 10;
        _id.Add(id);
        _time.Add(time * 1000);
        _received.Add(received * 1000);
        _revision.Add(revision);
        _model.Add(model);
        _latency.Add(latency / TicksAMicrosecond);
        _error.Add(error);
        _trace.Add(trace);
        _key.Add(key);
    }

    /// <summary>Room for others, which what was built of these must not outlive.</summary>
    public void Clear()
    {
        foreach (var texts in (List<string?>[])[_id, _model, _error, _trace, _key]) texts.Clear();
        foreach (var numbers in (List<long>[])[_time, _received, _revision, _latency]) numbers.Clear();
        foreach (var column in (ColumnValues[])[.. _inputs, .. _outputs]) column.Clear();
    }

    /// <summary>A log of requests that nobody traces has no such column.</summary>
    IEnumerable<Column> Traces() => _trace.Exists(t => t is not null) ? [Column.Of("trace_id", _trace.ToArray())] : [];

    IEnumerable<Column> Keys() => _key.Exists(k => k is not null) ? [Column.Of("key", _key.ToArray())] : [];

    /// <summary>Where labels by key find their predictions without reading them: the answered rows that have one, in its order; null: none has.</summary>
    public Table? KeyIndex()
    {
        var rows = Enumerable.Range(0, Rows).Where(row => _key[row] is not null && _error[row]!.Length == 0).OrderBy(row => _key[row], StringComparer.Ordinal).ToArray();
        return rows.Length == 0 ? null : new Table(
        [
            Column.Of("key", Array.ConvertAll(rows, row => _key[row])), Column.OfTimes("time", Array.ConvertAll(rows, row => _time[row])),
            Column.OfTimes("received", Array.ConvertAll(rows, row => _received[row])), Column.Of("id", Array.ConvertAll(rows, row => _id[row])),
        ]);
    }

    public Table Build(string prefix = "in_") => new(
    [
        Column.Of("id", _id.ToArray()), Column.OfTimes("time", _time.ToArray()), Column.OfTimes("received", _received.ToArray()), Column.Of("revision", _revision.ToArray()),
        Column.Of("model_version", _model.ToArray()), Column.Of("latency_us", _latency.ToArray()), Column.Of("error", _error.ToArray()), .. Traces(), .. Keys(),
        .. _inputs.Select(c => c.Build(prefix)), .. _outputs.Select(c => c.Build("out_")),
    ]);
}
