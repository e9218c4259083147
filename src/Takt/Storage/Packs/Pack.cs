using System.Buffers;
using System.Buffers.Binary;
using System.IO.Hashing;
using Microsoft.Win32.SafeHandles;

namespace Takt.Storage.Packs;

/// <summary>An open pack: its index, and its records by place. Safe for concurrent use.</summary>
/// <param name="place">The pack as a local file; asked when a record is read for the first time.</param>
sealed class Pack(Func<string> place, PackIndex index) : IDisposable
{
    readonly Lock _opening = new();
    SafeFileHandle? _file;

    public PackIndex Index { get; } = index;

    public ContentId Id => Index.Pack;

    /// <summary>Set while its rows say that it is about to be removed: what is found in it must be made live again by the writer that relies on it.</summary>
    public bool Quarantined { get; set; }

    /// <summary>Its file was not there when it was to be opened: another process has removed it, and moved to another pack what was needed of it.</summary>
    public bool IsGone { get; private set; }

    /// <summary>The record's content, decompressed, its checksum compared.</summary>
    /// <param name="content">Exactly <see cref="PackEntry.Length"/> bytes.</param>
    /// <exception cref="TaktException">Invalid: the record is damaged; the message names the pack and the place.</exception>
    public void Read(in PackEntry entry, Span<byte> content)
    {
        if (!entry.Zstd && entry.Length >= LeastInPlace)
        {
            ReadInPlace(entry, content);
            return;
        }
        var length = PackFormat.RecordHead + (int)entry.Stored;
        var buffer = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            var record = buffer.AsSpan(0, length);
            Fill(entry, record, 0);
            var stored = record[PackFormat.RecordHead..];
            Check(entry, record, stored);
            if (!entry.Zstd)
            {
                if (entry.Stored != entry.Length) throw Damaged(entry, "its length is wrong");
                stored.CopyTo(content);
                return;
            }
            try
            {
                Zstd.Mine.Decompress(stored, content);
            }
            catch (Exception e) when (e is ZstdSharp.ZstdException or InvalidDataException)
            {
                throw Damaged(entry, e.Message);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    const int LeastInPlace = 32 << 10;

    void ReadInPlace(in PackEntry entry, Span<byte> content)
    {
        Span<byte> head = stackalloc byte[PackFormat.RecordHead];
        Fill(entry, head, 0);
        if (entry.Stored != entry.Length || content.Length != entry.Length) throw Damaged(entry, "its length is wrong");
        Fill(entry, content, PackFormat.RecordHead);
        Check(entry, head, content);
    }

    void Fill(in PackEntry entry, Span<byte> bytes, int from)
    {
        for (var read = 0; read < bytes.Length;)
        {
            var got = RandomAccess.Read(Handle(), bytes[read..], entry.Offset + from + read);
            if (got == 0) throw Damaged(entry, "the pack ends before it");
            read += got;
        }
    }

    void Check(in PackEntry entry, ReadOnlySpan<byte> head, ReadOnlySpan<byte> stored)
    {
        if (BinaryPrimitives.ReadUInt32LittleEndian(head) != entry.Stored || head[4] != (byte)entry.Kind || head[5] != (entry.Zstd ? 1 : 0) || head[6] != 0 || head[7] != 0) throw Damaged(entry, "its head is not what the index says");
        if (XxHash128.HashToUInt128(stored) != BinaryPrimitives.ReadUInt128BigEndian(head[8..])) throw Damaged(entry, "its checksum is wrong");
    }

    public byte[] Read(in PackEntry entry)
    {
        if (entry.Length > PackFormat.LargestRecord) throw Damaged(entry, "it is larger than any record");
        var content = new byte[entry.Length];
        Read(entry, content);
        return content;
    }

    /// <summary>The record's bytes as they are stored, unchecked.</summary>
    public byte[] ReadStored(in PackEntry entry) => Read(entry, PackFormat.RecordHead, new byte[entry.Stored]);

    /// <summary>Its head, too.</summary>
    public byte[] ReadRecord(in PackEntry entry) => Read(entry, 0, new byte[PackFormat.RecordHead + entry.Stored]);

    byte[] Read(in PackEntry entry, int from, byte[] stored)
    {
        for (var read = 0; read < stored.Length;)
        {
            var got = RandomAccess.Read(Handle(), stored.AsSpan(read), entry.Offset + from + read);
            if (got == 0) throw Damaged(entry, "the pack ends before it");
            read += got;
        }
        return stored;
    }

    /// <summary>The entries as the pack's own footer has them, to make an index again.</summary>
    /// <exception cref="TaktException">Invalid: the pack is cut short, damaged or not the one of this id.</exception>
    public static byte[] ReadFooter(string packFile, ContentId? expected = null)
    {
        using var file = File.OpenHandle(packFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var length = RandomAccess.GetLength(file);
        Span<byte> head = stackalloc byte[PackFormat.HeaderSize], tail = stackalloc byte[PackFormat.TailSize];
        if (length < PackFormat.HeaderSize + PackFormat.TailSize) throw Bad("it is cut short");
        RandomAccess.Read(file, head, 0);
        RandomAccess.Read(file, tail, length - PackFormat.TailSize);
        if (!head.StartsWith(PackFormat.PackMagic)) throw Bad("it does not begin as one");
        if (BinaryPrimitives.ReadUInt32LittleEndian(head[8..]) is not PackFormat.Version and var version) throw new TaktException(TaktError.NotSupported, $"the pack '{packFile}' is of version {version}, which this Takt does not know; use the Takt that made it");
        if (!tail[24..].SequenceEqual(PackFormat.TailMagic) || BinaryPrimitives.ReadInt32LittleEndian(tail[12..]) != 0 || BinaryPrimitives.ReadInt32LittleEndian(head[12..]) != 0) throw Bad("it is cut short, or its end is damaged");
        var (at, count) = (BinaryPrimitives.ReadInt64LittleEndian(tail), BinaryPrimitives.ReadInt32LittleEndian(tail[8..]));
        if (at < PackFormat.HeaderSize || count < 0 || at + ((long)count * PackEntry.Size) + PackFormat.TailSize != length) throw Bad("its end is damaged");
        var footer = new byte[count * PackEntry.Size];
        for (var read = 0; read < footer.Length;)
        {
            var got = RandomAccess.Read(file, footer.AsSpan(read), at + read);
            if (got == 0) throw Bad("it is cut short");
            read += got;
        }
        if (XxHash64.HashToUInt64(footer) != BinaryPrimitives.ReadUInt64LittleEndian(tail[16..])) throw Bad("the list of its records is damaged");
        if (expected is { } id && ContentId.Of(footer) != id) throw Bad("its records are not those that its name says");
        return footer;

        TaktException Bad(string why) => TaktException.Invalid($"the pack '{packFile}' is damaged: {why}");
    }

    public void Dispose()
    {
        _file?.Dispose();
        Index.Dispose();
    }

    SafeFileHandle Handle()
    {
        if (_file is { } open) return open;
        lock (_opening)
            try
            {
                return _file ??= File.OpenHandle(place(), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            }
            catch (TaktException e) when (e.Error == TaktError.NotFound)
            {
                IsGone = true;
                throw;
            }
    }

    TaktException Damaged(in PackEntry entry, string why) =>
        TaktException.Invalid($"{entry.Id} in the pack '{PackFormat.PackName(Id)}' at byte {entry.Offset} is damaged: {why}; 'takt data verify' lists all damage");
}
