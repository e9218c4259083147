using System.Numerics;
using System.Runtime.Intrinsics;

namespace Takt.Data;

/// <summary>What a scan over a file of lines has found.</summary>
/// <param name="Quotes">There are quotes, so that a line end may lie within a field.</param>
/// <param name="Returns">Lines end with CR LF.</param>
/// <remarks>64 bytes at a time as bit masks, quoted stretches by a prefix xor over the quotes (Langdale and Lemire, Parsing Gigabytes of JSON per Second, 3.1.1).</remarks>
readonly record struct TextShape(long Rows, bool Quotes, bool Returns)
{
    const int Block = 64;

    /// <summary>Null when it is in doubt what a reader of the format would take for a row: empty lines, comments, quotes within a field, CR alone, JSON that is not one object a line.</summary>
    /// <param name="length">The last byte is a line end.</param>
    /// <param name="delimiter">Of CSV; '\0': JSON lines.</param>
    public static unsafe TextShape? Of(byte* start, long length, char delimiter)
    {
        var json = delimiter == '\0';
        long rows = 0, returns = 0;
        ulong inside = 0, anyQuote = 0, doubt = 0;
        ulong rowStart = 1, fieldStart = 1, closed = 0, wasReturn = 0; // of the byte before this block: what may or must follow it
        byte* last = stackalloc byte[Block];
        for (long at = 0; at < length; at += Block)
        {
            var block = start + at;
            var valid = ulong.MaxValue;
            if (length - at < Block)
            {
                new Span<byte>(last, Block).Clear();
                new ReadOnlySpan<byte>(block, (int)(length - at)).CopyTo(new Span<byte>(last, Block));
                block = last;
                valid = (1UL << (int)(length - at)) - 1;
            }
            var (low, high) = (Vector256.Load(block), Vector256.Load(block + 32));
            var lines = Mask(low, high, (byte)'\n');
            if (json)
            {
                var starts = (lines << 1) | rowStart;
                doubt |= starts & ~Mask(low, high, (byte)'{') & valid;
                rowStart = lines >> 63;
                rows += BitOperations.PopCount(lines);
                continue;
            }
            var cr = Mask(low, high, (byte)'\r');
            var quotes = Mask(low, high, (byte)'"');
            if (quotes != 0)
            {
                var delimiters = Mask(low, high, (byte)delimiter);
                var within = Prefix(quotes) ^ inside; // from an opening quote up to before the closing one
                inside = (ulong)((long)within >> 63);
                var (opening, closing) = (quotes & within, quotes & ~within);
                lines &= ~within;
                cr &= ~within;
                anyQuote |= quotes;
                doubt |= opening & ~(((delimiters | lines | closing) << 1) | fieldStart);
                doubt |= ((closing << 1) | closed) & ~(delimiters | lines | cr | quotes) & valid;
                (fieldStart, closed) = ((delimiters | lines | closing) >> 63, closing >> 63);
            }
            else if (inside != 0)
            {
                (wasReturn, rowStart, fieldStart, closed) = (0, 0, 0, 0);
                continue;
            }
            else
            {
                var delimiters = Mask(low, high, (byte)delimiter);
                doubt |= closed & ~(delimiters | lines | cr);
                (fieldStart, closed) = ((delimiters | lines) >> 63, 0);
            }
            doubt |= ((lines << 1) | rowStart) & (lines | cr | Mask(low, high, (byte)'#')) & valid;
            if ((cr | wasReturn) != 0)
            {
                doubt |= ((cr << 1) | wasReturn) & ~lines & valid;
                returns += BitOperations.PopCount(cr);
            }
            wasReturn = cr >> 63;
            rowStart = lines >> 63;
            rows += BitOperations.PopCount(lines);
        }
        // the last line may be without its CR
        if (doubt != 0 || inside != 0 || (returns != 0 && returns != rows && returns != rows - 1)) return null;
        return new TextShape(rows, anyQuote != 0, returns != 0);
    }

    /// <summary>How many of the bytes, from the beginning of a row on, are whole rows.</summary>
    public static unsafe long LastRowEnd(byte* start, long length)
    {
        long found = 0;
        ulong inside = 0;
        long at = 0;
        for (; length - at >= Block; at += Block)
        {
            var (low, high) = (Vector256.Load(start + at), Vector256.Load(start + at + 32));
            var within = Prefix(Mask(low, high, (byte)'"')) ^ inside;
            inside = (ulong)((long)within >> 63);
            var lines = Mask(low, high, (byte)'\n') & ~within;
            if (lines != 0) found = at + Block - BitOperations.LeadingZeroCount(lines);
        }
        for (; at < length; at++)
        {
            if (start[at] == '"') inside = ~inside;
            else if (start[at] == '\n' && inside == 0) found = at + 1;
        }
        return found;
    }

    static ulong Mask(Vector256<byte> low, Vector256<byte> high, byte of)
    {
        var wanted = Vector256.Create(of);
        return Vector256.Equals(low, wanted).ExtractMostSignificantBits() | ((ulong)Vector256.Equals(high, wanted).ExtractMostSignificantBits() << 32);
    }

    // bit i: whether an odd number of quotes stands at or before it
    static ulong Prefix(ulong quotes)
    {
        quotes ^= quotes << 1;
        quotes ^= quotes << 2;
        quotes ^= quotes << 4;
        quotes ^= quotes << 8;
        quotes ^= quotes << 16;
        return quotes ^ (quotes << 32);
    }
}
