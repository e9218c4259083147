using Takt.Storage;

namespace Takt.Data.GitLfs;

/// <summary>The locks of git repositories. They are advice: clients keep to them.</summary>
public sealed class LfsLocks(Database database, TimeProvider time)
{
    const int LongestPath = 4096, Most = 100_000;

    /// <returns>The lock, and whether it is new; else it is the one that stands in the way.</returns>
    /// <exception cref="TaktException">Invalid: the path. TooLarge: the repository has too many.</exception>
    public Task<(LfsLock Lock, bool IsNew)> Create(string repository, string path, string owner)
    {
        if (path.Length is 0 or > LongestPath || path.Any(char.IsControl) || path[0] == '/' || path.Split('/').Any(part => part is "" or "." or ".."))
            throw TaktException.Invalid($"'{(path.Length > 200 ? path[..200] : path)}' can't be locked: give a path from the repository's root");
        var made = new LfsLock(Guid.NewGuid().ToString("N"), path, owner, DateTimeOffset.FromUnixTimeSeconds(time.GetUtcNow().ToUnixTimeSeconds()));
        return database.Write(session =>
        {
            if (session.First($"select id, path, owner, locked_at from lfs_lock where repository = {repository} and path = {path}", Read) is { } there) return (there, false);
            if (session.Number($"select count(*) from lfs_lock where repository = {repository}") >= Most) throw new TaktException(TaktError.TooLarge, $"'{repository}' has {Most:N0} locks, which is the most there can be; unlock some");
            session.Execute($"insert into lfs_lock(repository, path, id, owner, locked_at) values({repository}, {path}, {made.Id}, {made.Owner}, {made.LockedAt})");
            return (made, true);
        });
    }

    /// <summary>By path; those behind <paramref name="after"/>.</summary>
    public IReadOnlyList<LfsLock> List(string repository, string? path, string? id, string? after, int most) => database.Read(session => session.Query($"""
        select id, path, owner, locked_at from lfs_lock
        where repository = {repository} and ({path ?? ""} = '' or path = {path ?? ""}) and ({id ?? ""} = '' or id = {id ?? ""}) and path > {after ?? ""}
        order by path limit {most}
        """, Read));

    /// <exception cref="TaktException">NotFound. Denied: it is somebody else's, and <paramref name="force"/> was not said.</exception>
    public Task<LfsLock> Remove(string repository, string id, string owner, bool force) => database.Write(session =>
    {
        var found = session.First($"select id, path, owner, locked_at from lfs_lock where repository = {repository} and id = {id}", Read) ?? throw TaktException.NotFound($"'{repository}' has no lock {id}");
        if (found.Owner != owner && !force) throw new TaktException(TaktError.Denied, $"'{found.Path}' is locked by {found.Owner}, not by {owner}; --force unlocks it all the same");
        session.Execute($"delete from lfs_lock where repository = {repository} and id = {id}");
        return found;
    });

    static LfsLock Read(SqlRow row) => new(row.Text(0), row.Text(1), row.Text(2), row.Time(3));
}
