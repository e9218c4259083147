using System.Buffers.Binary;
using System.IO.Hashing;

namespace Takt.Storage.Packs;

/// <summary>The bytes of packs and indexes, docs/formats.md. Integers are little-endian, ids and checksums byte strings.</summary>
static class PackFormat
{
    public const uint Version = 1;
    public const int HeaderSize = 16, RecordHead = 24, TailSize = 32, IndexHead = 48, ChecksumSize = 16;

    /// <summary>A pack is closed when it has grown to this many bytes…</summary>
    public const int TargetSize = 128 << 20;

    /// <summary>…or holds this many records: bounds what a writer keeps in memory.</summary>
    public const int MostRecords = 1 << 18;

    /// <summary>The largest record: a chunk, a node of a tree or a list of chunks.</summary>
    public const int LargestRecord = 64 << 20;

    public static ReadOnlySpan<byte> PackMagic => "TAKTPACK"u8;
    public static ReadOnlySpan<byte> TailMagic => "TAKTPEND"u8;
    public static ReadOnlySpan<byte> IndexMagic => "TAKTPIDX"u8;

    public static string PackName(ContentId id) => Name(id, "pack");

    public static string IndexName(ContentId id) => Name(id, "idx");

    /// <summary>Of a whole blob.</summary>
    public static string LooseName(ContentId id)
    {
        var hex = id.Digest.Hex;
        return $"loose/{hex[..2]}/{hex[2..4]}/{hex}";
    }

    static string Name(ContentId id, string ending)
    {
        var hex = id.Digest.Hex;
        return $"packs/{hex[..2]}/{hex}.{ending}";
    }

    /// <summary>The index of a pack: head, fan-out by the leading bits of the ids, the entries as in the pack's footer, checksum.</summary>
    public static byte[] Index(ContentId pack, ReadOnlySpan<byte> entries)
    {
        var count = entries.Length / PackEntry.Size;
        var bits = FanOutBits(count);
        var fan = 4 << bits;
        var index = new byte[IndexHead + fan + entries.Length + ChecksumSize];
        IndexMagic.CopyTo(index);
        BinaryPrimitives.WriteInt32LittleEndian(index.AsSpan(8), count);
        BinaryPrimitives.WriteInt32LittleEndian(index.AsSpan(12), bits);
        pack.Write(index.AsSpan(16));
        var at = 0;
        for (var prefix = 0; prefix < 1 << bits; prefix++)
        {
            while (at < count && Prefix(BinaryPrimitives.ReadUInt64BigEndian(entries[(at * PackEntry.Size)..]), bits) <= prefix) at++;
            BinaryPrimitives.WriteInt32LittleEndian(index.AsSpan(IndexHead + (4 * prefix)), at);
        }
        entries.CopyTo(index.AsSpan(IndexHead + fan));
        XxHash128.Hash(index.AsSpan(0, index.Length - ChecksumSize), index.AsSpan(index.Length - ChecksumSize));
        return index;
    }

    /// <summary>16 bits for large packs; fewer for small ones, whose index would else be mostly fan-out.</summary>
    static int FanOutBits(int count) => Math.Clamp(32 - int.LeadingZeroCount(count), 0, 16);

    public static int Prefix(ulong first, int bits) => bits == 0 ? 0 : (int)(first >> (64 - bits));
}
