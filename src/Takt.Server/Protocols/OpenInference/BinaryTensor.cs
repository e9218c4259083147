using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Takt.Data;
using Takt.Models;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>Raw little-endian values of one tensor (Triton's binary_tensor_data extension); BYTES elements are a u32 length and the bytes.</summary>
static class BinaryTensor
{
    static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    /// <summary>Bytes of one value; 0: BYTES, or no datatype at all.</summary>
    public static int SizeOf(string dataType) => dataType switch
    {
        "BOOL" or "UINT8" or "INT8" => 1,
        "UINT16" or "INT16" or "FP16" or "BF16" => 2,
        "UINT32" or "INT32" or "FP32" => 4,
        "UINT64" or "INT64" or "FP64" => 8,
        _ => 0,
    };

    /// <returns>Null when it is noted in <paramref name="faults"/>.</returns>
    public static Column? Read(ReadOnlySpan<byte> raw, InferRequest.Tensor tensor, Field field, int count, List<string> faults)
    {
        if (tensor.DataType == "BYTES") return Texts(raw, tensor, field, count, faults);
        var size = SizeOf(tensor.DataType);
        if (raw.Length != (long)size * count)
        {
            faults.Add($"input '{tensor.Name}' has {raw.Length} bytes; {count} {tensor.DataType} are {(long)size * count}");
            return null;
        }
        switch (field.Type)
        {
            case FieldType.Boolean:
                var booleans = new bool[count];
                for (var i = 0; i < count; i++)
                {
                    var bit = Integer(raw, tensor.DataType, i);
                    if (bit is 0 or 1) booleans[i] = bit == 1;
                    else
                    {
                        faults.Add($"input '{tensor.Name}', value {i + 1}: {bit} is no BOOL");
                        return null;
                    }
                }
                return Column.Of(field.Name, booleans);
            case FieldType.Integer or FieldType.Long or FieldType.Datetime:
                var integers = new long[count];
                for (var i = 0; i < count; i++)
                    if (tensor.DataType == "UINT64" && raw[(i * 8) + 7] >= 0x80)
                    {
                        faults.Add($"input '{tensor.Name}', value {i + 1} is beyond INT64");
                        return null;
                    }
                    else integers[i] = Integer(raw, tensor.DataType, i);
                return Column.Of(field.Name, integers);
            default:
                var numbers = new double[count];
                Numbers(raw, tensor.DataType, numbers);
                foreach (var number in numbers)
                    if (double.IsInfinity(number))
                    {
                        faults.Add($"input '{tensor.Name}' holds an infinity; NaN stands for a missing value");
                        return null;
                    }
                return Column.Of(field.Name, numbers);
        }
    }

    /// <summary>Bytes that <see cref="Write"/> will write.</summary>
    public static int Size(Column column, FieldType type) => SizeOf(InferRequest.DataType(type)) is > 0 and var size ? column.Length * size
        : Enumerable.Range(0, column.Length).Sum(row => 4 + Encoding.UTF8.GetByteCount(TextAt(column, row)));

    /// <param name="type">What the signature says: it decides how wide a value is on the wire, whatever the column holds.</param>
    public static void Write(IBufferWriter<byte> writer, Column column, FieldType type)
    {
        var size = Size(column, type);
        if (size == 0) return;
        Write(writer.GetSpan(size)[..size], column, type);
        writer.Advance(size);
    }

    /// <param name="to">As long as <see cref="Size"/> says.</param>
    public static void Write(Span<byte> to, Column column, FieldType type)
    {
        var count = column.Length;
        switch (type)
        {
            case FieldType.Double when column.Type == ColumnType.Number:
                MemoryMarshal.AsBytes(column.Numbers.AsSpan(0, count)).CopyTo(to); // little-endian, as every machine that runs this
                break;
            case FieldType.Long or FieldType.Datetime when column.Type == ColumnType.Integer:
                MemoryMarshal.AsBytes(column.Integers.AsSpan(0, count)).CopyTo(to);
                break;
            case FieldType.Double:
                for (var row = 0; row < count; row++) BinaryPrimitives.WriteDoubleLittleEndian(to[(row * 8)..], NumberAt(column, row));
                break;
            case FieldType.Float:
                for (var row = 0; row < count; row++) BinaryPrimitives.WriteSingleLittleEndian(to[(row * 4)..], (float)NumberAt(column, row));
                break;
            case FieldType.Long or FieldType.Datetime:
                for (var row = 0; row < count; row++) BinaryPrimitives.WriteInt64LittleEndian(to[(row * 8)..], WholeAt(column, row));
                break;
            case FieldType.Integer:
                for (var row = 0; row < count; row++) BinaryPrimitives.WriteInt32LittleEndian(to[(row * 4)..], (int)WholeAt(column, row));
                break;
            case FieldType.Boolean:
                for (var row = 0; row < count; row++) to[row] = NumberAt(column, row) != 0 ? (byte)1 : (byte)0;
                break;
            default:
                for (var row = 0; row < count; row++)
                {
                    var length = Encoding.UTF8.GetBytes(TextAt(column, row), to[4..]);
                    BinaryPrimitives.WriteInt32LittleEndian(to, length);
                    to = to[(4 + length)..];
                }
                break;
        }
    }

    /// <summary>A value as a number; NaN where it is missing.</summary>
    public static double NumberAt(Column column, int row) => column.IsMissing(row) ? double.NaN : column.Type switch
    {
        ColumnType.Number => column.Numbers[row],
        ColumnType.Boolean => column.Booleans[row] ? 1 : 0,
        ColumnType.Integer => column.Integers[row],
        _ => double.NaN,
    };

    /// <summary>A value as a whole number; 0 where it is missing, for which the wire has no other.</summary>
    public static long WholeAt(Column column, int row) => column.Type == ColumnType.Integer ? column.Integers[row] : NumberAt(column, row) is var number && double.IsFinite(number) ? (long)number : 0;

    public static string TextAt(Column column, int row) => column.IsMissing(row) ? "" : column.TextAt(row) ?? "";

    static Column? Texts(ReadOnlySpan<byte> raw, InferRequest.Tensor tensor, Field field, int count, List<string> faults)
    {
        var texts = new string?[Math.Min(count, raw.Length / 4)]; // a value has four bytes at least: no room is made for what can't be there
        for (var i = 0; i < count; i++)
        {
            if (raw.Length < 4 || BinaryPrimitives.ReadUInt32LittleEndian(raw) is var length && length > (uint)(raw.Length - 4))
            {
                faults.Add($"input '{tensor.Name}' ends within value {i + 1} of {count}");
                return null;
            }
            var bytes = raw.Slice(4, (int)BinaryPrimitives.ReadUInt32LittleEndian(raw));
            try
            {
                texts[i] = Strict.GetString(bytes);
            }
            catch (DecoderFallbackException)
            {
                faults.Add($"input '{tensor.Name}', value {i + 1} is no UTF-8");
                return null;
            }
            raw = raw[(4 + bytes.Length)..];
        }
        if (raw.Length == 0) return Column.Of(field.Name, texts);
        faults.Add($"input '{tensor.Name}' has {raw.Length} bytes more than its {count} values");
        return null;
    }

    static void Numbers(ReadOnlySpan<byte> raw, string dataType, double[] to)
    {
        switch (dataType)
        {
            case "FP64":
                MemoryMarshal.Cast<byte, double>(raw).CopyTo(to);
                break;
            case "FP32":
                for (var i = 0; i < to.Length; i++) to[i] = BinaryPrimitives.ReadSingleLittleEndian(raw[(i * 4)..]);
                break;
            case "FP16":
                for (var i = 0; i < to.Length; i++) to[i] = (double)BinaryPrimitives.ReadHalfLittleEndian(raw[(i * 2)..]);
                break;
            case "BF16":
                for (var i = 0; i < to.Length; i++) to[i] = BitConverter.Int32BitsToSingle(BinaryPrimitives.ReadUInt16LittleEndian(raw[(i * 2)..]) << 16);
                break;
            case "UINT64":
                for (var i = 0; i < to.Length; i++) to[i] = BinaryPrimitives.ReadUInt64LittleEndian(raw[(i * 8)..]);
                break;
            default:
                for (var i = 0; i < to.Length; i++) to[i] = Integer(raw, dataType, i);
                break;
        }
    }

    static long Integer(ReadOnlySpan<byte> raw, string dataType, int i) => dataType switch
    {
        "BOOL" or "UINT8" => raw[i],
        "INT8" => (sbyte)raw[i],
        "UINT16" => BinaryPrimitives.ReadUInt16LittleEndian(raw[(i * 2)..]),
        "INT16" => BinaryPrimitives.ReadInt16LittleEndian(raw[(i * 2)..]),
        "UINT32" => BinaryPrimitives.ReadUInt32LittleEndian(raw[(i * 4)..]),
        "INT32" => BinaryPrimitives.ReadInt32LittleEndian(raw[(i * 4)..]),
        _ => BinaryPrimitives.ReadInt64LittleEndian(raw[(i * 8)..]),
    };
}
