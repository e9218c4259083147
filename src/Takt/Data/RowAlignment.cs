using System.IO.Hashing;

namespace Takt.Data;

/// <summary>
/// Two files of rows, walked through side by side: what is equal at both places is passed over at the speed of a comparison of bytes; where they part, the nearest
/// row that both have is looked for. What is left on either side may still be found elsewhere on the other: <see cref="RowCancellation"/>.
/// </summary>
sealed unsafe class RowAlignment
{
    readonly RowWindow _seenA = new(), _seenB = new();

    public List<RowText> LeftA { get; } = [];
    public List<RowText> LeftB { get; } = [];

    /// <exception cref="OperationCanceledException">Of <paramref name="cancel"/>.</exception>
    public void Align(TextRows a, TextRows b, CancellationToken cancel)
    {
        byte* atA = a.Body, atB = b.Body;
        while (atA < a.End && atB < b.End)
        {
            cancel.ThrowIfCancellationRequested();
            var common = Common(atA, atB, Math.Min(a.End - atA, b.End - atB));
            var rows = a.LastRowEnd(atA, common) - atA;
            atA += rows;
            atB += rows;
            if (atA < a.End && atB < b.End) Meet(a, b, ref atA, ref atB);
        }
        Rest(a, atA, LeftA, cancel);
        Rest(b, atB, LeftB, cancel);
    }

    /// <summary>All rows of a file that has no counterpart.</summary>
    public static void Rest(TextRows file, List<RowText> left, CancellationToken cancel) => Rest(file, file.Body, left, cancel);

    static void Rest(TextRows file, byte* at, List<RowText> left, CancellationToken cancel)
    {
        while (at < file.End)
        {
            if ((left.Count & 0xFFFF) == 0) cancel.ThrowIfCancellationRequested();
            left.Add(Next(file, ref at));
        }
    }

    // a row more of each side in turn, until one is among those of the other
    void Meet(TextRows a, TextRows b, ref byte* atA, ref byte* atB)
    {
        _seenA.Clear();
        _seenB.Clear();
        byte* nextA = atA, nextB = atB;
        while (nextA < a.End || nextB < b.End)
        {
            if (nextA < a.End)
            {
                var row = Next(a, ref nextA);
                if (_seenB.Find(row) is >= 0 and var found)
                {
                    atA = (byte*)row.Start;
                    atB = (byte*)_seenB.Rows[found].Start;
                    LeftA.AddRange(_seenA.Rows);
                    LeftB.AddRange(_seenB.Rows[..found]);
                    return;
                }
                _seenA.Add(row);
            }
            if (nextB < b.End)
            {
                var row = Next(b, ref nextB);
                if (_seenA.Find(row) is >= 0 and var found)
                {
                    atA = (byte*)_seenA.Rows[found].Start;
                    atB = (byte*)row.Start;
                    LeftA.AddRange(_seenA.Rows[..found]);
                    LeftB.AddRange(_seenB.Rows);
                    return;
                }
                _seenB.Add(row);
            }
        }
        LeftA.AddRange(_seenA.Rows);
        LeftB.AddRange(_seenB.Rows);
        atA = a.End;
        atB = b.End;
    }

    static RowText Next(TextRows file, ref byte* at)
    {
        var start = at;
        at = file.RowEnd(at);
        var length = checked((int)(at - start));
        return new RowText((nint)start, length, XxHash3.HashToUInt64(new ReadOnlySpan<byte>(start, length)));
    }

    static long Common(byte* a, byte* b, long length)
    {
        for (long at = 0; at < length;)
        {
            var part = (int)Math.Min(length - at, 1 << 30);
            var same = new ReadOnlySpan<byte>(a + at, part).CommonPrefixLength(new ReadOnlySpan<byte>(b + at, part));
            at += same;
            if (same < part) return at;
        }
        return length;
    }
}
