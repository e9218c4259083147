using System.Buffers.Binary;
using System.Diagnostics;
using Takt.Data;

namespace Takt.Deployments;

/// <summary>The records of a journal. Their forms are fixed by docs/formats.md; the first byte tells which it is.</summary>
static class BatchCodec
{
    public const byte BatchRecord = 1;
    public const byte LabelRecord = 2;
    public const byte SourceRecord = 3;
    public const byte RowsRecord = 4;

    /// <summary>As <see cref="BatchRecord"/>: a shadow's answer, under the id of the prediction that it was copied from; its inputs are the column <c>difference</c>.</summary>
    public const byte ShadowRecord = 5;

    /// <summary>In front of a whole <see cref="BatchRecord"/> or <see cref="RowsRecord"/>, in one record with it: the 16 bytes of its trace's id.</summary>
    public const byte TracedRecord = 6;

    /// <summary>As <see cref="LabelRecord"/>, with callers' keys in place of ids.</summary>
    public const byte KeyedLabelRecord = 7;

    /// <summary>As <see cref="LabelRecord"/> and <see cref="KeyedLabelRecord"/>, with the name of a class in place of a number.</summary>
    public const byte ClassLabelRecord = 8, KeyedClassLabelRecord = 9;

    /// <summary>Bytes of a <see cref="TracedRecord"/> before the record that it is about.</summary>
    public const int TraceBytes = 17;

    /// <summary>What is written next belongs to this trace.</summary>
    public static void WriteTrace(RecordWriter writer, ActivityTraceId trace)
    {
        Span<byte> id = stackalloc byte[TraceBytes - 1];
        trace.CopyTo(id);
        writer.Byte(TracedRecord);
        writer.Long(BinaryPrimitives.ReadInt64LittleEndian(id));
        writer.Long(BinaryPrimitives.ReadInt64LittleEndian(id[8..]));
    }

    public static void Write(RecordWriter writer, PredictionBatch batch, byte kind = BatchRecord)
    {
        if (batch.Trace is { } trace) WriteTrace(writer, trace);
        writer.Byte(kind);
        writer.Text(batch.Id);
        writer.Long(batch.Time.ToUnixTimeMilliseconds());
        writer.Long(batch.Received.ToUnixTimeMilliseconds());
        writer.Int(batch.Revision);
        writer.Text(batch.Model);
        writer.Long(batch.Latency.Ticks);
        writer.Text(batch.Error);
        Write(writer, batch.Inputs);
        Write(writer, batch.Outputs);
        if (batch.Keys is not { } keys) return;
        writer.Int(keys.Count);
        foreach (var key in keys) writer.Text(key);
    }

    /// <param name="labels">All by id or all by key, all numbers or all classes.</param>
    public static void Write(RecordWriter writer, IReadOnlyList<Label> labels)
    {
        var (keyed, classes) = (labels is [{ ByKey: true }, ..], labels is [{ Class: not null }, ..]);
        writer.Byte((keyed, classes) switch { (false, false) => LabelRecord, (true, false) => KeyedLabelRecord, (false, true) => ClassLabelRecord, _ => KeyedClassLabelRecord });
        writer.Int(labels.Count);
        foreach (var label in labels)
        {
            writer.Text(label.Id);
            if (classes) writer.Text(label.Class!);
            else writer.Double(label.Value);
            writer.Long(label.Time.ToUnixTimeMilliseconds());
        }
    }

    public static void Write(RecordWriter writer, LogSource source)
    {
        writer.Byte(SourceRecord);
        writer.Int(source.Number);
        writer.Int(source.Revision);
        writer.Text(source.Model);
        foreach (var columns in (IReadOnlyList<LogColumn>[])[source.Inputs, source.Outputs])
        {
            writer.Int(columns.Count);
            foreach (var column in columns)
            {
                writer.Text(column.Name);
                writer.Byte((byte)column.Type);
            }
        }
    }

    /// <summary>A record with <see cref="BatchRecord"/> or <see cref="ShadowRecord"/>.</summary>
    public static PredictionBatch ReadBatch(ReadOnlySpan<byte> record)
    {
        var reader = new RecordReader(record[1..]);
        var (id, time, received) = (reader.Text(), reader.Long(), reader.Long());
        var (revision, model, latency, error) = (reader.Int(), reader.Text(), reader.Long(), reader.Text());
        return new PredictionBatch(id, DateTimeOffset.FromUnixTimeMilliseconds(time), DateTimeOffset.FromUnixTimeMilliseconds(received), revision, model,
            TimeSpan.FromTicks(latency), ReadTable(ref reader), ReadTable(ref reader), error)
        { Keys = ReadKeys(ref reader) };
    }

    static string[]? ReadKeys(ref RecordReader reader)
    {
        if (reader.IsAtEnd) return null;
        var keys = new string[reader.Int()];
        for (var i = 0; i < keys.Length; i++) keys[i] = reader.Text();
        return keys;
    }

    /// <summary>A record of one of the four kinds of labels.</summary>
    public static List<Label> ReadLabels(ReadOnlySpan<byte> record)
    {
        var reader = new RecordReader(record[1..]);
        var count = reader.Int();
        var labels = new List<Label>(count);
        var (keyed, classes) = (record[0] is KeyedLabelRecord or KeyedClassLabelRecord, record[0] is ClassLabelRecord or KeyedClassLabelRecord);
        for (var i = 0; i < count; i++)
        {
            var id = reader.Text();
            var (value, name) = classes ? (double.NaN, reader.Text()) : (reader.Double(), null);
            labels.Add(new Label(id, value, DateTimeOffset.FromUnixTimeMilliseconds(reader.Long()), keyed, name));
        }
        return labels;
    }

    /// <summary>A record with <see cref="SourceRecord"/>.</summary>
    public static LogSource ReadSource(ReadOnlySpan<byte> record)
    {
        var reader = new RecordReader(record[1..]);
        var (number, revision, model) = (reader.Int(), reader.Int(), reader.Text());
        return new LogSource(number, revision, model, Columns(ref reader), Columns(ref reader));
    }

    static LogColumn[] Columns(ref RecordReader reader)
    {
        var columns = new LogColumn[reader.Int()];
        for (var c = 0; c < columns.Length; c++) columns[c] = new LogColumn(reader.Text(), (ColumnType)reader.Byte());
        return columns;
    }

    static void Write(RecordWriter writer, Table? table)
    {
        writer.Int(table?.Columns.Count ?? -1);
        if (table is null) return;
        writer.Int(table.Rows);
        foreach (var column in table.Columns)
        {
            writer.Text(column.Name);
            writer.Byte((byte)column.Type);
            for (var row = 0; row < table.Rows; row++) writer.Value(column, row);
        }
    }

    static Table? ReadTable(ref RecordReader reader)
    {
        var count = reader.Int();
        if (count < 0) return null;
        var rows = reader.Int();
        var columns = new Column[count];
        for (var c = 0; c < count; c++)
        {
            var values = new ColumnValues(new LogColumn(reader.Text(), (ColumnType)reader.Byte()), rows);
            for (var row = 0; row < rows; row++) values.Append(ref reader);
            columns[c] = values.Build("");
        }
        return new Table(columns);
    }
}
