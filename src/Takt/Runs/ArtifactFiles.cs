using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Runs;

/// <summary>
/// The artifact tree as clients address it: what lies below the address of a run's artifacts is that run's, every other path stands by itself. A path has
/// been checked by the caller: no empty segment, no <c>..</c>. The tree of a workspace lies below <c>workspaces/NAME/</c>, that of <c>default</c> at the top.
/// </summary>
public sealed class ArtifactFiles(Database database, IBlobStore blobs, TimeProvider time)
{
    /// <summary>Of an address on this server.</summary>
    public const string Scheme = "mlflow-artifacts:";

    /// <summary>Stays the first segment of another workspace's paths; in <c>default</c> it is nobody's.</summary>
    const string WorkspacesFolder = "workspaces";

    /// <summary>A path of a request as it is in the whole tree.</summary>
    /// <exception cref="TaktException">Invalid: it leads into another workspace.</exception>
    public static string Scoped(Workspace workspace, string path)
    {
        var parts = path.Split('/', 3);
        if (parts[0] != WorkspacesFolder) return workspace.IsDefault ? path : $"{WorkspacesFolder}/{workspace}{(path.Length == 0 ? "" : "/")}{path}";
        if (parts.Length == 1) throw TaktException.Invalid("Artifact paths prefixed with 'workspaces/' must include a workspace name.");
        return parts[1] == workspace.Name ? path
            : throw TaktException.Invalid($"Artifact path targets workspace '{parts[1]}' but the workspace specified in the request is '{workspace}'.");
    }

    /// <summary>As <see cref="Scoped"/>; null: it leads into another workspace.</summary>
    public static string? ScopedOrNull(Workspace workspace, string path)
    {
        try
        {
            return Scoped(workspace, path);
        }
        catch (TaktException)
        {
            return null;
        }
    }

    /// <summary>Where this tree is served: an address that holds it is taken for this server's.</summary>
    const string Anchor = "/api/2.0/mlflow-artifacts/artifacts";

    /// <summary>The path of an address on this server, <c>mlflow-artifacts:/…</c>, <c>mlflow-artifacts://host:port/…</c> or the same by http; null for any other.</summary>
    public static string? PathOf(string uri)
    {
        if (uri.StartsWith("http://", StringComparison.Ordinal) || uri.StartsWith("https://", StringComparison.Ordinal))
            return uri.IndexOf(Anchor, StringComparison.Ordinal) is >= 0 and var anchor ? uri[(anchor + Anchor.Length)..].Trim('/') : null;
        if (!uri.StartsWith(Scheme, StringComparison.Ordinal)) return null;
        var path = uri[Scheme.Length..];
        if (path.StartsWith("//", StringComparison.Ordinal)) path = path.IndexOf('/', 2) is var slash and > 0 ? path[slash..] : "";
        return path.Trim('/');
    }

    /// <summary>On return the file and its name are durable.</summary>
    public async Task<Blob> Put(string path, Stream content, CancellationToken cancel)
    {
        if (blobs is PackStore packs) return await packs.Put(content, (session, blob) => Name(session, path, blob), cancel);
        var put = await blobs.Put(content, cancel);
        await Put(path, put);
        return put;
    }

    /// <summary>A blob that the store has already gets a name.</summary>
    public Task Put(string path, Blob blob) => database.Write(session => Name(session, path, blob));

    void Name(SqlSession session, string path, Blob blob)
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
    }

    /// <exception cref="TaktException">NotFound.</exception>
    public async Task<Stream> Open(string path, CancellationToken cancel) => await blobs.Open(Find(path), cancel);

    /// <exception cref="TaktException">NotFound.</exception>
    public Digest Find(string path) => Digest.Parse(database.Read(session => OfRun(session, path) is var (run, inner)
        ? session.Text($"select digest from artifact where run = {run} and path = {inner}")
        : session.Text($"select digest from artifact_file where path = {path}"))
        ?? throw TaktException.NotFound($"No such artifact: '{path}'"));

    /// <summary>What is directly in a folder, by name; a folder has no size.</summary>
    public IReadOnlyList<KeyValuePair<string, long?>> List(string folder) => database.Read(session =>
    {
        var entries = new SortedDictionary<string, long?>(StringComparer.Ordinal);
        foreach (var file in Below(session, folder))
            if (file.Path.IndexOf('/') is var slash and >= 0) entries[file.Path[..slash]] = null;
            else entries.TryAdd(file.Path, file.Size);
        if (folder.Length == 0) entries.Remove(WorkspacesFolder);
        return (IReadOnlyList<KeyValuePair<string, long?>>)[.. entries];
    });

    /// <summary>The file, or everything below the folder, of this path.</summary>
    public Task Delete(string path) => database.Write(session =>
    {
        if (path.Length == 0) session.Execute($"delete from artifact_file where path < {WorkspacesFolder + "/"} or path >= {WorkspacesFolder + "0"}");
        else if (OfRun(session, path + "/") is var (run, inner))
            session.Execute(inner.Length == 0 ? (Sql)$"delete from artifact where run = {run}"
                : $"delete from artifact where run = {run} and (path = {inner[..^1]} or (path >= {inner} and path < {inner[..^1] + "0"}))");
        else
            session.Execute($"delete from artifact_file where path = {path} or (path >= {path + "/"} and path < {path + "0"})");
    });

    /// <summary>Every file below a folder, by its path from there.</summary>
    internal static List<Artifact> Below(SqlSession session, string folder)
    {
        if (OfRun(session, folder + "/") is var (run, inner)) return Read($"select path, digest, size from artifact where run = {run}", inner);
        return Read($"select path, digest, size from artifact_file where true", folder.Length == 0 ? "" : folder + "/");

        List<Artifact> Read(Sql sql, string prefix)
        {
            // "0" is the character after "/", so this is the range of all that begins with the prefix
            Sql range = prefix.Length == 0 ? Sql.Raw("") : $"and path >= {prefix} and path < {prefix[..^1] + "0"}";
            return session.Query($"{sql} {range} order by path", row => new Artifact(row.Text(0)[prefix.Length..], row.Digest(1), row.Number(2)));
        }
    }

    /// <summary>The run whose artifacts lie at the beginning of the path, and the rest of it.</summary>
    static (string Run, string Path)? OfRun(SqlSession session, string path)
    {
        const string Mark = "/artifacts/";
        var mark = path.IndexOf(Mark, StringComparison.Ordinal);
        if (mark < 0) return null;
        var root = path[..(mark + Mark.Length - 1)];
        var run = path[(path.LastIndexOf('/', mark - 1) + 1)..mark];
        // a run of another workspace may have been made by a client that leaves the workspace out of the address
        var bare = root.StartsWith(WorkspacesFolder + "/", StringComparison.Ordinal) && root.Split('/', 3) is [_, _, var rest] ? rest : root;
        var (uri, other) = ($"{Scheme}/{root}", $"{Scheme}/{bare}");
        return session.Number($"select 1 from run where id = {run} and artifact_uri in ({uri}, {other})") is null ? null : (run, path[(mark + Mark.Length)..]);
    }
}
