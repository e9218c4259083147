using System.Buffers;
using System.Security.Cryptography;

namespace Takt.Storage;

/// <summary>A store of whole files, and beside it rows with the bytes of small ones: what is put with a name is durable together with the row that names it, in one commit.</summary>
/// <remarks>
/// A new file costs a sync of its own, one of its folder and, while the store is young, one of each folder above. It is read from either place, whoever wrote it.
/// </remarks>
sealed class SmallBlobs(IBlobStore files, Database database, TimeProvider time) : IBlobStore, IObjectStore, IDisposable
{
    /// <summary>In bytes. Four pages of a SQLite file: longer ones would push other rows out of its cache, and a file's syncs weigh less with them.</summary>
    public const int Largest = 16 << 10;

    readonly IObjectStore _objects = files as IObjectStore ?? throw new ArgumentException("packs need a store of objects", nameof(files));

    public string Scratch => _objects.Scratch;

    public Task<Blob> Put(Stream content, CancellationToken cancel = default) => files.Put(content, cancel);

    /// <summary>Small content becomes a row, larger a file; then <paramref name="name"/> runs in the transaction that makes the row durable, or in one of its own.</summary>
    public async Task<Blob> Put(Stream content, Action<SqlSession, Blob> name, CancellationToken cancel)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(Largest + 1);
        try
        {
            var length = await content.ReadAtLeastAsync(buffer.AsMemory(0, Largest + 1), Largest + 1, throwOnEndOfStream: false, cancel);
            if (length <= Largest)
            {
                var bytes = buffer.AsSpan(0, length).ToArray();
                var small = new Blob(Digest.FromHash(SHA256.HashData(bytes)), length);
                await database.Write(session =>
                {
                    // where it is a file already, the row is one more copy that goes with it
                    session.Execute($"insert into small_blob(digest, content, created) values({small.Id}, {bytes}, {time.GetUtcNow()}) on conflict(digest) do nothing");
                    name(session, small);
                });
                return small;
            }
            var blob = await files.Put(new Begun(buffer.AsMemory(0, length), content), cancel);
            await database.Write(session => name(session, blob));
            return blob;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public async Task<Stream> Open(Digest id, CancellationToken cancel = default)
    {
        try
        {
            return await files.Open(id, cancel);
        }
        catch (TaktException e) when (e.Error == TaktError.NotFound)
        {
            if (Row(id) is { } row) return new MemoryStream(row, writable: false);
            throw;
        }
    }

    public async Task<long?> Length(Digest id, CancellationToken cancel = default) =>
        await files.Length(id, cancel) ?? database.Read(session => session.Number($"select length(content) from small_blob where digest = {id}"));

    public async Task Delete(Digest id, CancellationToken cancel = default)
    {
        await files.Delete(id, cancel);
        if (database.Read(session => session.Number($"select 1 from small_blob where digest = {id}")) is not null)
            await database.Write(session => session.Execute($"delete from small_blob where digest = {id}"));
    }

    public async IAsyncEnumerable<Blob> List([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancel = default)
    {
        await foreach (var blob in files.List(cancel)) yield return blob;
        const int Page = 1000;
        for (var after = ""; ;)
        {
            var rows = database.Read(session => session.Query($"select digest, length(content) from small_blob where digest > {after} order by digest limit {Page}", row => new Blob(row.Digest(0), row.Number(1))));
            foreach (var blob in rows)
                if (await files.Length(blob.Id, cancel) is null) yield return blob;
            if (rows.Count < Page) yield break;
            after = rows[^1].Id.ToString();
        }
    }

    /// <inheritdoc/>
    /// <remarks>A row is copied out, into a folder that is gone with the process.</remarks>
    public async Task<string> LocalFile(Digest id, CancellationToken cancel = default)
    {
        try
        {
            return await files.LocalFile(id, cancel);
        }
        catch (TaktException e) when (e.Error == TaktError.NotFound)
        {
            if (Row(id) is not { } row) throw;
            var folder = Path.Combine(Scratch, "small");
            var file = Path.Combine(folder, id.Hex);
            if (File.Exists(file)) return file;
            Directory.CreateDirectory(folder);
            var tmp = $"{file}.{Guid.NewGuid():N}";
            using (var handle = File.OpenHandle(tmp, FileMode.CreateNew, FileAccess.Write)) RandomAccess.Write(handle, row, 0);
            if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(tmp, UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
            File.Move(tmp, file, overwrite: true);
            return file;
        }
    }

    public string Partial => _objects.Partial;

    public Task Publish(string name, string file, CancellationToken cancel = default) => _objects.Publish(name, file, cancel);

    Task<string> IObjectStore.LocalFile(string name, CancellationToken cancel) => _objects.LocalFile(name, cancel);

    public Task<bool> Create(string name, ReadOnlyMemory<byte> content, CancellationToken cancel = default) => _objects.Create(name, content, cancel);

    public Task Read(string name, long from, Memory<byte> content, CancellationToken cancel = default) => _objects.Read(name, from, content, cancel);

    public Task Remove(string name, CancellationToken cancel = default) => _objects.Remove(name, cancel);

    public IAsyncEnumerable<StoredObject> Objects(string prefix, CancellationToken cancel = default) => _objects.Objects(prefix, cancel);

    public void Dispose() => (files as IDisposable)?.Dispose();

    byte[]? Row(Digest id) => database.Read(session => session.First($"select content from small_blob where digest = {id}", row => row.Bytes(0)));

    /// <summary>A stream of which the first bytes have been read.</summary>
    sealed class Begun(ReadOnlyMemory<byte> start, Stream rest) : Stream
    {
        ReadOnlyMemory<byte> _start = start;

        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => _start.Length > 0 ? Begin(buffer.Span) : await rest.ReadAsync(buffer, cancellationToken);

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override int Read(byte[] buffer, int offset, int count) => _start.Length > 0 ? Begin(buffer.AsSpan(offset, count)) : rest.Read(buffer, offset, count);

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        int Begin(Span<byte> buffer)
        {
            var n = Math.Min(buffer.Length, _start.Length);
            _start.Span[..n].CopyTo(buffer);
            _start = _start[n..];
            return n;
        }
    }
}
