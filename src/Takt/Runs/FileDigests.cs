using System.Collections.Concurrent;
using System.Security.Cryptography;
using Takt.Storage;

namespace Takt.Runs;

/// <summary>
/// SHA-256 of the work tree's files. A file is read again only when size, times or inode differ from when it was read last; a file that was
/// changed within two seconds of being read is always read again, since a second change could hide behind the clock (git's "racily clean" rule).
/// </summary>
public sealed class FileDigests(Database database, TimeProvider time)
{
    const long Racy = 2_000_000_000;

    readonly ConcurrentDictionary<string, (FileStat Stat, string Digest)> _known = Load(database);
    readonly ConcurrentDictionary<string, bool> _new = new();

    /// <summary><c>sha256:…</c>, <c>+x</c> behind it for an executable file; null when there is no such file.</summary>
    public string? Of(string path)
    {
        if (FileStat.Of(path) is not { } stat) return null;
        if (_known.TryGetValue(path, out var known) && known.Stat with { Executable = stat.Executable } == stat) return Mark(known.Digest, stat);
        using var content = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1);
        var digest = Digest.FromHash(SHA256.HashData(content)).ToString();
        var now = (time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100;
        if (now - Math.Max(stat.ModifiedAt, stat.ChangedAt) > Racy)
        {
            _known[path] = (stat, digest);
            _new[path] = true;
        }
        return Mark(digest, stat);
    }

    /// <summary>Keeps what was learned for the next start.</summary>
    public Task Save()
    {
        if (_new.IsEmpty) return Task.CompletedTask;
        var paths = _new.Keys.ToList();
        return database.Write(session =>
        {
            foreach (var path in paths)
            {
                _new.TryRemove(path, out _);
                var (stat, digest) = _known[path];
                session.Execute($"""
                    insert into file_digest(path, size, mtime, ctime, inode, digest)
                    values({path}, {stat.Size}, {stat.ModifiedAt}, {stat.ChangedAt}, {stat.Inode}, {digest})
                    on conflict(path) do update set size = excluded.size, mtime = excluded.mtime, ctime = excluded.ctime, inode = excluded.inode, digest = excluded.digest
                    """);
            }
        });
    }

    static string Mark(string digest, FileStat stat) => stat.Executable ? digest + "+x" : digest;

    static ConcurrentDictionary<string, (FileStat, string)> Load(Database database) => new(database.Read(session =>
        session.Query($"select path, size, mtime, ctime, inode, digest from file_digest", row => KeyValuePair.Create(
            row.Text(0), (new FileStat(row.Number(1), row.Number(2), row.Number(3), row.Number(4), false), row.Text(5))))));
}
