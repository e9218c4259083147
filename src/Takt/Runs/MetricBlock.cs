using System.Buffers.Binary;

namespace Takt.Runs;

/// <summary>The bytes of a block of metric points: for each point its step, its time (Unix ms) and its value, 8 bytes each, little-endian.</summary>
static class MetricBlock
{
    const int PointSize = 24;

    public static byte[] Encode(IReadOnlyList<MetricValue> points)
    {
        var bytes = new byte[points.Count * PointSize];
        for (var i = 0; i < points.Count; i++)
        {
            var to = bytes.AsSpan(i * PointSize);
            BinaryPrimitives.WriteInt64LittleEndian(to, points[i].Step);
            BinaryPrimitives.WriteInt64LittleEndian(to[8..], points[i].Time.ToUnixTimeMilliseconds());
            BinaryPrimitives.WriteDoubleLittleEndian(to[16..], points[i].Value);
        }
        return bytes;
    }

    public static void Decode(string key, ReadOnlySpan<byte> bytes, List<MetricValue> to)
    {
        for (; bytes.Length >= PointSize; bytes = bytes[PointSize..])
            to.Add(new MetricValue(key, BinaryPrimitives.ReadDoubleLittleEndian(bytes[16..]), BinaryPrimitives.ReadInt64LittleEndian(bytes),
                DateTimeOffset.FromUnixTimeMilliseconds(BinaryPrimitives.ReadInt64LittleEndian(bytes[8..]))));
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

    static int Compare(MetricValue a, MetricValue b)
    {
        var order = a.Time.CompareTo(b.Time);
        if (order == 0) order = a.Step.CompareTo(b.Step);
        return order != 0 ? order : a.Value.CompareTo(b.Value);
    }
}
