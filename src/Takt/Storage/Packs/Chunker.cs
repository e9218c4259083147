using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Takt.Storage.Packs;

/// <summary>
/// Where to cut a file so that an insertion moves few cuts: FastCDC (Xia et al., USENIX ATC 2016) with normalised chunking level 2. A gear hash of the
/// last 64 bytes decides; the first <see cref="Min"/> bytes of a chunk are skipped, up to <see cref="Average"/> a cut is four times less likely than
/// after it, at <see cref="Max"/> it is made in any case.
/// </summary>
/// <remarks>All of it is fixed for a store when that is made: other numbers would cut old files anew and find nothing again.</remarks>
public sealed class Chunker
{
    readonly ulong[] _gear = new ulong[256];
    readonly ulong _hard, _easy;

    /// <param name="min">Bytes; likewise the others. The average is a power of two.</param>
    /// <param name="seed">Makes the gear table: equal seeds cut alike.</param>
    public Chunker(int min = 64 << 10, int average = 256 << 10, int max = 1 << 20, string seed = StoreConfig.CommonSeed)
    {
        if (min < 64 || average <= min || max <= average || !int.IsPow2(average)) throw TaktException.Invalid($"chunks of {min}, {average}, {max} bytes: they must rise, from 64, and the average be a power of two");
        (Min, Average, Max) = (min, average, max);
        var bits = int.Log2(average);
        _hard = ulong.MaxValue << (64 - (bits + 2));
        _easy = ulong.MaxValue << (64 - (bits - 2));
        for (var i = 0; i < 256; i++) _gear[i] = BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes($"{seed}/{i}")));
    }

    public int Min { get; }
    public int Average { get; }
    public int Max { get; }

    /// <summary>The length of the first chunk. What is given must be <see cref="Max"/> bytes, or all that is left.</summary>
    public unsafe int Cut(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length <= Min) return bytes.Length;
        var end = Math.Min(bytes.Length, Max);
        var normal = Math.Min(Average, end);
        fixed (byte* at = bytes)
        fixed (ulong* gear = _gear)
        {
            ulong hash = 0;
            var i = Min;
            if (Scan(at, gear, ref i, normal, ref hash, _hard) || Scan(at, gear, ref i, end, ref hash, _easy)) return i;
        }
        return end;
    }

    const int Lane = 2048, Remembered = 64;

    // each byte's hash waits for that of the byte before; four stretches at once fill the waiting, for no hash knows more than the last 64 bytes
    unsafe bool Scan(byte* at, ulong* gear, ref int i, int end, ref ulong hash, ulong mask)
    {
        while (i < end)
        {
            if (i < Min + Remembered || end - i < 4 * Lane)
            {
                var to = i < Min + Remembered ? Math.Min(Min + Remembered, end) : end;
                for (; i < to; i++)
                {
                    hash = (hash << 1) + gear[at[i]];
                    if ((hash & mask) != 0) continue;
                    i++;
                    return true;
                }
                continue;
            }
            var start = at + i;
            ulong a = hash, b = Warm(start + Lane, gear), c = Warm(start + (2 * Lane), gear), d = Warm(start + (3 * Lane), gear);
            var j = 0;
            for (; j < Lane; j++)
            {
                a = (a << 1) + gear[start[j]];
                b = (b << 1) + gear[start[j + Lane]];
                c = (c << 1) + gear[start[j + (2 * Lane)]];
                d = (d << 1) + gear[start[j + (3 * Lane)]];
                if ((a & mask) == 0 || (b & mask) == 0 || (c & mask) == 0 || (d & mask) == 0) break;
            }
            if (j == Lane)
            {
                (i, hash) = (i + (4 * Lane), d);
                continue;
            }
            // the first cut in the order of the bytes: what lies before the one found is looked at to its end
            for (var lane = 0; ; lane++)
            {
                var state = lane switch { 0 => a, 1 => b, 2 => c, _ => d };
                for (var k = j; k < Lane; k++)
                {
                    if (k > j) state = (state << 1) + gear[start[(lane * Lane) + k]];
                    if ((state & mask) != 0) continue;
                    i += (lane * Lane) + k + 1;
                    return true;
                }
            }
        }
        return false;
    }

    static unsafe ulong Warm(byte* to, ulong* gear)
    {
        ulong hash = 0;
        for (var at = to - Remembered; at < to; at++) hash = (hash << 1) + gear[*at];
        return hash;
    }
}
