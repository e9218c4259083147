using System.Buffers.Binary;
using System.IO.Hashing;

namespace Takt.Storage.Packs;

/// <summary>A record on its way between stores: as it lies in a pack, with what it holds.</summary>
/// <param name="Stored">Compressed or not.</param>
/// <param name="Checksum">XXH128 of what is stored.</param>
/// <param name="Content">Decompressed; of kind Bytes its SHA-256 has been compared with the id.</param>
readonly record struct StoredRecord(ContentId Id, RecordKind Kind, ReadOnlyMemory<byte> Stored, bool Zstd, UInt128 Checksum, ReadOnlyMemory<byte> Content)
{
    public int Length => Content.Length;

    /// <summary>A record whose bytes came from elsewhere: nothing of it is believed before it has been looked at.</summary>
    /// <param name="record">Head and what is stored.</param>
    /// <param name="length">Once decompressed, as whoever sent it says.</param>
    /// <exception cref="TaktException">Invalid: it is damaged, or other content than the id says.</exception>
    public static StoredRecord Check(ContentId id, ReadOnlyMemory<byte> record, long length)
    {
        var head = record.Span;
        if (head.Length < PackFormat.RecordHead || BinaryPrimitives.ReadUInt32LittleEndian(head) != head.Length - PackFormat.RecordHead) throw Bad("its head is not that of a record");
        if (head[4] > (byte)RecordKind.ChunkList || head[5] > 1 || head[6] != 0 || head[7] != 0) throw Bad("its head is not that of a record");
        if (length is < 0 or > PackFormat.LargestRecord) throw Bad("its length is beyond that of any record");
        var (kind, zstd) = ((RecordKind)head[4], head[5] == 1);
        var stored = record[PackFormat.RecordHead..];
        var checksum = BinaryPrimitives.ReadUInt128BigEndian(head[8..]);
        if (XxHash128.HashToUInt128(stored.Span) != checksum) throw Bad("its checksum is wrong");
        var content = stored;
        if (zstd)
        {
            var plain = new byte[length];
            try
            {
                Packs.Zstd.Mine.Decompress(stored.Span, plain);
            }
            catch (Exception e) when (e is ZstdSharp.ZstdException or InvalidDataException)
            {
                throw Bad(e.Message);
            }
            content = plain;
        }
        if (content.Length != length) throw Bad("its length is wrong");
        if (kind == RecordKind.ChunkList) ChunkList.Parse(content.Span, id);
        else if (ContentId.Of(content.Span) != id) throw Bad("it is other content");
        return new(id, kind, stored, zstd, checksum, content);

        TaktException Bad(string why) => TaktException.Invalid($"{id} came damaged: {why}");
    }
}
