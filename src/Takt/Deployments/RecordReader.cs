using System.Buffers.Binary;
using System.Text;

namespace Takt.Deployments;

/// <summary>Reads what <see cref="RecordWriter"/> wrote.</summary>
/// <remarks>A record that ends too soon throws <see cref="ArgumentOutOfRangeException"/>; one whose checksum fitted never does.</remarks>
ref struct RecordReader(ReadOnlySpan<byte> record)
{
    ReadOnlySpan<byte> _rest = record;

    public readonly bool IsAtEnd => _rest.IsEmpty;

    public byte Byte()
    {
        var value = _rest[0];
        _rest = _rest[1..];
        return value;
    }

    public bool Boolean() => Byte() != 0;

    public int Int() => BinaryPrimitives.ReadInt32LittleEndian(Take(4));

    public long Long() => BinaryPrimitives.ReadInt64LittleEndian(Take(8));

    public double Double() => BinaryPrimitives.ReadDoubleLittleEndian(Take(8));

    public PredictionId Id() => new((ulong)Long(), (ulong)Long());

    public ReadOnlySpan<byte> Utf8()
    {
        var (length, shift) = (0, 0);
        for (byte part; ; shift += 7)
        {
            part = Byte();
            length |= (part & 0x7F) << shift;
            if (part < 0x80) return Take(length);
        }
    }

    public string Text() => Encoding.UTF8.GetString(Utf8());

    ReadOnlySpan<byte> Take(int bytes)
    {
        var taken = _rest[..bytes];
        _rest = _rest[bytes..];
        return taken;
    }
}
