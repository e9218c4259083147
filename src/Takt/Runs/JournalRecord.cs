using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;

namespace Takt.Runs;

/// <summary>
/// The bytes of one call's points in the journal (docs/formats.md), little-endian: length of the body u32, generation u64, XXH3 of generation and body u64; body: run (length u16, UTF-8), and for each point
/// its key (length u16, UTF-8), step i64, time i64 (Unix ms), value f64.
/// </summary>
static class JournalRecord
{
    const int Head = 20;

    public static int LengthOf(string run, IReadOnlyList<LoggedMetric> points)
    {
        var length = Head + 2 + Encoding.UTF8.GetByteCount(run);
        foreach (var point in points) length += 2 + Encoding.UTF8.GetByteCount(point.Key) + MetricBlock.PointSize;
        return length;
    }

    /// <param name="to">As long as <see cref="LengthOf"/> says.</param>
    public static void Write(Span<byte> to, ulong generation, string run, IReadOnlyList<LoggedMetric> points)
    {
        var body = Text(to[Head..], run);
        foreach (var point in points)
        {
            body = Text(body, point.Key);
            MetricBlock.Write(body, point.Point);
            body = body[MetricBlock.PointSize..];
        }
        BinaryPrimitives.WriteInt32LittleEndian(to, to.Length - Head);
        BinaryPrimitives.WriteUInt64LittleEndian(to[4..], generation);
        BinaryPrimitives.WriteUInt64LittleEndian(to[12..], Checksum(generation, to[Head..]));
    }

    /// <summary>The record that <paramref name="from"/> begins with, which is moved behind it; null when there is none that is whole.</summary>
    /// <param name="generation">0: any, which is then the one to find.</param>
    public static (string Run, List<LoggedMetric> Points)? Read(ref ReadOnlySpan<byte> from, ref ulong generation)
    {
        if (from.Length < Head) return null;
        var length = BinaryPrimitives.ReadInt32LittleEndian(from);
        var own = BinaryPrimitives.ReadUInt64LittleEndian(from[4..]);
        if (length <= 0 || length > from.Length - Head || own == 0 || (generation != 0 && own != generation)) return null;
        var body = from.Slice(Head, length);
        if (BinaryPrimitives.ReadUInt64LittleEndian(from[12..]) != Checksum(own, body)) return null;
        generation = own;
        from = from[(Head + length)..];
        var run = Text(ref body);
        var points = new List<LoggedMetric>();
        while (body.Length > 0)
        {
            var key = Text(ref body);
            var point = MetricBlock.Point(body);
            body = body[MetricBlock.PointSize..];
            points.Add(new LoggedMetric(key, point.Value, point.Step, point.Time));
        }
        return (run, points);
    }

    static ulong Checksum(ulong generation, ReadOnlySpan<byte> body) => XxHash3.HashToUInt64(body, unchecked((long)generation));

    static Span<byte> Text(Span<byte> to, string text)
    {
        var length = Encoding.UTF8.GetBytes(text, to[2..]);
        BinaryPrimitives.WriteUInt16LittleEndian(to, (ushort)length);
        return to[(2 + length)..];
    }

    static string Text(ref ReadOnlySpan<byte> from)
    {
        var length = BinaryPrimitives.ReadUInt16LittleEndian(from);
        var text = Encoding.UTF8.GetString(from.Slice(2, length));
        from = from[(2 + length)..];
        return text;
    }
}
