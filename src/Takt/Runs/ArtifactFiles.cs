using Takt.Storage;

namespace Takt.Runs;

/// <summary>
/// The artifact tree as clients address it: <c>EXPERIMENT/RUN/artifacts/…</c> is that run's, every other path stands by itself. A path has been checked
/// by the caller: no empty segment, no <c>..</c>.
/// </summary>
public sealed class ArtifactFiles(Database database, IBlobStore blobs, TimeProvider time)
{
    public async Task Put(string path, Stream content, CancellationToken cancel)
    {
        var blob = await blobs.Put(content, cancel);
        await database.Write(session =>
        {
            if (OfRun(session, path) is var (run, inner))
                session.Execute($"""
                    insert into artifact(run, path, digest, size, created) values({run}, {inner}, {blob.Id}, {blob.Length}, {time.GetUtcNow()})
                    on conflict(run, path) do update set digest = excluded.digest, size = excluded.size, created = excluded.created
                    """);
            else
                session.Execute($"""
                    insert into artifact_file(path, digest, size, created) values({path}, {blob.Id}, {blob.Length}, {time.GetUtcNow()})
                    on conflict(path) do update set digest = excluded.digest, size = excluded.size, created = excluded.created
                    """);
        });
    }

    /// <exception cref="TaktException">NotFound.</exception>
    public async Task<Stream> Open(string path, CancellationToken cancel)
    {
        var digest = database.Read(session => OfRun(session, path) is var (run, inner)
            ? session.Text($"select digest from artifact where run = {run} and path = {inner}")
            : session.Text($"select digest from artifact_file where path = {path}"))
            ?? throw TaktException.NotFound($"No such artifact: '{path}'");
        return await blobs.Open(Digest.Parse(digest), cancel);
    }

    /// <summary>What is directly in a folder, by name; a folder has no size.</summary>
    public IReadOnlyList<KeyValuePair<string, long?>> List(string folder) => database.Read(session =>
    {
        var all = OfRun(session, folder + "/") is var (run, inner)
            ? Below(session, $"select path, size from artifact where run = {run} and path >= {inner}", inner)
            : Below(session, $"select path, size from artifact_file where path >= {(folder.Length == 0 ? "" : folder + "/")}", folder.Length == 0 ? "" : folder + "/");
        var entries = new SortedDictionary<string, long?>(StringComparer.Ordinal);
        foreach (var (path, size) in all)
            if (path.IndexOf('/') is var slash and >= 0) entries[path[..slash]] = null;
            else entries.TryAdd(path, size);
        return (IReadOnlyList<KeyValuePair<string, long?>>)[.. entries];
    });

    /// <summary>The file, or everything below the folder, of this path.</summary>
    public Task Delete(string path) => database.Write(session =>
    {
        if (OfRun(session, path) is var (run, inner))
            session.Execute($"delete from artifact where run = {run} and (path = {inner} or (path >= {inner + "/"} and path < {inner + "0"}))");
        else
            session.Execute($"delete from artifact_file where path = {path} or (path >= {path + "/"} and path < {path + "0"})");
    });

    static IEnumerable<(string Path, long Size)> Below(SqlSession session, Sql sql, string prefix)
    {
        // "0" is the character after "/", so this is the range of all that begins with the prefix
        Sql range = prefix.Length == 0 ? Sql.Raw("") : $"and path < {prefix[..^1] + "0"}";
        return session.Query($"{sql} {range} order by path", row => (row.Text(0)[prefix.Length..], row.Number(1)));
    }

    static (string Run, string Path)? OfRun(SqlSession session, string path)
    {
        var parts = path.Split('/', 4);
        return parts.Length == 4 && parts[2] == "artifacts" && parts[1] != "models" && session.Number($"select seq from run where id = {parts[1]}") is not null
            ? (parts[1], parts[3]) : null;
    }
}
