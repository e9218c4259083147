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
        ulong hash = 0;
        var (hard, easy) = (_hard, _easy);
        fixed (byte* at = bytes)
        fixed (ulong* gear = _gear)
        {
            var i = Min;
            for (; i < normal; i++)
            {
                hash = (hash << 1) + gear[at[i]];
                if ((hash & hard) == 0) return i + 1;
            }
            for (; i < end; i++)
            {
                hash = (hash << 1) + gear[at[i]];
                if ((hash & easy) == 0) return i + 1;
            }
        }
        return end;
    }
}
