using System.Buffers.Binary;
using System.IO.Hashing;
using System.Numerics;
using System.Text;
using Takt.Data;

namespace Takt.Deployments;

/// <summary>Makes a framed record of a journal in a buffer that is used again and again. For one thread at a time.</summary>
sealed class RecordWriter
{
    /// <summary>A buffer that one large batch has blown up is let go of afterwards.</summary>
    const int LargestKept = 1 << 20;

    [ThreadStatic]
    static RecordWriter? _ofThread;

    byte[] _buffer = new byte[512];
    int _at;

    /// <summary>The calling thread's, empty.</summary>
    public static RecordWriter OfThread()
    {
        var writer = _ofThread ??= new RecordWriter();
        if (writer._buffer.Length > LargestKept) writer._buffer = new byte[512];
        writer._at = Journal.HeaderBytes;
        return writer;
    }

    /// <summary>The record with its frame.</summary>
    public ReadOnlySpan<byte> Framed()
    {
        var payload = _buffer.AsSpan(Journal.HeaderBytes, _at - Journal.HeaderBytes);
        BinaryPrimitives.WriteInt32LittleEndian(_buffer, payload.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(_buffer.AsSpan(4), XxHash64.HashToUInt64(payload));
        return _buffer.AsSpan(0, _at);
    }

    public void Byte(byte value) => Room(1)[0] = value;

    public void Boolean(bool value) => Byte(value ? (byte)1 : (byte)0);

    public void Int(int value) => BinaryPrimitives.WriteInt32LittleEndian(Room(4), value);

    public void Long(long value) => BinaryPrimitives.WriteInt64LittleEndian(Room(8), value);

    public void Double(double value) => BinaryPrimitives.WriteDoubleLittleEndian(Room(8), value);

    public void Id(PredictionId id)
    {
        Long((long)id.High);
        Long((long)id.Low);
    }

    /// <summary>UTF-8 behind a 7-bit length, as <see cref="BinaryWriter"/> writes it.</summary>
    public void Text(ReadOnlySpan<byte> utf8)
    {
        var length = (uint)utf8.Length;
        for (; length > 0x7F; length >>= 7) Byte((byte)(length | 0x80));
        Byte((byte)length);
        utf8.CopyTo(Room(utf8.Length));
    }

    public void Text(string text)
    {
        var bytes = Encoding.UTF8.GetByteCount(text);
        var length = (uint)bytes;
        for (; length > 0x7F; length >>= 7) Byte((byte)(length | 0x80));
        Byte((byte)length);
        Encoding.UTF8.GetBytes(text, Room(bytes));
    }

    /// <summary>A value of a Number column is bare; any other stands behind a byte that says whether it is there.</summary>
    public void Value(Column column, int row)
    {
        var missing = column.IsMissing(row);
        if (column.Type != ColumnType.Number) Boolean(!missing);
        switch (column.Type)
        {
            case ColumnType.Number: Double(missing ? double.NaN : column.Numbers[row]); break;
            case ColumnType.Boolean when !missing: Boolean(column.Booleans[row]); break;
            case ColumnType.Text when !missing: Text(column.Texts[row]!); break;
            case ColumnType.Integer or ColumnType.Time when !missing: Long(column.Integers[row]); break;
        }
    }

    Span<byte> Room(int bytes)
    {
        if (_at + bytes > _buffer.Length) Array.Resize(ref _buffer, (int)BitOperations.RoundUpToPowerOf2((uint)(_at + bytes)));
        var room = _buffer.AsSpan(_at, bytes);
        _at += bytes;
        return room;
    }
}
