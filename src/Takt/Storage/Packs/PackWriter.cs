using System.Buffers;
using System.Buffers.Binary;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Takt.Storage.Packs;

/// <summary>One pack being written, as a file in flight. Not safe for concurrent use.</summary>
sealed partial class PackWriter : IDisposable
{
    const int BufferSize = 1 << 20;

    /// <summary>How much is written before the system is asked to begin with the disk: at the end the fsync finds little left to do.</summary>
    const int WriteBackStep = 8 << 20;

    readonly string _path;
    readonly SafeFileHandle _file;
    readonly byte[] _buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
    readonly List<PackEntry> _entries = [];
    int _buffered;
    long _written, _sentToDisk;

    public PackWriter(string folder)
    {
        _path = Path.Combine(folder, Guid.NewGuid().ToString("N") + ".pack");
        _file = File.OpenHandle(_path, FileMode.CreateNew, FileAccess.Write, FileShare.Read);
        PackFormat.PackMagic.CopyTo(_buffer);
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer.AsSpan(8), PackFormat.Version);
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer.AsSpan(12), 0);
        _buffered = PackFormat.HeaderSize;
    }

    public bool IsFull => _written + _buffered >= PackFormat.TargetSize || _entries.Count >= PackFormat.MostRecords;

    /// <summary>In bytes, so far.</summary>
    public long Length => _written + _buffered;

    /// <param name="stored">Compressed or not.</param>
    /// <param name="checksum">Of what is stored.</param>
    public void Add(in ContentId id, RecordKind kind, ReadOnlySpan<byte> stored, int length, bool zstd, UInt128 checksum)
    {
        _entries.Add(new PackEntry(id, checked((uint)(_written + _buffered)), (uint)stored.Length, (uint)length, kind, zstd));
        Span<byte> head = stackalloc byte[PackFormat.RecordHead];
        BinaryPrimitives.WriteUInt32LittleEndian(head, (uint)stored.Length);
        head[4] = (byte)kind;
        head[5] = zstd ? (byte)1 : (byte)0;
        head[6] = head[7] = 0;
        BinaryPrimitives.WriteUInt128BigEndian(head[8..], checksum);
        Write(head);
        Write(stored);
    }

    /// <summary>Writes the footer and the index beside the pack; neither is synced yet. The writer is done with.</summary>
    public SealedPack Seal()
    {
        var footerAt = _written + _buffered;
        _entries.Sort(static (a, b) => a.Id.CompareTo(b.Id));
        var footer = new byte[_entries.Count * PackEntry.Size];
        for (var i = 0; i < _entries.Count; i++) _entries[i].Write(footer.AsSpan(i * PackEntry.Size));
        var id = ContentId.Of(footer);
        Write(footer);
        Span<byte> tail = stackalloc byte[PackFormat.TailSize];
        BinaryPrimitives.WriteInt64LittleEndian(tail, footerAt);
        BinaryPrimitives.WriteInt32LittleEndian(tail[8..], _entries.Count);
        BinaryPrimitives.WriteInt32LittleEndian(tail[12..], 0);
        BinaryPrimitives.WriteUInt64LittleEndian(tail[16..], XxHash64.HashToUInt64(footer));
        PackFormat.TailMagic.CopyTo(tail[24..]);
        Write(tail);
        FlushBuffer();
        var index = Path.ChangeExtension(_path, "idx");
        using (var file = File.OpenHandle(index, FileMode.CreateNew, FileAccess.Write)) RandomAccess.Write(file, PackFormat.Index(id, footer), 0);
        return new SealedPack(id, _path, index, _written, _entries.Count);
    }

    void Write(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length >= BufferSize / 2)
        {
            FlushBuffer();
            WriteOut(bytes);
            return;
        }
        if (_buffered + bytes.Length > BufferSize) FlushBuffer();
        bytes.CopyTo(_buffer.AsSpan(_buffered));
        _buffered += bytes.Length;
    }

    void FlushBuffer()
    {
        WriteOut(_buffer.AsSpan(0, _buffered));
        _buffered = 0;
    }

    void WriteOut(ReadOnlySpan<byte> bytes)
    {
        RandomAccess.Write(_file, bytes, _written);
        _written += bytes.Length;
        if (_written - _sentToDisk < WriteBackStep || !OperatingSystem.IsLinux()) return;
        const uint BeginWriting = 2; // SYNC_FILE_RANGE_WRITE; a hint, whatever it answers
        _ = sync_file_range(_file, _sentToDisk, _written - _sentToDisk, BeginWriting);
        _sentToDisk = _written;
    }

    [LibraryImport("libc")]
    private static partial int sync_file_range(SafeFileHandle file, long offset, long length, uint flags);

    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(_buffer);
        _file.Dispose();
    }
}
