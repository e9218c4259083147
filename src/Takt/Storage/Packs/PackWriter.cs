using System.Buffers;
using System.Buffers.Binary;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Takt.Storage.Packs;

/// <summary>One pack being written, as a file in flight. An addition or a seal that fails leaves it as it was before, to be tried again. Not safe for concurrent use.</summary>
sealed partial class PackWriter : IDisposable
{
    const int BufferSize = 1 << 20;

    /// <summary>How much is written before the system is asked to begin with the disk: at the end the fsync finds little left to do.</summary>
    const int WriteBackStep = 8 << 20;

    readonly string _path;
    readonly SafeFileHandle _file;
    readonly byte[] _buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
    PackEntry[] _entries = ArrayPool<PackEntry>.Shared.Rent(1 << 10); // with all that is large here used again by the next pack, a session of many packs takes the memory of one
    int _records, _buffered;
    long _written, _sentToDisk;
    long _end = PackFormat.HeaderSize; // of the last record that is whole

    public PackWriter(string folder)
    {
        _path = Path.Combine(folder, Guid.NewGuid().ToString("N") + ".pack");
        _file = File.OpenHandle(_path, FileMode.CreateNew, FileAccess.Write, FileShare.Read);
        PackFormat.PackMagic.CopyTo(_buffer);
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer.AsSpan(8), PackFormat.Version);
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer.AsSpan(12), 0);
        _buffered = PackFormat.HeaderSize;
    }

    public bool IsFull => _written + _buffered >= PackFormat.TargetSize || _records >= PackFormat.MostRecords;

    /// <summary>In bytes, so far.</summary>
    public long Length => _written + _buffered;

    /// <param name="stored">Compressed or not.</param>
    /// <param name="checksum">Of what is stored.</param>
    public void Add(in ContentId id, RecordKind kind, ReadOnlySpan<byte> stored, int length, bool zstd, UInt128 checksum)
    {
        Rewind();
        if (_records == _entries.Length)
        {
            var more = ArrayPool<PackEntry>.Shared.Rent(2 * _records);
            _entries.CopyTo(more, 0);
            ArrayPool<PackEntry>.Shared.Return(_entries);
            _entries = more;
        }
        var entry = new PackEntry(id, checked((uint)_end), (uint)stored.Length, (uint)length, kind, zstd);
        Span<byte> head = stackalloc byte[PackFormat.RecordHead];
        BinaryPrimitives.WriteUInt32LittleEndian(head, (uint)stored.Length);
        head[4] = (byte)kind;
        head[5] = zstd ? (byte)1 : (byte)0;
        head[6] = head[7] = 0;
        BinaryPrimitives.WriteUInt128BigEndian(head[8..], checksum);
        Write(head);
        Write(stored);
        _entries[_records++] = entry;
        _end = _written + _buffered;
    }

    // what follows the last record is of a write that failed, or of a seal: it is written over
    bool Rewind()
    {
        if (_written + _buffered == _end) return false;
        (_written, _buffered) = _written > _end ? (_end, 0) : (_written, (int)(_end - _written));
        return true;
    }

    /// <summary>Writes the footer and the index beside the pack; neither is synced yet. The writer is done with, unless it is to seal again.</summary>
    public SealedPack Seal()
    {
        var index = Path.ChangeExtension(_path, "idx");
        if (Rewind()) File.Delete(index);
        var entries = _entries.AsSpan(0, _records);
        entries.Sort(static (a, b) => a.Id.CompareTo(b.Id));
        var room = ArrayPool<byte>.Shared.Rent(_records * PackEntry.Size);
        var footer = room.AsSpan(0, _records * PackEntry.Size);
        for (var i = 0; i < _records; i++) entries[i].Write(footer[(i * PackEntry.Size)..]);
        var id = ContentId.Of(footer);
        Write(footer);
        Span<byte> tail = stackalloc byte[PackFormat.TailSize];
        BinaryPrimitives.WriteInt64LittleEndian(tail, _end);
        BinaryPrimitives.WriteInt32LittleEndian(tail[8..], _records);
        BinaryPrimitives.WriteInt32LittleEndian(tail[12..], 0);
        BinaryPrimitives.WriteUInt64LittleEndian(tail[16..], XxHash64.HashToUInt64(footer));
        PackFormat.TailMagic.CopyTo(tail[24..]);
        Write(tail);
        FlushBuffer();
        if (RandomAccess.GetLength(_file) > _written) RandomAccess.SetLength(_file, _written); // of a longer write that failed
        PackFormat.WriteIndex(index, id, footer);
        ArrayPool<byte>.Shared.Return(room);
        return new SealedPack(id, _path, index, _written, _records);
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
        ArrayPool<PackEntry>.Shared.Return(_entries);
        _file.Dispose();
    }
}
