using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Takt.Data;
using Takt.Models;

namespace Takt.ML.Runtimes;

/// <summary>Columns of a table as the bytes of tensors, and back.</summary>
static class Columns
{
    public static bool IsNumber(TensorType type) => type is not (TensorType.Bool or TensorType.Bytes);

    /// <summary>Numbers in the tensor's type; those of whole numbers are rounded to even, missing and what is beyond the type's range is refused.</summary>
    /// <exception cref="TaktException">Invalid.</exception>
    public static byte[] Bytes(string name, TensorType type, ReadOnlySpan<double> values)
    {
        var bytes = new byte[values.Length * Tensor.SizeOf(type)];
        if (type == TensorType.Fp32)
        {
            var floats = MemoryMarshal.Cast<byte, float>(bytes.AsSpan());
            for (var i = 0; i < values.Length; i++) floats[i] = (float)values[i];
            return bytes;
        }
        if (type == TensorType.Fp64) MemoryMarshal.AsBytes(values).CopyTo(bytes);
        else
            for (var i = 0; i < values.Length; i++)
                if (!Set(bytes, type, i, values[i])) throw TaktException.Invalid($"input '{name}': {(double.IsNaN(values[i]) ? "a missing value" : values[i])} is no {Tensor.NameOf(type)}");
        return bytes;
    }

    public static byte[] Bytes(Column column, TensorType type, List<string> faults)
    {
        if (type == TensorType.Bytes)
        {
            var texts = Enumerable.Range(0, column.Length).Select(row => Encoding.UTF8.GetBytes(column.TextAt(row) ?? "")).ToList();
            var to = new byte[texts.Sum(t => 4 + t.Length)];
            var at = 0;
            foreach (var text in texts)
            {
                BinaryPrimitives.WriteInt32LittleEndian(to.AsSpan(at), text.Length);
                text.CopyTo(to, at + 4);
                at += 4 + text.Length;
            }
            return to;
        }
        var bytes = new byte[column.Length * Tensor.SizeOf(type)];
        for (var row = 0; row < column.Length; row++)
        {
            var exact = column.Type == ColumnType.Integer && !column.IsMissing(row) && type is TensorType.Int64 or TensorType.Uint64;
            if (exact && (type == TensorType.Int64 || column.Integers[row] >= 0)) BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(row * 8), column.Integers[row]);
            else if (!Set(bytes, type, row, column.NumberAt(row)))
            {
                faults.Add($"input '{column.Name}', row {row + 1}: {column.TextAt(row) ?? "a missing value"} is no {Tensor.NameOf(type)}");
                break;
            }
        }
        return bytes;
    }

    static bool Set(Span<byte> to, TensorType type, int i, double value)
    {
        switch (type)
        {
            case TensorType.Fp64: BinaryPrimitives.WriteDoubleLittleEndian(to[(i * 8)..], value); return true;
            case TensorType.Fp32: BinaryPrimitives.WriteSingleLittleEndian(to[(i * 4)..], (float)value); return true;
            case TensorType.Fp16: BinaryPrimitives.WriteHalfLittleEndian(to[(i * 2)..], (Half)value); return true;
            case TensorType.Bf16:
                var bits = BitConverter.SingleToUInt32Bits((float)value);
                BinaryPrimitives.WriteUInt16LittleEndian(to[(i * 2)..], double.IsNaN(value) ? (ushort)0x7FC0 : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16));
                return true;
        }
        var (low, high) = type switch
        {
            TensorType.Bool => (0, 1),
            TensorType.Uint8 => (0, byte.MaxValue),
            TensorType.Int8 => (sbyte.MinValue, sbyte.MaxValue),
            TensorType.Uint16 => (0, ushort.MaxValue),
            TensorType.Int16 => (short.MinValue, short.MaxValue),
            TensorType.Uint32 => (0, uint.MaxValue),
            TensorType.Int32 => (int.MinValue, int.MaxValue),
            TensorType.Uint64 => (0d, (double)(1L << 53)),
            _ => (-(double)(1L << 53), (double)(1L << 53)),
        };
        var whole = Math.Round(value);
        if (!(whole >= low && whole <= high)) return false;
        switch (Tensor.SizeOf(type))
        {
            case 1: to[i] = (byte)(long)whole; break;
            case 2: BinaryPrimitives.WriteInt16LittleEndian(to[(i * 2)..], (short)(long)whole); break;
            case 4: BinaryPrimitives.WriteInt32LittleEndian(to[(i * 4)..], (int)(long)whole); break;
            default: BinaryPrimitives.WriteInt64LittleEndian(to[(i * 8)..], (long)whole); break;
        }
        return true;
    }
}
