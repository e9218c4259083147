using System.Buffers;
using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace Takt.Storage.Packs;

/// <summary>Content by id out of packs, or whole files of another store. Safe for concurrent use.</summary>
/// <param name="find">Throws nothing; null when no pack holds the id.</param>
public sealed class BlobReader
{
    const int ChunksAhead = 16;

    readonly Func<ContentId, PackHit?> _find;
    readonly IBlobStore _whole;

    internal BlobReader(Func<ContentId, PackHit?> find, IBlobStore whole) => (_find, _whole) = (find, whole);

    internal PackHit? Find(in ContentId id) => _find(id);

    /// <summary>A small blob at once: a node of a tree, a commit, a profile.</summary>
    /// <exception cref="TaktException">NotFound. Invalid: damaged.</exception>
    public async Task<byte[]> Bytes(ContentId id, CancellationToken cancel = default)
    {
        if (_find(id) is { Entry.Kind: RecordKind.Bytes } hit) return Content(id, hit);
        await using var content = await Open(id, cancel);
        var bytes = new byte[content.Length];
        await content.ReadExactlyAsync(bytes, cancel);
        return bytes;
    }

    public async Task<long?> Length(ContentId id, CancellationToken cancel = default) => _find(id) switch
    {
        { Entry.Kind: RecordKind.Bytes } hit => hit.Entry.Length,
        { } hit => ChunkList.Parse(Content(id, hit), id).Length,
        null => await _whole.Length(id.Digest, cancel),
    };

    /// <exception cref="TaktException">NotFound. Invalid: damaged.</exception>
    public async Task<Stream> Open(ContentId id, CancellationToken cancel = default) => _find(id) switch
    {
        { Entry.Kind: RecordKind.Bytes } hit => new MemoryStream(Content(id, hit), writable: false),
        { } hit => new ChunkedStream(this, ChunkList.Parse(Content(id, hit), id)),
        null => await _whole.Open(id.Digest, cancel),
    };

    /// <summary>Whether it is a whole file of its own, which can be linked rather than copied.</summary>
    public bool IsLoose(ContentId id) => _find(id) is null;

    /// <summary>
    /// Writes the content into a new file. Its SHA-256 is compared with the id on the way: what was damaged is never handed out.
    /// Not synced: the store still has it.
    /// </summary>
    /// <exception cref="TaktException">NotFound. Invalid: damaged; the file is not there then. Unavailable: the disk is full.</exception>
    public void CopyTo(ContentId id, string file)
    {
        try
        {
            using var handle = File.OpenHandle(file, FileMode.CreateNew, FileAccess.Write, FileShare.Read);
            if (_find(id) is not { } hit) throw Missing(id);
            if (hit.Entry.Kind == RecordKind.Bytes)
            {
                var buffer = ArrayPool<byte>.Shared.Rent((int)hit.Entry.Length);
                var content = buffer.AsSpan(0, (int)hit.Entry.Length);
                Read(id, hit, content);
                if (ContentId.Of(content) != id) throw Wrong(id);
                if (content.Length > 0) RandomAccess.Write(handle, content, 0);
                ArrayPool<byte>.Shared.Return(buffer);
                return;
            }
            // one core hashes what the other has read and writes
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            using var written = new BlockingCollection<ArraySegment<byte>>(ChunksAhead);
            var hashing = Task.Factory.StartNew(() =>
            {
                foreach (var chunk in written.GetConsumingEnumerable())
                {
                    hash.AppendData(chunk);
                    ArrayPool<byte>.Shared.Return(chunk.Array!);
                }
            }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            try
            {
                long at = 0;
                foreach (var (chunk, length) in Chunks(ChunkList.Parse(Content(id, hit), id)))
                {
                    var buffer = ArrayPool<byte>.Shared.Rent((int)length);
                    Read(chunk, buffer.AsSpan(0, (int)length));
                    RandomAccess.Write(handle, buffer.AsSpan(0, (int)length), at);
                    at += length;
                    written.Add(new ArraySegment<byte>(buffer, 0, (int)length));
                }
            }
            finally
            {
                written.CompleteAdding();
                hashing.GetAwaiter().GetResult();
            }
            if (ContentId.Read(hash.GetHashAndReset()) != id) throw Wrong(id);
        }
        catch (Exception e)
        {
            File.Delete(file);
            if (e is IOException && StorageFaults.Of(e, file) is { } known) throw known;
            throw;
        }
    }

    /// <summary>Makes a file of the content: a read-only link to the store's own where there is one, else a copy.</summary>
    /// <param name="readOnly">Nobody should write to the copy.</param>
    /// <exception cref="TaktException">As <see cref="CopyTo"/>.</exception>
    public void Place(ContentId id, string file, bool executable = false, bool readOnly = true)
    {
        if (IsLoose(id) && _whole.Length(id.Digest).GetAwaiter().GetResult() is null) throw Missing(id);
        if (IsLoose(id) && !executable) Files.LinkOrCopy(_whole.LocalFile(id.Digest).GetAwaiter().GetResult(), file);
        else
        {
            if (!IsLoose(id) && TryPlaceSmall(id, file, (executable ? 0x16D : 0x124) | (readOnly ? 0 : 0x80))) return; // 0555, 0444, and 0200
            if (IsLoose(id)) File.Copy(_whole.LocalFile(id.Digest).GetAwaiter().GetResult(), file);
            else CopyTo(id, file);
            const UnixFileMode Read = UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
            const UnixFileMode Execute = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
            if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(file, Read | (executable ? Execute : 0) | (readOnly ? 0 : UnixFileMode.UserWrite));
        }
    }

    // three system calls a file; at ten thousand files they are what a checkout takes
    bool TryPlaceSmall(ContentId id, string file, int mode)
    {
        if (_find(id) is not { Entry.Kind: RecordKind.Bytes } hit) return false;
        var buffer = ArrayPool<byte>.Shared.Rent((int)hit.Entry.Length);
        try
        {
            var content = buffer.AsSpan(0, (int)hit.Entry.Length);
            Read(id, hit, content);
            return ContentId.Of(content) == id ? FileBytes.TryCreate(file, content, mode) : throw Wrong(id);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    internal IEnumerable<(ContentId Id, long Length)> Chunks(ChunkList list)
    {
        foreach (var item in list.Items)
        {
            if (!list.OfLists) yield return item;
            else foreach (var chunk in Part(item.Id).Items) yield return chunk;
        }
    }

    /// <summary>One of the lists that a list of lists is made of.</summary>
    internal ChunkList Part(ContentId id) => ChunkList.Parse(Content(id, _find(id) ?? throw Missing(id)), id);

    internal void Read(ContentId chunk, Span<byte> content)
    {
        var hit = _find(chunk) ?? throw Missing(chunk);
        if (hit.Entry.Length != content.Length) throw Wrong(chunk);
        Read(chunk, hit, content);
    }

    byte[] Content(ContentId id, PackHit hit)
    {
        if (hit.Entry.Length > PackFormat.LargestRecord) return hit.Read(); // tells that it is damaged
        var content = new byte[hit.Entry.Length];
        Read(id, hit, content);
        return content;
    }

    // another process may have moved it to another pack since this one was looked at
    void Read(ContentId id, PackHit hit, Span<byte> content)
    {
        try
        {
            hit.Pack.Read(hit.Entry, content);
        }
        catch (TaktException e) when (e.Error == TaktError.NotFound && hit.Pack.IsGone)
        {
            var moved = _find(id) ?? throw Missing(id);
            moved.Pack.Read(moved.Entry, content);
        }
    }

    static TaktException Missing(ContentId id) => TaktException.NotFound($"the store has no {id}; 'takt data pull' brings it where a remote has it, 'takt data verify' lists all that is missing");

    static TaktException Wrong(ContentId id) => TaktException.Invalid($"the store holds other bytes than {id} says; 'takt data verify' lists all damage");
}
