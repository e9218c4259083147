using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Data.GitLfs;

/// <summary>The large files of git repositories, in the same store as all else: content that is here already, by whatever way it came, is not sent again.</summary>
public sealed class LfsObjects(Database database, PackStore store, TimeProvider time)
{
    /// <summary>In bytes; null when it is not here.</summary>
    public Task<long?> Length(Digest id, CancellationToken cancel = default) => store.Length(id, cancel);

    /// <exception cref="TaktException">NotFound.</exception>
    public Task<Stream> Open(Digest id, CancellationToken cancel = default) => store.Open(id, cancel);

    /// <summary>What the repository needs from now on, and is here.</summary>
    public Task Keep(string repository, IReadOnlyCollection<(Digest Id, long Size)> objects) => objects.Count == 0 ? Task.CompletedTask : database.Write(session =>
    {
        foreach (var (id, size) in objects) Keep(session, repository, id, size);
    });

    /// <summary>Takes the content; on return it survives power loss.</summary>
    /// <param name="size">As announced; null: not announced.</param>
    /// <exception cref="TaktException">Invalid: it is other content than the id says, or of another length; nothing was kept.</exception>
    public Task Put(string repository, Digest id, long? size, Stream content, CancellationToken cancel = default) =>
        store.Put(new VerifiedStream(content, id, size), (session, blob) => Keep(session, repository, blob.Id, blob.Length), cancel);

    void Keep(SqlSession session, string repository, Digest id, long size) =>
        session.Execute($"insert into lfs_object(repository, oid, size, added) values({repository}, {id}, {size}, {time.GetUtcNow()}) on conflict do nothing");
}
