using System.Runtime.InteropServices;
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

    /// <summary>The values of a tensor of any shape, as raw bytes.</summary>
    /// <inheritdoc cref="Read(ReadOnlySpan{byte}, InferRequest.Tensor, Field, int, List{string})"/>
    public static byte[]? Read(ReadOnlySpan<byte> contents, InferRequest.Tensor tensor, TensorType type, List<string> faults)
    {
        var count = Tensor.CountOf(tensor.Shape);
        if (count < 0 || count > contents.Length) // a byte a value at least
        {
            faults.Add($"input '{tensor.Name}' has fewer values than its shape {Tensor.ShapeText(tensor.Shape)}");
            return null;
        }
        var kind = type switch
        {
            TensorType.Bool => FieldType.Boolean,
            TensorType.Bytes => FieldType.String,
            TensorType.Fp32 => FieldType.Float,
            TensorType.Fp64 => FieldType.Double,
            _ => FieldType.Long,
        };
        if (Read(contents, tensor, new Field(tensor.Name, kind), (int)count, faults) is not { } column) return null;
        if (kind != FieldType.Long)
        {
            var values = new byte[BinaryTensor.Size(column, kind)];
            BinaryTensor.Write(values, column, kind);
            return values;
        }
        var size = Tensor.SizeOf(type);
        var bytes = new byte[column.Length * size];
        for (var i = 0; i < column.Length; i++) MemoryMarshal.AsBytes(column.Integers.AsSpan(i, 1))[..size].CopyTo(bytes.AsSpan(i * size)); // the lower bytes: its range is checked
        return bytes;
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
            // protobuf reads an int32 from the lower half, a bool from any number
            value = _tensor.DataType switch { "INT8" or "INT16" or "INT32" => (int)bits, "UINT8" or "UINT16" or "UINT32" => (uint)bits, "BOOL" => bits == 0 ? 0 : 1, _ => value };
            var (least, most) = _tensor.DataType switch
            {
                "INT8" => (sbyte.MinValue, sbyte.MaxValue),
                "INT16" => (short.MinValue, short.MaxValue),
                "UINT8" => (0L, byte.MaxValue),
                "UINT16" => (0L, ushort.MaxValue),
                _ => (long.MinValue, long.MaxValue),
            };
            if (value < least || value > most) Fault = $"input '{_tensor.Name}', value {Read + 1}: {value} is no {_tensor.DataType}";
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
