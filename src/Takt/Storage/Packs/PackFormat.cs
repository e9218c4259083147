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

    /// <summary>Writes the index of a pack as a new file, not synced: head, fan-out by the leading bits of the ids, the entries as in the pack's footer, checksum.</summary>
    public static void WriteIndex(string path, ContentId pack, ReadOnlySpan<byte> entries)
    {
        var count = entries.Length / PackEntry.Size;
        var bits = FanOutBits(count);
        var head = new byte[IndexHead + (4 << bits)];
        IndexMagic.CopyTo(head);
        BinaryPrimitives.WriteInt32LittleEndian(head.AsSpan(8), count);
        BinaryPrimitives.WriteInt32LittleEndian(head.AsSpan(12), bits);
        pack.Write(head.AsSpan(16));
        var at = 0;
        for (var prefix = 0; prefix < 1 << bits; prefix++)
        {
            while (at < count && Prefix(BinaryPrimitives.ReadUInt64BigEndian(entries[(at * PackEntry.Size)..]), bits) <= prefix) at++;
            BinaryPrimitives.WriteInt32LittleEndian(head.AsSpan(IndexHead + (4 * prefix)), at);
        }
        var hash = new XxHash128();
        hash.Append(head);
        hash.Append(entries);
        using var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write);
        RandomAccess.Write(file, head, 0);
        RandomAccess.Write(file, entries, head.Length);
        RandomAccess.Write(file, hash.GetCurrentHash(), head.Length + entries.Length);
    }

    /// <summary>16 bits for large packs; fewer for small ones, whose index would else be mostly fan-out.</summary>
    static int FanOutBits(int count) => Math.Clamp(32 - int.LeadingZeroCount(count), 0, 16);

    public static int Prefix(ulong first, int bits) => bits == 0 ? 0 : (int)(first >> (64 - bits));
}
