using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Takt.Data;

namespace Takt.ML.Python;

/// <summary>A table that a worker answered.</summary>
static class FrameReader
{
    const int MostColumns = 16_384;

    /// <summary>Columns in order; a name may be empty, and may come twice.</summary>
    /// <exception cref="WorkerEnded">It is no table.</exception>
    public static List<Column> Table(ReadOnlySpan<byte> body, out int rows)
    {
        try
        {
            rows = BinaryPrimitives.ReadInt32LittleEndian(body);
            var count = BinaryPrimitives.ReadInt32LittleEndian(body[4..]);
            body = body[8..];
            if (rows < 0 || count is < 0 or > MostColumns) throw new WorkerEnded("it answered something that is no table");
            var columns = new List<Column>(count);
            for (var c = 0; c < count; c++) columns.Add(One(ref body, rows));
            return columns;
        }
        catch (Exception e) when (e is ArgumentException or OverflowException or IndexOutOfRangeException)
        {
            throw new WorkerEnded("it answered something that is no table");
        }
    }

    static Column One(ref ReadOnlySpan<byte> body, int rows)
    {
        var (type, hasMissing, length) = ((ColumnType)body[0], body[1] != 0, BinaryPrimitives.ReadUInt16LittleEndian(body[2..]));
        var name = Encoding.UTF8.GetString(body.Slice(4, length));
        body = body[(4 + length)..];
        bool[]? missing = null;
        if (hasMissing) missing = Flags(Take(ref body, rows));
        switch (type)
        {
            case ColumnType.Boolean:
                return Column.Of(name, Flags(Take(ref body, rows)), missing);
            case ColumnType.Number:
                var numbers = MemoryMarshal.Cast<byte, double>(Take(ref body, checked(8 * rows))).ToArray();
                return Column.Of(name, numbers);
            case ColumnType.Text:
                var ends = MemoryMarshal.Cast<byte, int>(Take(ref body, checked(4 * rows)));
                var texts = new string?[rows];
                var start = 0;
                for (var row = 0; row < rows; row++)
                {
                    texts[row] = missing is not null && missing[row] ? null : Encoding.UTF8.GetString(body[start..ends[row]]);
                    start = ends[row];
                }
                body = body[start..];
                return Column.Of(name, texts);
            default:
                return Column.Over(name, type == ColumnType.Integer ? type : ColumnType.Time, MemoryMarshal.Cast<byte, long>(Take(ref body, checked(8 * rows))).ToArray(), rows, missing);
        }
    }

    static bool[] Flags(ReadOnlySpan<byte> bytes)
    {
        var flags = new bool[bytes.Length];
        for (var i = 0; i < flags.Length; i++) flags[i] = bytes[i] != 0;
        return flags;
    }

    static ReadOnlySpan<byte> Take(ref ReadOnlySpan<byte> body, int count)
    {
        var taken = body[..count];
        body = body[count..];
        return taken;
    }
}
