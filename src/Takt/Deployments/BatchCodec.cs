using System.Text;
using Takt.Data;

namespace Takt.Deployments;

/// <summary>A batch or labels as a journal's record. The form is fixed by docs/formats.md; the first byte tells which it is.</summary>
static class BatchCodec
{
    const byte BatchRecord = 1;
    const byte LabelRecord = 2;

    public static byte[] Write(PredictionBatch batch)
    {
        using var body = new MemoryStream();
        using var writer = new BinaryWriter(body, Encoding.UTF8);
        writer.Write(BatchRecord);
        writer.Write(batch.Id);
        writer.Write(batch.Time.ToUnixTimeMilliseconds());
        writer.Write(batch.Received.ToUnixTimeMilliseconds());
        writer.Write(batch.Revision);
        writer.Write(batch.Model);
        writer.Write(batch.Latency.Ticks);
        writer.Write(batch.Error);
        Write(writer, batch.Inputs);
        Write(writer, batch.Outputs);
        writer.Flush();
        return body.ToArray();
    }

    public static byte[] Write(IReadOnlyList<Label> labels)
    {
        using var body = new MemoryStream();
        using var writer = new BinaryWriter(body, Encoding.UTF8);
        writer.Write(LabelRecord);
        writer.Write(labels.Count);
        foreach (var label in labels)
        {
            writer.Write(label.Id);
            writer.Write(label.Value);
            writer.Write(label.Time.ToUnixTimeMilliseconds());
        }
        writer.Flush();
        return body.ToArray();
    }

    /// <summary>A <see cref="PredictionBatch"/>, or a list of <see cref="Label"/>s.</summary>
    public static object Read(byte[] record)
    {
        using var reader = new BinaryReader(new MemoryStream(record), Encoding.UTF8);
        if (reader.ReadByte() == LabelRecord)
        {
            var labels = new List<Label>(reader.ReadInt32());
            for (var i = labels.Capacity; i > 0; i--)
                labels.Add(new Label(reader.ReadString(), reader.ReadDouble(), DateTimeOffset.FromUnixTimeMilliseconds(reader.ReadInt64())));
            return labels;
        }
        var (id, time, received) = (reader.ReadString(), reader.ReadInt64(), reader.ReadInt64());
        var (revision, model, latency, error) = (reader.ReadInt32(), reader.ReadString(), reader.ReadInt64(), reader.ReadString());
        return new PredictionBatch(id, DateTimeOffset.FromUnixTimeMilliseconds(time), DateTimeOffset.FromUnixTimeMilliseconds(received), revision, model,
            TimeSpan.FromTicks(latency), Table(reader), Table(reader), error);
    }

    static void Write(BinaryWriter writer, Table? table)
    {
        writer.Write(table?.Columns.Count ?? -1);
        if (table is null) return;
        writer.Write(table.Rows);
        foreach (var column in table.Columns)
        {
            writer.Write(column.Name);
            writer.Write((byte)column.Type);
            for (var row = 0; row < table.Rows; row++)
            {
                var missing = column.IsMissing(row);
                if (column.Type != ColumnType.Number) writer.Write(!missing);
                switch (column.Type)
                {
                    case ColumnType.Number: writer.Write(missing ? double.NaN : column.Numbers[row]); break;
                    case ColumnType.Boolean when !missing: writer.Write(column.Booleans[row]); break;
                    case ColumnType.Text when !missing: writer.Write(column.Texts[row]!); break;
                    case ColumnType.Integer or ColumnType.Time when !missing: writer.Write(column.Integers[row]); break;
                }
            }
        }
    }

    static Table? Table(BinaryReader reader)
    {
        var count = reader.ReadInt32();
        if (count < 0) return null;
        var rows = reader.ReadInt32();
        var columns = new Column[count];
        for (var c = 0; c < count; c++)
        {
            var (name, type) = (reader.ReadString(), (ColumnType)reader.ReadByte());
            Array values = type switch
            {
                ColumnType.Number => new double[rows],
                ColumnType.Boolean => new bool[rows],
                ColumnType.Text => new string?[rows],
                _ => new long[rows],
            };
            bool[]? missing = null;
            for (var row = 0; row < rows; row++)
            {
                if (type == ColumnType.Number)
                {
                    ((double[])values)[row] = reader.ReadDouble();
                    continue;
                }
                if (!reader.ReadBoolean())
                {
                    (missing ??= new bool[rows])[row] = true;
                    continue;
                }
                if (type == ColumnType.Boolean) ((bool[])values)[row] = reader.ReadBoolean();
                else if (type == ColumnType.Text) ((string?[])values)[row] = reader.ReadString();
                else ((long[])values)[row] = reader.ReadInt64();
            }
            columns[c] = Column.Over(name, type, values, rows, missing);
        }
        return new Table(columns);
    }
}
