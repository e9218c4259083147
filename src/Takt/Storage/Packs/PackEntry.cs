using System.Buffers.Binary;

namespace Takt.Storage.Packs;

/// <summary>Where one record lies in a pack: 48 bytes in the pack's footer and in its index.</summary>
/// <param name="Offset">Of the record's head, in bytes from the start of the pack.</param>
/// <param name="Stored">Bytes of the record behind its head.</param>
/// <param name="Length">Bytes once they are decompressed.</param>
readonly record struct PackEntry(ContentId Id, uint Offset, uint Stored, uint Length, RecordKind Kind, bool Zstd)
{
    public const int Size = 48;

    public static PackEntry Read(ReadOnlySpan<byte> bytes) => new(
        ContentId.Read(bytes), BinaryPrimitives.ReadUInt32LittleEndian(bytes[32..]), BinaryPrimitives.ReadUInt32LittleEndian(bytes[36..]),
        BinaryPrimitives.ReadUInt32LittleEndian(bytes[40..]), (RecordKind)bytes[44], bytes[45] != 0);

    public void Write(Span<byte> bytes)
    {
        Id.Write(bytes);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[32..], Offset);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[36..], Stored);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[40..], Length);
        bytes[44] = (byte)Kind;
        bytes[45] = Zstd ? (byte)1 : (byte)0;
        bytes[46] = bytes[47] = 0;
    }
}
