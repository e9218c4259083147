using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Takt.Runs;

/// <summary>The bytes of a block of metric points: for each point its step, its time (Unix ms) and its value, 8 bytes each, little-endian.</summary>
static class MetricBlock
{
    public const int PointSize = 24;

    public static byte[] Encode(ReadOnlySpan<MetricPoint> points)
    {
        var bytes = new byte[points.Length * PointSize];
        for (var i = 0; i < points.Length; i++) Write(bytes.AsSpan(i * PointSize), points[i]);
        return bytes;
    }

    public static void Write(Span<byte> to, MetricPoint point)
    {
        BinaryPrimitives.WriteInt64LittleEndian(to, point.Step);
        BinaryPrimitives.WriteInt64LittleEndian(to[8..], point.Time);
        BinaryPrimitives.WriteDoubleLittleEndian(to[16..], point.Value);
    }

    public static MetricPoint Point(ReadOnlySpan<byte> bytes) => new(
        BinaryPrimitives.ReadInt64LittleEndian(bytes), BinaryPrimitives.ReadInt64LittleEndian(bytes[8..]), BinaryPrimitives.ReadDoubleLittleEndian(bytes[16..]));

    public static void Decode(string key, ReadOnlySpan<byte> bytes, List<MetricValue> to)
    {
        for (; bytes.Length >= PointSize; bytes = bytes[PointSize..])
        {
            var point = Point(bytes);
            to.Add(new MetricValue(key, point.Value, point.Step, MetricValue.Clock(point.Time)));
        }
    }

    /// <summary>Every point once, in the order of time, step and value: a client that sends a batch twice has logged it once.</summary>
    public static List<MetricValue> Ordered(List<MetricValue> points)
    {
        points.Sort(Compare);
        var kept = new List<MetricValue>(points.Count);
        foreach (var point in points)
            if (kept.Count == 0 || Compare(kept[^1], point) != 0) kept.Add(point);
        return kept;
    }

    /// <inheritdoc cref="Ordered(List{MetricValue})"/>
    public static void Order(List<MetricPoint> points)
    {
        var span = CollectionsMarshal.AsSpan(points);
        var rising = true; // as points mostly come
        for (var i = 1; i < span.Length && rising; i++) rising = span[i - 1].CompareTo(span[i]) < 0;
        if (rising) return;
        span.Sort();
        var kept = 0;
        for (var i = 0; i < span.Length; i++)
            if (kept == 0 || span[kept - 1].CompareTo(span[i]) != 0) span[kept++] = span[i];
        points.RemoveRange(kept, points.Count - kept);
    }

    static int Compare(MetricValue a, MetricValue b)
    {
        var order = a.Time.CompareTo(b.Time);
        if (order == 0) order = a.Step.CompareTo(b.Step);
        return order != 0 ? order : a.Value.CompareTo(b.Value);
    }
}
