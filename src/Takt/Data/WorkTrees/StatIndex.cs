using System.Buffers.Binary;
using System.IO.Hashing;
using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Data.WorkTrees;

/// <summary>
/// The stat cache of one tracked folder, <c>.takt/index/…</c>: a file whose size, times and inode are as noted is not read again. Only a cache: lost, damaged or
/// cut short it is as good as none.
/// </summary>
/// <remarks>
/// git's "racily clean" rule, sharpened: a file that was changed less than 20 ms before it was read may have been changed again within one tick of the
/// kernel's clock, unseen; it is noted with time 0 and so read again.
/// </remarks>
static class StatIndex
{
    const long Tick = 20_000_000; // ns; twice the slowest clock of a Linux kernel (100 Hz)

    static ReadOnlySpan<byte> Magic => "TAKTSTA1"u8;

    /// <summary>The tree that the folder held when the index was written, and the files; null when there is no whole index.</summary>
    public static (ContentId Tree, IEnumerable<StatEntry> Files)? Read(string path)
    {
        if (!File.Exists(path)) return null;
        var bytes = File.ReadAllBytes(path);
        if (bytes.Length < 48 || !bytes.AsSpan().StartsWith(Magic) || XxHash64.HashToUInt64(bytes.AsSpan(0, bytes.Length - 8)) != BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(bytes.Length - 8))) return null;
        return (ContentId.Read(bytes.AsSpan(8)), Files(bytes));
    }

    static IEnumerable<StatEntry> Files(byte[] bytes)
    {
        byte[] before = [];
        for (var at = 40; at < bytes.Length - 8;)
        {
            var entry = Entry(bytes, ref at, before);
            before = entry.Path;
            yield return entry;
        }
    }

    static StatEntry Entry(ReadOnlySpan<byte> bytes, ref int at, byte[] before)
    {
        var head = bytes[at..];
        var (shared, rest) = (BinaryPrimitives.ReadUInt16LittleEndian(head), BinaryPrimitives.ReadUInt16LittleEndian(head[2..]));
        var path = new byte[shared + rest];
        before.AsSpan(0, shared).CopyTo(path);
        head.Slice(70, rest).CopyTo(path.AsSpan(shared));
        at += 70 + rest;
        return new StatEntry(path, new FileStat(
            BinaryPrimitives.ReadInt64LittleEndian(head[6..]), BinaryPrimitives.ReadInt64LittleEndian(head[14..]), BinaryPrimitives.ReadInt64LittleEndian(head[22..]),
            BinaryPrimitives.ReadInt64LittleEndian(head[30..]), head[5] != 0)
        { Kind = (FileKind)head[4] }, ContentId.Read(head[38..]));
    }

    /// <summary>Writes an index entry by entry; it replaces the old one when it is finished.</summary>
    public sealed class Writer : IDisposable
    {
        readonly string _path, _tmp;
        readonly FileStream _file;
        readonly XxHash64 _hash = new();
        readonly byte[] _buffer = new byte[70];
        byte[] _before = [];

        public Writer(string path)
        {
            (_path, _tmp) = (path, $"{path}.{Guid.NewGuid():N}.tmp");
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            _file = new FileStream(_tmp, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1 << 16);
            _file.Write(new byte[40]);
        }

        /// <param name="readAt">When the file was read, in nanoseconds since 1970; null: it was not, the entry is an old one's.</param>
        public void Add(in StatEntry entry, long? readAt)
        {
            var stat = entry.Stat;
            if (readAt - Math.Max(stat.ModifiedAt, stat.ChangedAt) < Tick) stat = stat with { ModifiedAt = 0 };
            var shared = Math.Min(_before.AsSpan().CommonPrefixLength(entry.Path), ushort.MaxValue);
            BinaryPrimitives.WriteUInt16LittleEndian(_buffer, (ushort)shared);
            BinaryPrimitives.WriteUInt16LittleEndian(_buffer.AsSpan(2), checked((ushort)(entry.Path.Length - shared)));
            _buffer[4] = (byte)stat.Kind;
            _buffer[5] = stat.Executable ? (byte)1 : (byte)0;
            BinaryPrimitives.WriteInt64LittleEndian(_buffer.AsSpan(6), stat.Size);
            BinaryPrimitives.WriteInt64LittleEndian(_buffer.AsSpan(14), stat.ModifiedAt);
            BinaryPrimitives.WriteInt64LittleEndian(_buffer.AsSpan(22), stat.ChangedAt);
            BinaryPrimitives.WriteInt64LittleEndian(_buffer.AsSpan(30), stat.Inode);
            entry.Id.Write(_buffer.AsSpan(38));
            _file.Write(_buffer);
            _file.Write(entry.Path.AsSpan(shared));
            _before = entry.Path;
        }

        public void Finish(ContentId tree)
        {
            _file.Position = 0;
            _file.Write(Magic);
            Span<byte> id = stackalloc byte[ContentId.Size];
            tree.Write(id);
            _file.Write(id);
            _file.Flush();
            _file.Position = 0;
            var buffer = new byte[1 << 16];
            for (int read; (read = _file.Read(buffer)) > 0;) _hash.Append(buffer.AsSpan(0, read));
            BinaryPrimitives.WriteUInt64LittleEndian(id, _hash.GetCurrentHashAsUInt64());
            _file.Write(id[..8]);
            _file.Dispose();
            File.Move(_tmp, _path, overwrite: true);
        }

        public void Dispose()
        {
            _file.Dispose();
            File.Delete(_tmp);
        }
    }
}
