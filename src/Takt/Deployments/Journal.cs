using System.Buffers.Binary;
using System.IO.Hashing;
using System.Numerics;
using Takt.Storage;

namespace Takt.Deployments;

/// <summary>
/// An append-only file of records: <c>length (u32) | XxHash64 of the payload | payload</c>, little-endian. A torn tail is cut off when it is read:
/// what was synced before is whole.
/// </summary>
/// <remarks>One writer. <see cref="Sync"/> makes all that was appended survive power loss.</remarks>
sealed class Journal : IDisposable
{
    public const int HeaderBytes = 12;

    /// <summary>A longer record is damage, not data.</summary>
    public const int MaxRecord = 64 << 20;

    readonly FileStream _file;
    public string Path { get; }

    public Journal(string path)
    {
        Path = path;
        var folder = System.IO.Path.GetDirectoryName(path)!;
        Directory.CreateDirectory(folder);
        _file = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.Read, 0); // no buffer: what a full disk refused would be tried again, and thrown, by Dispose
        Files.SyncFolder(folder);
    }

    public long Bytes => _file.Position;

    public void Append(ReadOnlySpan<byte> payload)
    {
        Span<byte> header = stackalloc byte[HeaderBytes];
        BinaryPrimitives.WriteInt32LittleEndian(header, payload.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(header[4..], XxHash64.HashToUInt64(payload));
        _file.Write(header);
        _file.Write(payload);
    }

    /// <summary>Records that have their headers already.</summary>
    public void AppendFramed(ReadOnlySpan<byte> records) => _file.Write(records);

    public void Sync() => _file.Flush(flushToDisk: true);

    public void Dispose() => _file.Dispose();

    /// <summary>The whole records from the start of the file; ends at the first that is torn or damaged. Each is gone when the next is asked for.</summary>
    public static IEnumerable<ReadOnlyMemory<byte>> Read(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1 << 16);
        var header = new byte[HeaderBytes];
        var buffer = new byte[1024];
        while (file.ReadAtLeast(header, HeaderBytes, throwOnEndOfStream: false) == HeaderBytes)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(header);
            if (length is < 0 or > MaxRecord || length > file.Length - file.Position) yield break;
            if (length > buffer.Length) buffer = new byte[BitOperations.RoundUpToPowerOf2((uint)length)];
            var payload = buffer.AsMemory(0, length);
            file.ReadExactly(payload.Span);
            if (XxHash64.HashToUInt64(payload.Span) != BinaryPrimitives.ReadUInt64LittleEndian(header.AsSpan(4))) yield break;
            yield return payload;
        }
    }
}
