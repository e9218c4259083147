using System.Buffers.Binary;
using System.Text;

namespace Takt.Server.Protocols;

/// <summary>Reads protobuf's wire format (protobuf.dev/programming-guides/encoding). Every length is checked against what is there.</summary>
ref struct ProtobufReader(ReadOnlySpan<byte> bytes)
{
    const int DeepestGroup = 32;

    readonly int _length = bytes.Length;
    ReadOnlySpan<byte> _rest = bytes;
    int _wire;

    /// <summary>Bytes that are read: where the next field begins, or what follows the value just read.</summary>
    public readonly int Position => _length - _rest.Length;

    public readonly bool AtEnd => _rest.IsEmpty;

    /// <summary>The field's value is length and bytes: a text, a message, or numbers in one pack.</summary>
    public readonly bool IsBytes => _wire == 2;

    /// <summary>The next field, whose value is then read or skipped; false at the end.</summary>
    /// <exception cref="FormatException">It is no protobuf.</exception>
    public bool Next(out int field)
    {
        field = 0;
        if (_rest.IsEmpty) return false;
        var tag = Varint();
        _wire = (int)(tag & 7);
        field = tag >> 3 is > 0 and <= 536_870_911 and var number ? (int)number : throw Broken();
        return _wire is 0 or 1 or 2 or 3 or 5 ? true : throw Broken();
    }

    public ReadOnlySpan<byte> Bytes() => _wire == 2 ? Take() : throw Broken();

    /// <summary>What is no UTF-8 becomes U+FFFD.</summary>
    public string Text() => Encoding.UTF8.GetString(Bytes());

    public long Whole() => _wire == 0 ? (long)Varint() : throw Broken();

    public ulong Fixed() => _wire == 1 ? Fixed64() : throw Broken();

    public uint Fixed32() => _wire == 5 ? Take32() : throw Broken();

    public double Real() => BitConverter.UInt64BitsToDouble(Fixed());

    public void Skip() => Skip(_wire, 0);

    void Skip(int wire, int depth)
    {
        switch (wire)
        {
            case 0: Varint(); break;
            case 1: Fixed64(); break;
            case 2: Take(); break;
            case 5: Take32(); break;
            case 3:
                if (depth == DeepestGroup) throw Broken();
                for (ulong tag; ((tag = Varint()) & 7) != 4;) Skip((int)(tag & 7), depth + 1);
                break;
            default: throw Broken();
        }
    }

    /// <summary>A number without a tag, as they stand in a pack.</summary>
    public ulong Varint()
    {
        ulong value = 0;
        for (var i = 0; i < 10; i++)
        {
            if (i >= _rest.Length) throw Broken();
            value |= (ulong)(_rest[i] & 0x7F) << (7 * i);
            if (_rest[i] >= 0x80) continue;
            _rest = _rest[(i + 1)..];
            return value;
        }
        throw Broken();
    }

    ulong Fixed64()
    {
        if (_rest.Length < 8) throw Broken();
        var value = BinaryPrimitives.ReadUInt64LittleEndian(_rest);
        _rest = _rest[8..];
        return value;
    }

    /// <summary>A number of 4 bytes without a tag, as they stand in a pack.</summary>
    public uint Packed32() => Take32();

    /// <inheritdoc cref="Packed32"/>
    public ulong Packed64() => Fixed64();

    uint Take32()
    {
        if (_rest.Length < 4) throw Broken();
        var value = BinaryPrimitives.ReadUInt32LittleEndian(_rest);
        _rest = _rest[4..];
        return value;
    }

    ReadOnlySpan<byte> Take()
    {
        var length = Varint();
        if (length > (ulong)_rest.Length) throw Broken();
        var value = _rest[..(int)length];
        _rest = _rest[(int)length..];
        return value;
    }

    static FormatException Broken() => new("no protobuf");
}
