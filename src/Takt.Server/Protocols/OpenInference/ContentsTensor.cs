using System.Buffers.Binary;
using System.Text;
using Takt.Data;
using Takt.Models;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>The values of one tensor in a message <c>InferTensorContents</c>: a field for each kind of number, packed or one by one.</summary>
static class ContentsTensor
{
    const int MostFields = 8;

    static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    static readonly string[] Names = ["", "bool_contents", "int_contents", "int64_contents", "uint_contents", "uint64_contents", "fp32_contents", "fp64_contents", "bytes_contents"];

    /// <summary>The field that a datatype's values stand in; 0: none, they are sent raw.</summary>
    public static int FieldOf(string dataType) => dataType switch
    {
        "BOOL" => 1,
        "INT8" or "INT16" or "INT32" => 2,
        "INT64" => 3,
        "UINT8" or "UINT16" or "UINT32" => 4,
        "UINT64" => 5,
        "FP32" => 6,
        "FP64" => 7,
        "BYTES" => 8,
        _ => 0,
    };

    /// <returns>Null when it is noted in <paramref name="faults"/>.</returns>
    public static Column? Read(ReadOnlySpan<byte> contents, InferRequest.Tensor tensor, Field field, int count, List<string> faults)
    {
        var wanted = FieldOf(tensor.DataType);
        if (wanted == 0)
        {
            faults.Add($"input '{tensor.Name}': {tensor.DataType} has no field in contents; send all inputs in raw_input_contents");
            return null;
        }
        var values = new Values(tensor, field, count, Math.Min(count, contents.Length)); // a value has a byte at least: no room is made for what can't be there
        try
        {
            var reader = new ProtobufReader(contents);
            while (values.Fault is null && reader.Next(out var number))
                if (number > MostFields) reader.Skip();
                else if (number != wanted)
                {
                    if (reader.IsBytes && number != 8 && reader.Bytes().IsEmpty) continue; // an empty pack
                    values.Fault = $"input '{tensor.Name}' has {Names[number]}; the values of {tensor.DataType} stand in {Names[wanted]}";
                }
                else if (wanted == 8) values.Add(reader.Bytes());
                else if (!reader.IsBytes) Number(ref values, wanted, ref reader, packed: false);
                else
                {
                    var pack = new ProtobufReader(reader.Bytes());
                    while (values.Fault is null && !pack.AtEnd) Number(ref values, wanted, ref pack, packed: true);
                }
        }
        catch (FormatException)
        {
            values.Fault = $"the contents of input '{tensor.Name}' are no InferTensorContents";
        }
        if (values.Fault is null && values.Read < count) values.Fault = $"input '{tensor.Name}' has {values.Read} values; its shape [{string.Join(',', tensor.Shape)}] says {count}";
        if (values.Fault is null) return values.ToColumn();
        faults.Add(values.Fault);
        return null;
    }

    /// <summary>The values of a tensor of any shape and type, as raw bytes; FP32 and FP64 in one pack stay where they are.</summary>
    /// <returns>Null when it is noted in <paramref name="faults"/>.</returns>
    public static ReadOnlyMemory<byte>? Read(ReadOnlyMemory<byte> contents, InferRequest.Tensor tensor, TensorType type, List<string> faults)
    {
        var (count, wanted, size) = (Tensor.CountOf(tensor.Shape), FieldOf(tensor.DataType), Tensor.SizeOf(type));
        if (wanted == 0) faults.Add($"input '{tensor.Name}': {tensor.DataType} has no field in contents; send all inputs in raw_input_contents");
        else if (count < 0 || count > contents.Length) faults.Add($"input '{tensor.Name}' has fewer values than its shape {Tensor.ShapeText(tensor.Shape)} says"); // a byte a value at least
        else
            try
            {
                if (type is TensorType.Fp32 or TensorType.Fp64 && OnePack(contents, wanted) is { } there && there.Length == count * size) return there;
                var values = new byte[type == TensorType.Bytes ? BytesOf(contents.Span) : count * size];
                if (Fault(contents.Span, tensor, type, wanted, count, values) is not { } fault) return values;
                faults.Add(fault);
            }
            catch (FormatException)
            {
                faults.Add($"the contents of input '{tensor.Name}' are no InferTensorContents");
            }
        return null;
    }

    static ReadOnlyMemory<byte>? OnePack(ReadOnlyMemory<byte> contents, int wanted)
    {
        var reader = new ProtobufReader(contents.Span);
        if (!reader.Next(out var number) || number != wanted || !reader.IsBytes) return null;
        var length = reader.Bytes().Length;
        return reader.AtEnd ? contents.Slice(reader.Position - length, length) : null;
    }

    /// <summary>How many bytes its texts have raw, each with its length.</summary>
    static int BytesOf(ReadOnlySpan<byte> contents)
    {
        var size = 0;
        var reader = new ProtobufReader(contents);
        while (reader.Next(out var number))
            if (number == 8) size += 4 + reader.Bytes().Length;
            else reader.Skip();
        return size;
    }

    /// <param name="to">Gets the values.</param>
    static string? Fault(ReadOnlySpan<byte> contents, InferRequest.Tensor tensor, TensorType type, int wanted, long count, Span<byte> to)
    {
        var read = 0L;
        var reader = new ProtobufReader(contents);
        while (reader.Next(out var number))
        {
            if (number > MostFields)
            {
                reader.Skip();
                continue;
            }
            if (number != wanted)
            {
                if (reader.IsBytes && number != 8 && reader.Bytes().IsEmpty) continue; // an empty pack
                return $"input '{tensor.Name}' has {Names[number]}; the values of {tensor.DataType} stand in {Names[wanted]}";
            }
            var isPack = wanted != 8 && reader.IsBytes;
            for (var pack = isPack ? new ProtobufReader(reader.Bytes()) : reader; !isPack || !pack.AtEnd;)
            {
                if (read == count) return $"input '{tensor.Name}' has more values than its shape {Tensor.ShapeText(tensor.Shape)}";
                read++;
                if (wanted == 8)
                {
                    var text = pack.Bytes();
                    BinaryPrimitives.WriteInt32LittleEndian(to, text.Length);
                    text.CopyTo(to[4..]);
                    to = to[(4 + text.Length)..];
                }
                else if (wanted == 6) BinaryPrimitives.WriteUInt32LittleEndian(Next(ref to, 4), isPack ? pack.Packed32() : pack.Fixed32());
                else if (wanted == 7) BinaryPrimitives.WriteUInt64LittleEndian(Next(ref to, 8), isPack ? pack.Packed64() : pack.Fixed());
                else if (!InRange(tensor.DataType, isPack ? pack.Varint() : (ulong)pack.Whole(), out var value)) return $"input '{tensor.Name}', value {read}: {value} is no {tensor.DataType}";
                else
                    switch (Tensor.SizeOf(type))
                    {
                        case 1: Next(ref to, 1)[0] = (byte)value; break;
                        case 2: BinaryPrimitives.WriteInt16LittleEndian(Next(ref to, 2), (short)value); break;
                        case 4: BinaryPrimitives.WriteInt32LittleEndian(Next(ref to, 4), (int)value); break;
                        default: BinaryPrimitives.WriteInt64LittleEndian(Next(ref to, 8), value); break;
                    }
                if (isPack) continue;
                reader = pack;
                break;
            }
        }
        return read < count ? $"input '{tensor.Name}' has {read} values; its shape {Tensor.ShapeText(tensor.Shape)} says {count}" : null;
    }

    static Span<byte> Next(ref Span<byte> to, int size)
    {
        var next = to[..size];
        to = to[size..];
        return next;
    }

    /// <summary>Protobuf reads an int32 from the lower half, a bool from any number.</summary>
    /// <param name="value">UINT64: its bits.</param>
    static bool InRange(string dataType, ulong bits, out long value)
    {
        value = dataType switch { "INT8" or "INT16" or "INT32" => (int)bits, "UINT8" or "UINT16" or "UINT32" => (uint)bits, "BOOL" => bits == 0 ? 0 : 1, _ => (long)bits };
        return dataType switch
        {
            "INT8" => value is >= sbyte.MinValue and <= sbyte.MaxValue,
            "INT16" => value is >= short.MinValue and <= short.MaxValue,
            "UINT8" => value <= byte.MaxValue,
            "UINT16" => value <= ushort.MaxValue,
            _ => true,
        };
    }

    static void Number(ref Values values, int field, ref ProtobufReader reader, bool packed)
    {
        if (field == 6) values.Add((double)BitConverter.UInt32BitsToSingle(packed ? reader.Packed32() : reader.Fixed32()));
        else if (field == 7) values.Add(BitConverter.UInt64BitsToDouble(packed ? reader.Packed64() : reader.Fixed()));
        else values.AddWhole(packed ? reader.Varint() : (ulong)reader.Whole());
    }

    /// <summary>As many values as the shape says, in the form that the model's column has.</summary>
    struct Values
    {
        readonly InferRequest.Tensor _tensor;
        readonly Field _field;
        readonly double[]? _numbers;
        readonly long[]? _integers;
        readonly bool[]? _booleans;
        readonly string?[]? _texts;
        readonly int _count;

        public Values(InferRequest.Tensor tensor, Field field, int count, int room)
        {
            (_tensor, _field, _count) = (tensor, field, count);
            switch (field.Type)
            {
                case FieldType.String or FieldType.Binary: _texts = new string?[room]; break;
                case FieldType.Boolean: _booleans = new bool[room]; break;
                case FieldType.Integer or FieldType.Long or FieldType.Datetime: _integers = new long[room]; break;
                default: _numbers = new double[room]; break;
            }
        }

        public int Read { get; private set; }

        public string? Fault { get; set; }

        public void Add(ReadOnlySpan<byte> text)
        {
            if (IsFull()) return;
            try
            {
                _texts![Read++] = Strict.GetString(text);
            }
            catch (DecoderFallbackException)
            {
                Fault = $"input '{_tensor.Name}', value {Read} is no UTF-8";
            }
        }

        public void Add(double number)
        {
            if (IsFull()) return;
            if (double.IsInfinity(number)) Fault = $"input '{_tensor.Name}' holds an infinity; NaN stands for a missing value";
            else _numbers![Read++] = number;
        }

        public void AddWhole(ulong bits)
        {
            if (IsFull()) return;
            var value = (long)bits;
            if (_tensor.DataType == "UINT64")
            {
                if (_numbers is not null) _numbers[Read++] = bits;
                else if (value < 0) Fault = $"input '{_tensor.Name}', value {Read + 1} is beyond INT64";
                else Set(value);
                return;
            }
            if (!InRange(_tensor.DataType, bits, out value)) Fault = $"input '{_tensor.Name}', value {Read + 1}: {value} is no {_tensor.DataType}";
            else Set(value);
        }

        public readonly Column ToColumn() => _texts is not null ? Column.Of(_field.Name, _texts) : _booleans is not null ? Column.Of(_field.Name, _booleans)
            : _integers is not null ? Column.Of(_field.Name, _integers) : Column.Of(_field.Name, _numbers!);

        void Set(long value)
        {
            if (_numbers is not null) _numbers[Read++] = value;
            else if (_integers is not null) _integers[Read++] = value;
            else if (value is 0 or 1) _booleans![Read++] = value == 1;
            else Fault = $"input '{_tensor.Name}', value {Read + 1}: {value} is no BOOL";
        }

        bool IsFull()
        {
            if (Fault is null && Read == _count) Fault = $"input '{_tensor.Name}' has more values than its shape [{string.Join(',', _tensor.Shape)}]";
            return Fault is not null;
        }
    }
}
