using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using System.Text.Json;

namespace Takt.ML.XgBoost;

/// <summary>Universal Binary JSON (ubjson.org, draft 12, typed and counted containers) made JSON: XGBoost's <c>.ubj</c> files.</summary>
ref struct UbjReader
{
    const int Deepest = 64;

    ReadOnlySpan<byte> _rest;

    /// <exception cref="TaktException">Invalid: it ends too early or holds what UBJ has not.</exception>
    public static ReadOnlyMemory<byte> ToJson(ReadOnlySpan<byte> ubj, string path)
    {
        var json = new ArrayBufferWriter<byte>(ubj.Length * 2);
        using var writer = new Utf8JsonWriter(json, new JsonWriterOptions { SkipValidation = true, MaxDepth = Deepest + 8 });
        var reader = new UbjReader { _rest = ubj };
        try
        {
            reader.Value(reader.Byte(), writer, 0);
        }
        catch (Exception e) when (e is ArgumentOutOfRangeException or IndexOutOfRangeException or FormatException or OverflowException)
        {
            throw new TaktException(TaktError.Invalid, $"{path} is damaged: {(e is FormatException ? e.Message : "it ends within a value")} at byte {ubj.Length - reader._rest.Length}", e);
        }
        writer.Flush();
        return json.WrittenMemory;
    }

    void Value(byte type, Utf8JsonWriter json, int depth)
    {
        if (depth > Deepest) throw new FormatException("lists within lists within lists");
        switch ((char)type)
        {
            case 'Z': json.WriteNullValue(); break;
            case 'T': json.WriteBooleanValue(true); break;
            case 'F': json.WriteBooleanValue(false); break;
            case 'd':
                var single = BinaryPrimitives.ReadSingleBigEndian(Take(4));
                if (float.IsFinite(single)) json.WriteNumberValue(single);
                else json.WriteNullValue();
                break;
            case 'D':
                var real = BinaryPrimitives.ReadDoubleBigEndian(Take(8));
                if (double.IsFinite(real)) json.WriteNumberValue(real);
                else json.WriteNullValue();
                break;
            case 'i' or 'U' or 'I' or 'l' or 'L': json.WriteNumberValue(Integer(type)); break;
            case 'C': json.WriteStringValue(Encoding.Latin1.GetString(Take(1))); break;
            case 'S': json.WriteStringValue(Text()); break;
            case 'H': json.WriteRawValue(Text(), skipInputValidation: false); break;
            case '[': List(json, depth); break;
            case '{': Members(json, depth); break;
            default: throw new FormatException($"the mark 0x{type:x2}");
        }
    }

    void List(Utf8JsonWriter json, int depth)
    {
        var (type, count) = Head();
        json.WriteStartArray();
        if (count < 0)
            for (byte next; (next = Byte()) != ']';)
            {
                if (next != 'N') Value(next, json, depth + 1);
            }
        else
            for (; count > 0; count--) Value(type == 0 ? Byte() : type, json, depth + 1);
        json.WriteEndArray();
    }

    void Members(Utf8JsonWriter json, int depth)
    {
        var (type, count) = Head();
        json.WriteStartObject();
        while (count != 0)
        {
            if (count < 0 && _rest[0] == '}')
            {
                Byte();
                break;
            }
            json.WritePropertyName(Text());
            Value(type == 0 ? Byte() : type, json, depth + 1);
            if (count > 0) count--;
        }
        json.WriteEndObject();
    }

    /// <summary>Of a container: the type that all have, 0: each says its own; and how many, -1: until its end.</summary>
    (byte Type, long Count) Head()
    {
        byte type = 0;
        if (_rest[0] == '$')
        {
            Byte();
            type = Byte();
            if (_rest[0] != '#') throw new FormatException("a typed list without a count");
        }
        if (_rest[0] != '#') return (0, -1);
        Byte();
        var count = Integer(Byte());
        return count < 0 || (type is not ((byte)'Z' or (byte)'T' or (byte)'F') && count > _rest.Length) || count > int.MaxValue ? throw new FormatException($"a list of {count} values") : (type, count);
    }

    ReadOnlySpan<byte> Text() => Take(Integer(Byte()));

    long Integer(byte type) => (char)type switch
    {
        'i' => (sbyte)Byte(),
        'U' => Byte(),
        'I' => BinaryPrimitives.ReadInt16BigEndian(Take(2)),
        'l' => BinaryPrimitives.ReadInt32BigEndian(Take(4)),
        'L' => BinaryPrimitives.ReadInt64BigEndian(Take(8)),
        _ => throw new FormatException($"0x{type:x2} where a number must be"),
    };

    byte Byte() => Take(1)[0];

    ReadOnlySpan<byte> Take(long count)
    {
        var taken = _rest[..checked((int)count)];
        _rest = _rest[taken.Length..];
        return taken;
    }
}
