using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Unicode;
using Takt.Models;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>A tensor's values as JSON: numbers, true and false, texts. FP32 and FP64 come back bit for bit (shortest digits that do); NaN and infinities are null.</summary>
static class TensorJson
{
    /// <summary>FP16 and BF16 are binary only.</summary>
    public static bool Has(TensorType type) => type is not (TensorType.Fp16 or TensorType.Bf16);

    /// <param name="json">From the list on, flat or nested; more may follow.</param>
    /// <returns>Null when it is noted in <paramref name="faults"/>.</returns>
    public static byte[]? Read(ReadOnlySpan<byte> json, string name, TensorType type, long[] shape, List<string> faults)
    {
        var count = Tensor.CountOf(shape);
        if (count < 0 || count > (json.Length / 2) + 1) // two bytes a value at least
        {
            faults.Add($"input '{name}' has fewer values than its shape {Tensor.ShapeText(shape)}");
            return null;
        }
        var size = Tensor.SizeOf(type);
        var values = new byte[size == 0 ? 16 * count : size * count];
        if (type == TensorType.Fp32 && NumberList.TryRead(json, MemoryMarshal.Cast<byte, float>(values.AsSpan()))) return values;
        if (type == TensorType.Fp64 && NumberList.TryRead(json, MemoryMarshal.Cast<byte, double>(values.AsSpan()))) return values;
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 32 });
        var (at, end) = (0L, 0);
        for (var depth = 0; reader.Read();)
        {
            if (reader.TokenType == JsonTokenType.StartArray)
            {
                depth++;
                continue;
            }
            if (reader.TokenType == JsonTokenType.EndArray)
            {
                if (--depth == 0) break;
                continue;
            }
            if (at == count)
            {
                faults.Add($"input '{name}' has more values than its shape {Tensor.ShapeText(shape)}");
                return null;
            }
            if (type == TensorType.Bytes ? !Text(ref reader, ref values, ref end) : !Set(ref reader, type, values.AsSpan((int)at * size)))
            {
                faults.Add($"input '{name}', value {at + 1}: {TensorReader.Shown(ref reader)} is no {Tensor.NameOf(type)}");
                return null;
            }
            at++;
        }
        if (at < count)
        {
            faults.Add($"input '{name}' has {at} values; its shape {Tensor.ShapeText(shape)} says {count}");
            return null;
        }
        return type == TensorType.Bytes ? values[..end] : values;
    }

    /// <summary>One flat list.</summary>
    /// <exception cref="TaktException">Invalid: a text is no UTF-8, which JSON can't hold.</exception>
    public static void Write(Utf8JsonWriter json, Tensor tensor)
    {
        json.WriteStartArray();
        var data = tensor.Data.Span;
        switch (tensor.Type)
        {
            case TensorType.Bytes:
                for (; data.Length > 0; data = data[(4 + BinaryPrimitives.ReadInt32LittleEndian(data))..])
                {
                    var text = data.Slice(4, BinaryPrimitives.ReadInt32LittleEndian(data));
                    if (!Utf8.IsValid(text)) throw TaktException.Invalid($"output '{tensor.Name}' holds bytes that are no UTF-8; ask for it with parameters.binary_data");
                    json.WriteStringValue(text);
                }
                break;
            case TensorType.Bool:
                foreach (var value in data) json.WriteBooleanValue(value != 0);
                break;
            case TensorType.Fp32:
                NumberList.Write(json, MemoryMarshal.Cast<byte, float>(data));
                break;
            case TensorType.Fp64:
                NumberList.Write(json, MemoryMarshal.Cast<byte, double>(data));
                break;
            case TensorType.Uint8: foreach (var value in data) json.WriteNumberValue((int)value); break;
            case TensorType.Int8: foreach (var value in MemoryMarshal.Cast<byte, sbyte>(data)) json.WriteNumberValue((int)value); break;
            case TensorType.Uint16: foreach (var value in MemoryMarshal.Cast<byte, ushort>(data)) json.WriteNumberValue((int)value); break;
            case TensorType.Int16: foreach (var value in MemoryMarshal.Cast<byte, short>(data)) json.WriteNumberValue((int)value); break;
            case TensorType.Uint32: foreach (var value in MemoryMarshal.Cast<byte, uint>(data)) json.WriteNumberValue(value); break;
            case TensorType.Int32: foreach (var value in MemoryMarshal.Cast<byte, int>(data)) json.WriteNumberValue(value); break;
            case TensorType.Uint64: foreach (var value in MemoryMarshal.Cast<byte, ulong>(data)) json.WriteNumberValue(value); break;
            case TensorType.Int64: foreach (var value in MemoryMarshal.Cast<byte, long>(data)) json.WriteNumberValue(value); break;
            default: throw TaktException.Invalid($"output '{tensor.Name}' is {Tensor.NameOf(tensor.Type)}, which has no JSON form; ask for it with parameters.binary_data");
        }
        json.WriteEndArray();
    }

    static bool Set(ref Utf8JsonReader json, TensorType type, Span<byte> to)
    {
        if (type == TensorType.Bool)
        {
            if (json.TokenType is JsonTokenType.True or JsonTokenType.False) to[0] = json.TokenType == JsonTokenType.True ? (byte)1 : (byte)0;
            else if (json.TokenType == JsonTokenType.Number && json.TryGetByte(out var bit) && bit <= 1) to[0] = bit;
            else return false;
            return true;
        }
        if (json.TokenType == JsonTokenType.Null && type is (TensorType.Fp32 or TensorType.Fp64))
        {
            // the NaN of C and numpy; .NET's own has the sign set
            if (type == TensorType.Fp32) BinaryPrimitives.WriteUInt32LittleEndian(to, 0x7FC00000);
            else BinaryPrimitives.WriteUInt64LittleEndian(to, 0x7FF8000000000000);
            return true;
        }
        if (json.TokenType != JsonTokenType.Number) return false;
        switch (type)
        {
            case TensorType.Fp32 when json.TryGetSingle(out var v) && float.IsFinite(v): BinaryPrimitives.WriteSingleLittleEndian(to, v); return true;
            case TensorType.Fp64 when json.TryGetDouble(out var v) && double.IsFinite(v): BinaryPrimitives.WriteDoubleLittleEndian(to, v); return true;
            case TensorType.Uint8 when json.TryGetByte(out var v): to[0] = v; return true;
            case TensorType.Int8 when json.TryGetSByte(out var v): to[0] = (byte)v; return true;
            case TensorType.Uint16 when json.TryGetUInt16(out var v): BinaryPrimitives.WriteUInt16LittleEndian(to, v); return true;
            case TensorType.Int16 when json.TryGetInt16(out var v): BinaryPrimitives.WriteInt16LittleEndian(to, v); return true;
            case TensorType.Uint32 when json.TryGetUInt32(out var v): BinaryPrimitives.WriteUInt32LittleEndian(to, v); return true;
            case TensorType.Int32 when json.TryGetInt32(out var v): BinaryPrimitives.WriteInt32LittleEndian(to, v); return true;
            case TensorType.Uint64 when json.TryGetUInt64(out var v): BinaryPrimitives.WriteUInt64LittleEndian(to, v); return true;
            case TensorType.Int64 when json.TryGetInt64(out var v): BinaryPrimitives.WriteInt64LittleEndian(to, v); return true;
            default: return false;
        }
    }

    /// <summary>Appends the length and the bytes.</summary>
    static bool Text(ref Utf8JsonReader json, ref byte[] to, ref int end)
    {
        if (json.TokenType != JsonTokenType.String) return false;
        var longest = json.ValueSpan.Length; // unescaped it is no longer
        if (to.Length - end < 4 + longest) Array.Resize(ref to, Math.Max(to.Length * 2, end + 4 + longest));
        try
        {
            var length = json.CopyString(to.AsSpan(end + 4));
            BinaryPrimitives.WriteInt32LittleEndian(to.AsSpan(end), length);
            end += 4 + length;
            return true;
        }
        catch (InvalidOperationException)
        {
            return false; // no Unicode
        }
    }
}
