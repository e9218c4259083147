using System.Runtime.InteropServices;

namespace Takt.Data;

/// <summary>One data file of lines, whole in memory: CSV or JSON lines. It ends with a line end, if need be one that was added.</summary>
sealed unsafe class TextRows : IDisposable
{
    byte* _start;

    /// <param name="length">Of the file, in bytes.</param>
    public TextRows(string path, long length)
    {
        (Path, Length) = (path, length);
        _start = (byte*)NativeMemory.Alloc((nuint)length + 1);
    }

    /// <summary>In the dataset.</summary>
    public string Path { get; }

    public long Length { get; private set; }

    public byte* Start => _start;

    public byte* End => _start + Length;

    /// <summary>Where the rows begin: behind a byte order mark and the header line.</summary>
    public byte* Body { get; private set; }

    public TextShape Shape { get; private set; }

    public Span<byte> Part(long at, int length) => new(_start + at, length);

    /// <summary>Looks at every byte once, when all are there. False: where a row ends is in doubt.</summary>
    /// <param name="delimiter">Of CSV; '\0': JSON lines.</param>
    public bool TryRead(char delimiter)
    {
        if (Length == 0) return false;
        if (_start[Length - 1] != '\n') _start[Length++] = (byte)'\n';
        var begin = delimiter != '\0' && Length >= 3 && _start[0] == 0xEF && _start[1] == 0xBB && _start[2] == 0xBF ? _start + 3 : _start;
        if (TextShape.Of(begin, End - begin, delimiter) is not { } shape) return false;
        Shape = delimiter == '\0' ? shape : shape with { Rows = shape.Rows - 1 };
        Body = delimiter == '\0' ? begin : RowEnd(begin);
        return true;
    }

    /// <summary>Behind the row that begins here.</summary>
    public byte* RowEnd(byte* row)
    {
        for (var quoted = false; ;)
        {
            var rest = new ReadOnlySpan<byte>(row, (int)Math.Min(End - row, int.MaxValue));
            var at = Shape.Quotes ? rest.IndexOfAny((byte)'"', (byte)'\n') : rest.IndexOf((byte)'\n');
            if (at < 0) return End;
            row += at + 1;
            if (row[-1] == '"') quoted = !quoted;
            else if (!quoted) return row;
        }
    }

    /// <summary>Behind the last row that ends within so many bytes; the place itself when none does.</summary>
    /// <param name="row">Where a row begins.</param>
    public byte* LastRowEnd(byte* row, long length)
    {
        if (Shape.Quotes) return row + TextShape.LastRowEnd(row, length);
        while (length > 0)
        {
            var part = (int)Math.Min(length, 1 << 30);
            var at = new ReadOnlySpan<byte>(row + length - part, part).LastIndexOf((byte)'\n');
            if (at >= 0) return row + length - part + at + 1;
            length -= part;
        }
        return row;
    }

    public void Dispose()
    {
        NativeMemory.Free(_start);
        _start = null;
    }
}
