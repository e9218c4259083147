using System.Buffers;
using System.Security.Cryptography;
using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Runs;

/// <summary>
/// Large artifacts in parts: each part is durable by itself and may be sent again, in any order and by any server on the same rows and bytes; the artifact is
/// there, whole and under its hash, once the upload is completed, and nothing of it before.
/// </summary>
/// <param name="direct">Where parts go past the server; null: they come through it and wait in the store as files below <c>uploads/</c>.</param>
public sealed class ArtifactUploads(Database database, PackStore store, ArtifactFiles artifacts, DirectUploads? direct, TimeProvider time)
{
    /// <summary>As many as S3 takes.</summary>
    public const int MostParts = 10_000;

    /// <summary>An upload that was not completed ends so long after its last part.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromDays(1);

    readonly IObjectStore _objects = store.Objects;

    /// <param name="path">In the whole tree (<see cref="ArtifactFiles.Scoped"/>).</param>
    /// <exception cref="TaktException">Invalid: the number of parts.</exception>
    public async Task<ArtifactUpload> Begin(string path, long parts, CancellationToken cancel)
    {
        if (parts is < 1 or > MostParts) throw TaktException.Invalid($"Invalid value {parts} for parameter 'num_parts' supplied: an upload has 1 to {MostParts} parts");
        var id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
        var bucket = direct is null ? null : await direct.Begin(Folder(id), cancel);
        var now = time.GetUtcNow();
        await database.Write(session => session.Execute($"insert into artifact_upload(id, path, parts, bucket_upload, created, touched) values({id}, {path}, {parts}, {bucket}, {now}, {now})"));
        if (bucket is null) return new(id, null);
        var urls = new Uri[parts];
        for (var part = 1; part <= parts; part++) urls[part - 1] = await direct!.PartUrl(Folder(id), bucket, part, Lifetime);
        return new(id, urls);
    }

    /// <summary>On return the part is durable; one of the same number that came before is replaced.</summary>
    /// <exception cref="TaktException">NotFound: no such upload, or its parts go elsewhere. Invalid: the number. Conflict: it is complete.</exception>
    public async Task<UploadPart> Put(string id, int part, Stream content, CancellationToken cancel)
    {
        var upload = Find(id);
        if (upload.Bucket is not null) throw Unknown(id);
        if (upload.Digest is not null) throw Completed(id);
        if (part < 1 || part > upload.Parts) throw TaktException.Invalid($"Upload '{id}' has parts 1 to {upload.Parts}, and no {part}");
        var file = Path.Combine(store.Scratch, Guid.NewGuid().ToString("N"));
        try
        {
            var (digest, size) = await Save(content, file, cancel);
            // a name of its own: what is replaced can still be read by who began to
            var name = $"{Folder(id)}/{part:D5}-{Guid.NewGuid():N}";
            await _objects.Publish(name, file, cancel);
            string? replaced;
            try
            {
                replaced = await database.Write(session =>
                {
                    // completed or aborted meanwhile
                    if (Find(session, id) is not { } now) throw Unknown(id);
                    if (now.Digest is not null) throw Completed(id);
                    var old = session.Text($"select object from artifact_upload_part where upload = {id} and part = {part}");
                    session.Execute($"""
                        insert into artifact_upload_part(upload, part, object, digest, size) values({id}, {part}, {name}, {digest}, {size})
                        on conflict(upload, part) do update set object = excluded.object, digest = excluded.digest, size = excluded.size
                        """);
                    session.Execute($"update artifact_upload set touched = {time.GetUtcNow()} where id = {id}");
                    return old;
                });
            }
            catch (TaktException)
            {
                await _objects.Remove(name, CancellationToken.None);
                throw;
            }
            if (replaced is not null) await _objects.Remove(replaced, CancellationToken.None);
            return new(part, digest, size);
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>What has come so far, for who goes on with an upload; empty where parts go past the server.</summary>
    /// <exception cref="TaktException">NotFound.</exception>
    public IReadOnlyList<UploadPart> Parts(string id)
    {
        _ = Find(id);
        return Rows(id).ConvertAll(row => new UploadPart(row.Part, row.ETag, row.Size));
    }

    /// <summary>Puts the parts together: on return the artifact is there and durable. Asked again, the answer is the same.</summary>
    /// <param name="named">Every part, in any order, with the tag of its answer; a tag may be empty.</param>
    /// <exception cref="TaktException">NotFound: no such upload of this path. Invalid: a part is missing, named twice, or another than the one that is there.</exception>
    public async Task Complete(string id, string path, IReadOnlyList<UploadPart> named, CancellationToken cancel)
    {
        var upload = Find(id, path);
        if (upload.Digest is not null) return;
        var parts = named.OrderBy(part => part.Part).ToList();
        if (parts.Count != upload.Parts || parts.Where((part, i) => part.Part != i + 1).Any())
            throw TaktException.Invalid($"Upload '{id}' is of parts 1 to {upload.Parts}, each to be named once; {parts.Count} are named");
        Blob blob;
        if (upload.Bucket is not null)
        {
            blob = await direct!.Complete(Folder(id), upload.Bucket, [.. parts.Select(part => (part.Part, part.ETag))], cancel);
            await artifacts.Put(path, blob);
        }
        else
        {
            try
            {
                var rows = Rows(id).ToDictionary(row => row.Part);
                var faults = parts.Select(part => !rows.TryGetValue(part.Part, out var row) ? $"part {part.Part} was not sent"
                    : part.ETag.Length > 0 && part.ETag != row.ETag ? $"part {part.Part} is {row.ETag}, not {part.ETag}: send it again" : null).OfType<string>().Take(5).ToList();
                if (faults.Count > 0) throw TaktException.Invalid($"Upload '{id}' can't be completed: {string.Join("; ", faults)}");
                var files = new List<string>(parts.Count);
                foreach (var part in parts) files.Add(await _objects.LocalFile(rows[part.Part].Object, cancel));
                var whole = Path.Combine(store.Scratch, Guid.NewGuid().ToString("N"));
                try
                {
                    blob = Join(files, whole, cancel);
                    await store.Adopt(whole, blob, cancel);
                }
                finally
                {
                    File.Delete(whole);
                }
                await artifacts.Put(path, blob);
            }
            catch (Exception e) when (e is TaktException { Error: TaktError.NotFound } or FileNotFoundException && Find(id, path).Digest is not null)
            {
                return; // another request has completed it meanwhile and taken the parts away
            }
        }
        await database.Write(session =>
        {
            session.Execute($"update artifact_upload set digest = {blob.Id}, touched = {time.GetUtcNow()} where id = {id}");
            session.Execute($"delete from artifact_upload_part where upload = {id}");
        });
        await RemoveFiles(id, cancel);
    }

    /// <exception cref="TaktException">NotFound: no such upload of this path.</exception>
    public async Task Abort(string id, string path, CancellationToken cancel)
    {
        _ = Find(id, path);
        await Remove(id, cancel);
    }

    /// <summary>Ends every upload whose last part came longer ago than <see cref="Lifetime"/>, and forgets those that were completed so long ago.</summary>
    /// <returns>How many were not complete.</returns>
    public Task<int> EndOld(CancellationToken cancel = default) => End(time.GetUtcNow() - Lifetime, cancel);

    /// <summary>Ends them all, and forgets those that were completed; for tests.</summary>
    public Task Clear() => End(DateTimeOffset.MaxValue, CancellationToken.None);

    async Task<int> End(DateTimeOffset before, CancellationToken cancel)
    {
        var old = database.Read(session => session.Query($"select id, digest from artifact_upload where touched < {before}", row => (Id: row.Text(0), Complete: row.TextOrNull(1) is not null)));
        foreach (var (id, _) in old) await Remove(id, cancel);
        return old.Count(upload => !upload.Complete);
    }

    /// <summary>The bytes first: what a crash leaves in between is still found by its row.</summary>
    async Task Remove(string id, CancellationToken cancel)
    {
        if (database.Read(session => Find(session, id)) is { Bucket: { } bucket, Digest: null } && direct is not null) await direct.Abort(Folder(id), bucket, cancel);
        else await RemoveFiles(id, cancel);
        await database.Write(session =>
        {
            session.Execute($"delete from artifact_upload_part where upload = {id}");
            session.Execute($"delete from artifact_upload where id = {id}");
        });
    }

    async Task RemoveFiles(string id, CancellationToken cancel)
    {
        if (direct is not null) return;
        // those as well that came while it was completed
        await foreach (var file in _objects.Objects(Folder(id) + "/", cancel)) await _objects.Remove(file.Name, cancel);
    }

    /// <summary>The parts one after another in a new file, which shares their blocks where the file system can: then the whole needs no room of its own, nor time to be written.</summary>
    static Blob Join(IReadOnlyList<string> parts, string whole, CancellationToken cancel)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = ArrayPool<byte>.Shared.Rent(1 << 17);
        try
        {
            var length = 0L;
            using var to = File.OpenHandle(whole, FileMode.CreateNew, FileAccess.Write, FileShare.None);
            foreach (var part in parts)
            {
                cancel.ThrowIfCancellationRequested();
                using var from = File.OpenHandle(part, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, FileOptions.SequentialScan);
                var size = 0L;
                for (int read; (read = RandomAccess.Read(from, buffer, size)) > 0; size += read) hash.AppendData(buffer, 0, read);
                Files.Append(from, to, length, size);
                length += size;
            }
            return new Blob(Digest.FromHash(hash.GetHashAndReset()), length);
        }
        catch (Exception e) when (StorageFaults.Of(e, whole) is { } known)
        {
            throw known;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    static async Task<(string Digest, long Size)> Save(Stream content, string file, CancellationToken cancel)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = ArrayPool<byte>.Shared.Rent(1 << 17);
        try
        {
            var size = 0L;
            await using var to = new FileStream(file, FileMode.CreateNew, FileAccess.Write, FileShare.None, 0);
            for (int read; (read = await content.ReadAsync(buffer, cancel)) > 0; size += read)
            {
                hash.AppendData(buffer, 0, read);
                to.Write(buffer, 0, read);
            }
            return (Convert.ToHexStringLower(hash.GetHashAndReset()), size);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    Row Find(string id, string? path = null) => database.Read(session => Find(session, id)) is { } found && (path is null || found.Path == path) ? found : throw Unknown(id);

    static Row? Find(SqlSession session, string id) => session.First($"select path, parts, bucket_upload, digest from artifact_upload where id = {id}",
        row => new Row(row.Text(0), row.Number(1), row.TextOrNull(2), row.TextOrNull(3)));

    List<(int Part, string Object, string ETag, long Size)> Rows(string id) => database.Read(session => session
        .Query($"select part, object, digest, size from artifact_upload_part where upload = {id} order by part", row => ((int)row.Number(0), row.Text(1), row.Text(2), row.Number(3))));

    static string Folder(string id) => $"uploads/{id}";

    static TaktException Unknown(string id) => TaktException.NotFound($"No multipart upload '{id}' of this artifact; it was aborted, or its last part came more than a day ago. Begin it again");

    static TaktException Completed(string id) => TaktException.Conflict($"Multipart upload '{id}' is complete; begin another");

    sealed record Row(string Path, long Parts, string? Bucket, string? Digest);
}
