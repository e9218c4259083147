using System.Buffers.Binary;
using System.Text.Unicode;
using Takt.Deployments;
using Takt.Models;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>
/// The short way for the usual <c>ModelInferRequest</c> to a tabular model, as <see cref="TabularRequest"/> is for JSON: from its bytes straight into rows of
/// numbers. Whatever is unusual, or wrong, it leaves to <see cref="InferMessage"/>; both read the same values.
/// </summary>
static class TabularMessage
{
    const int LongestId = 256;

    /// <summary>What stands where in a message.</summary>
    /// <param name="Inputs">Where the first input begins; -1: there is none. So for the others.</param>
    /// <param name="IsPlain">It has no parameters.</param>
    internal readonly record struct Parts(Range Model, Range Version, Range Id, int Inputs, int Outputs, int Raw, bool IsPlain);

    /// <returns>False: it is no message.</returns>
    public static bool TryScan(ReadOnlySpan<byte> message, out Parts parts)
    {
        Range model = default, version = default, id = default;
        var (inputs, outputs, raw, plain) = (-1, -1, -1, true);
        try
        {
            var reader = new ProtobufReader(message);
            for (var at = 0; reader.Next(out var field); at = reader.Position)
            {
                if (field is < 1 or > 7)
                {
                    reader.Skip();
                    continue;
                }
                var length = reader.Bytes().Length;
                var value = (reader.Position - length)..reader.Position;
                switch (field)
                {
                    case 1: model = value; break;
                    case 2: version = value; break;
                    case 3: id = value; break;
                    case 4: plain = false; break;
                    case 5: inputs = inputs < 0 ? at : inputs; break;
                    case 6: outputs = outputs < 0 ? at : outputs; break;
                    default: raw = raw < 0 ? at : raw; break;
                }
            }
        }
        catch (FormatException)
        {
            parts = default;
            return false;
        }
        parts = new(model, version, id, inputs, outputs, raw, plain);
        return true;
    }

    /// <returns>False: take the long way.</returns>
    public static bool TryRead(ReadOnlySpan<byte> message, in Parts parts, RowScorer scorer, RowBatch batch)
    {
        if (!parts.IsPlain || parts.Inputs < 0 || !TabularRequest.CanRead(scorer) || message[parts.Id] is { Length: > 0 } id && (id.Length > LongestId || !Utf8.IsValid(id))) return false;
        try
        {
            return OutputsAreAll(message, parts.Outputs, scorer) && Inputs(message, parts, scorer, batch);
        }
        catch (FormatException)
        {
            return false;
        }
    }

    /// <summary>Clients name the one output that there is, or none.</summary>
    static bool OutputsAreAll(ReadOnlySpan<byte> message, int from, RowScorer scorer)
    {
        if (from < 0) return true;
        var count = 0;
        var reader = new ProtobufReader(message[from..]);
        while (reader.Next(out var field))
        {
            if (field != 6)
            {
                reader.Skip();
                continue;
            }
            var output = new ProtobufReader(reader.Bytes());
            if (++count > 1 || !output.Next(out field) || field != 1 || !output.Bytes().SequenceEqual(scorer.NameOfOutput) || !output.AtEnd) return false;
        }
        return true;
    }

    static bool Inputs(ReadOnlySpan<byte> message, in Parts parts, RowScorer scorer, RowBatch batch)
    {
        var features = scorer.Features.Count;
        Span<bool> seen = stackalloc bool[TabularRequest.MostFeatures];
        seen = seen[..features];
        seen.Clear();
        var isRaw = parts.Raw >= 0;
        var raw = new ProtobufReader(message[(isRaw ? parts.Raw : message.Length)..]);
        var reader = new ProtobufReader(message[parts.Inputs..]);
        var (next, count, rows) = (0, 0, -1L);
        while (reader.Next(out var field))
        {
            if (field != 5)
            {
                reader.Skip();
                continue;
            }
            if (!Tensor(reader.Bytes(), out var tensor)) return false;
            var values = tensor.Contents;
            if (isRaw && (!values.IsEmpty || !NextRaw(ref raw, out values))) return false;
            if (tensor.Rows is < 1 or > InferRequest.MostRows) return false;
            var feature = Find(tensor.Name, scorer, next);
            if (feature < 0) return count == 0 && IsMatrix(tensor, scorer) && Matrix(tensor, isRaw, values, features, batch) && NoMore(ref reader, 5) && (!isRaw || NoMore(ref raw, 7));
            if (tensor.Columns != 1 || seen[feature]) return false;
            if (rows < 0)
            {
                if (tensor.Rows * features > message.Length) return false; // a value has a byte at least: no room is made for what can't be there
                batch.Begin((int)(rows = tensor.Rows), features);
            }
            if (tensor.Rows != rows || !Column(values, isRaw, tensor.DataType, scorer, feature, (int)rows, batch)) return false;
            seen[feature] = true;
            next = feature + 1;
            count++;
        }
        return count == features && (!isRaw || NoMore(ref raw, 7));
    }

    static bool NextRaw(scoped ref ProtobufReader reader, out ReadOnlySpan<byte> values)
    {
        while (reader.Next(out var field))
        {
            if (field == 7)
            {
                values = reader.Bytes();
                return true;
            }
            reader.Skip();
        }
        values = default;
        return false;
    }

    static bool NoMore(ref ProtobufReader reader, int wanted)
    {
        while (reader.Next(out var field))
        {
            if (field == wanted) return false;
            reader.Skip();
        }
        return true;
    }

    /// <param name="Columns">1: the shape is [rows] or [rows,1].</param>
    readonly ref struct Input(ReadOnlySpan<byte> name, ReadOnlySpan<byte> dataType, long rows, long columns, ReadOnlySpan<byte> contents)
    {
        public ReadOnlySpan<byte> Name { get; } = name;
        public ReadOnlySpan<byte> DataType { get; } = dataType;
        public ReadOnlySpan<byte> Contents { get; } = contents;
        public long Rows { get; } = rows;
        public long Columns { get; } = columns;
    }

    static bool Tensor(ReadOnlySpan<byte> message, out Input tensor)
    {
        tensor = default;
        ReadOnlySpan<byte> name = default, dataType = default, contents = default;
        Span<long> shape = stackalloc long[2];
        var dimensions = 0;
        var reader = new ProtobufReader(message);
        while (reader.Next(out var field))
            switch (field)
            {
                case 1: name = reader.Bytes(); break;
                case 2: dataType = reader.Bytes(); break;
                case 3 when reader.IsBytes:
                    for (var pack = new ProtobufReader(reader.Bytes()); !pack.AtEnd; dimensions++)
                    {
                        if (dimensions == 2) return false;
                        shape[dimensions] = (long)pack.Varint();
                    }
                    break;
                case 3:
                    if (dimensions == 2) return false;
                    shape[dimensions++] = reader.Whole();
                    break;
                case 5 when contents.IsEmpty: contents = reader.Bytes(); break;
                default: return false; // parameters among others
            }
        tensor = new(name, dataType, shape[0], dimensions == 2 ? shape[1] : 1, contents);
        return dimensions > 0;
    }

    /// <summary>Clients send the inputs in one order: the next is tried first.</summary>
    static int Find(ReadOnlySpan<byte> name, RowScorer scorer, int next)
    {
        if (next < scorer.Features.Count && name.SequenceEqual(scorer.NameOf(next))) return next;
        for (var f = 0; f < scorer.Features.Count; f++)
            if (name.SequenceEqual(scorer.NameOf(f))) return f;
        return -1;
    }

    static bool IsMatrix(in Input tensor, RowScorer scorer)
    {
        if (tensor.Columns != scorer.Features.Count || tensor.Columns == 1) return false;
        foreach (var feature in scorer.Features)
            if (feature.Type is not (FieldType.Float or FieldType.Double)) return false;
        return true;
    }

    /// <summary>One tensor of rows × features, as <see cref="RowBatch"/> has them too.</summary>
    static bool Matrix(in Input tensor, bool isRaw, ReadOnlySpan<byte> values, int features, RowBatch batch)
    {
        var rows = (int)tensor.Rows;
        if (!isRaw && !Pack(ref values, tensor.DataType)) return false;
        var size = tensor.DataType.SequenceEqual("FP64"u8) ? 8 : tensor.DataType.SequenceEqual("FP32"u8) ? 4 : 0;
        if (size == 0 || values.Length != (long)rows * features * size) return false;
        batch.Begin(rows, features);
        if (size == 8)
        {
            for (var row = 0; row < rows; row++)
                for (var f = 0; f < features; f++, values = values[8..])
                    if (BinaryPrimitives.ReadDoubleLittleEndian(values) is var number && !double.IsInfinity(number)) batch.Set(row, f, number);
                    else return false;
            return true;
        }
        for (var row = 0; row < rows; row++)
            for (var f = 0; f < features; f++, values = values[4..])
                if (BinaryPrimitives.ReadSingleLittleEndian(values) is var number && !float.IsInfinity(number)) batch.Set(row, f, number);
                else return false;
        return true;
    }

    /// <summary>The values of <c>fp32_contents</c> and <c>fp64_contents</c> in one pack stand there as they do raw.</summary>
    static bool Pack(ref ReadOnlySpan<byte> contents, ReadOnlySpan<byte> dataType)
    {
        var wanted = dataType.SequenceEqual("FP64"u8) ? 7 : dataType.SequenceEqual("FP32"u8) ? 6 : 0;
        return wanted > 0 && OnePack(ref contents, wanted);
    }

    static bool OnePack(ref ReadOnlySpan<byte> contents, int wanted)
    {
        var reader = new ProtobufReader(contents);
        if (!reader.Next(out var field) || field != wanted || !reader.IsBytes) return false;
        contents = reader.Bytes();
        return reader.AtEnd;
    }

    static bool Column(ReadOnlySpan<byte> values, bool isRaw, ReadOnlySpan<byte> dataType, RowScorer scorer, int feature, int rows, RowBatch batch)
    {
        var type = scorer.Features[feature].Type;
        if (type == FieldType.String) return dataType.SequenceEqual("BYTES"u8) && (isRaw ? RawTexts(values, scorer, feature, rows, batch) : Texts(values, scorer, feature, rows, batch));
        var real = type is FieldType.Float or FieldType.Double;
        if (dataType.SequenceEqual("FP64"u8))
        {
            if (!real || (!isRaw && !OnePack(ref values, 7)) || values.Length != rows * 8) return false;
            for (var row = 0; row < rows; row++)
                if (BinaryPrimitives.ReadDoubleLittleEndian(values[(row * 8)..]) is var number && !double.IsInfinity(number)) batch.Set(row, feature, number);
                else return false;
            return true;
        }
        if (dataType.SequenceEqual("FP32"u8))
        {
            if (!real || (!isRaw && !OnePack(ref values, 6)) || values.Length != rows * 4) return false;
            for (var row = 0; row < rows; row++)
                if (BinaryPrimitives.ReadSingleLittleEndian(values[(row * 4)..]) is var number && !float.IsInfinity(number)) batch.Set(row, feature, number);
                else return false;
            return true;
        }
        var size = dataType.SequenceEqual("INT64"u8) ? 8 : dataType.SequenceEqual("INT32"u8) ? 4 : dataType.SequenceEqual("BOOL"u8) && type == FieldType.Boolean ? 1 : 0;
        if (size == 0) return false;
        if (!isRaw) return OnePack(ref values, size switch { 8 => 3, 4 => 2, _ => 1 }) && Integers(values, size, type, feature, rows, batch);
        if (values.Length != rows * size) return false;
        for (var row = 0; row < rows; row++)
            if (!Integer(size switch { 8 => BinaryPrimitives.ReadInt64LittleEndian(values[(row * 8)..]), 4 => BinaryPrimitives.ReadInt32LittleEndian(values[(row * 4)..]), _ => values[row] }, type, feature, row, batch)) return false;
        return true;
    }

    static bool Integers(ReadOnlySpan<byte> pack, int size, FieldType type, int feature, int rows, RowBatch batch)
    {
        var row = 0;
        for (var reader = new ProtobufReader(pack); !reader.AtEnd; row++)
        {
            var bits = reader.Varint();
            if (row == rows || !Integer(size switch { 8 => (long)bits, 4 => (int)bits, _ => bits == 0 ? 0 : 1 }, type, feature, row, batch)) return false;
        }
        return row == rows;
    }

    static bool Integer(long value, FieldType type, int feature, int row, RowBatch batch)
    {
        if (value is < -TabularRequest.LargestExact or > TabularRequest.LargestExact || (type == FieldType.Boolean && value is not (0 or 1))) return false;
        batch.Set(row, feature, value);
        return true;
    }

    static bool RawTexts(ReadOnlySpan<byte> raw, RowScorer scorer, int feature, int rows, RowBatch batch)
    {
        for (var row = 0; row < rows; row++)
        {
            if (raw.Length < 4 || BinaryPrimitives.ReadUInt32LittleEndian(raw) is var length && length > (uint)(raw.Length - 4)) return false;
            if (!Text(raw.Slice(4, (int)length), scorer, feature, row, batch)) return false;
            raw = raw[(4 + (int)length)..];
        }
        return raw.IsEmpty;
    }

    static bool Texts(ReadOnlySpan<byte> contents, RowScorer scorer, int feature, int rows, RowBatch batch)
    {
        var row = 0;
        for (var reader = new ProtobufReader(contents); reader.Next(out var field); row++)
            if (field != 8 || row == rows || !Text(reader.Bytes(), scorer, feature, row, batch)) return false;
        return row == rows;
    }

    static bool Text(ReadOnlySpan<byte> text, RowScorer scorer, int feature, int row, RowBatch batch)
    {
        if (!Utf8.IsValid(text)) return false;
        batch.Set(row, feature, scorer.Code(feature, text), text, missing: false);
        return true;
    }
}
