using System.Collections.Concurrent;
using Takt.Storage;

namespace Takt.Deployments;

/// <summary>The servers that serve models on one database: who lives, and what each can answer for.</summary>
/// <remarks>
/// A server counts its beats in its row; the others take it for dead when the count stands still for <see cref="Life"/> by their own clock, so that clocks need not agree. Who has just started gives every row
/// one such time, except one that by its own telling is long over. Safe for concurrent use.
/// </remarks>
public sealed class Fleet(Database database, string server, TimeProvider time)
{
    /// <summary>Without a beat for so long a server counts as dead.</summary>
    public static readonly TimeSpan Life = TimeSpan.FromSeconds(15);

    /// <summary>How often a server should beat.</summary>
    public static readonly TimeSpan BeatEvery = TimeSpan.FromSeconds(2);

    /// <summary>Rows of servers that were not heard of for so long are removed; clocks are not that far apart.</summary>
    static readonly TimeSpan Forgotten = TimeSpan.FromHours(1);

    readonly DateTimeOffset _started = time.GetUtcNow();
    readonly ConcurrentDictionary<string, (long Beats, long Since)> _heard = new(StringComparer.Ordinal);
    readonly ConcurrentDictionary<(string Endpoint, int Revision), (DateTimeOffset Made, string Fault)> _told = new();
    int _live = 1;

    public string Server => server;

    /// <summary>Servers that live, this one among them, as of the last <see cref="Beat"/>; 1 at least.</summary>
    public int Live => Volatile.Read(ref _live);

    /// <summary>Tells the others that this server lives, and looks who else does.</summary>
    /// <exception cref="TaktException">Unavailable: the database can't be reached.</exception>
    public async Task Beat()
    {
        var now = time.GetUtcNow();
        var back = await database.Write(session =>
        {
            var known = session.Number($"select started from replica where name = {server}");
            session.Execute($"""
                insert into replica(name, beats, started, seen) values({server}, 1, {_started}, {now})
                on conflict(name) do update set beats = replica.beats + 1, started = excluded.started, seen = excluded.seen
                """);
            // what a process before this one had loaded, this one has not
            var before = known is null || known != _started.ToUnixTimeMilliseconds();
            if (!before) return false;
            session.Execute($"delete from replica_revision where replica = {server} or replica in (select name from replica where seen < {now - Forgotten})");
            session.Execute($"delete from replica where seen < {now - Forgotten}");
            return true;
        });
        if (back) _told.Clear();
        Volatile.Write(ref _live, Math.Max(1, View().Count(r => r.Live)));
    }

    /// <summary>This server goes: nobody need wait for it.</summary>
    public Task Leave() => database.Write(session =>
    {
        session.Execute($"delete from replica_revision where replica = {server}");
        session.Execute($"delete from replica where name = {server}");
    });

    /// <summary>This server has loaded the revision, or could not.</summary>
    public async ValueTask Tell(Revision revision, string? fault = null)
    {
        var (key, tell) = ((revision.Endpoint, revision.Number), (revision.CreatedAt, fault ?? ""));
        if (_told.TryGetValue(key, out var told) && told == tell) return;
        await database.Write(session => session.Execute($"""
            insert into replica_revision(replica, endpoint, revision, fault, updated) values({server}, {revision.Endpoint}, {revision.Number}, {fault}, {time.GetUtcNow()})
            on conflict(replica, endpoint, revision) do update set fault = excluded.fault, updated = excluded.updated
            """));
        _told[key] = tell;
    }

    /// <summary>This server has let go of all revisions of the endpoint but this one; null: of all.</summary>
    public async ValueTask Keep(string endpoint, Revision? revision)
    {
        var gone = _told.Keys.Where(told => told.Endpoint == endpoint && told.Revision != revision?.Number).ToList();
        if (gone.Count == 0) return;
        await database.Write(session =>
        {
            foreach (var (_, number) in gone) session.Execute($"delete from replica_revision where replica = {server} and endpoint = {endpoint} and revision = {number}");
        });
        foreach (var told in gone) _told.TryRemove(told, out _);
    }

    /// <summary>All servers that are known, in the order of their names.</summary>
    public IReadOnlyList<Replica> View()
    {
        var (rows, revisions) = database.Read(session => (
            session.Query($"select name, beats, started, seen from replica order by name", row => (Name: row.Text(0), Beats: row.Number(1), Started: row.Time(2), Seen: row.Time(3))),
            session.Query($"select replica, endpoint, revision, fault from replica_revision order by endpoint, revision", row => (Name: row.Text(0), Revision: new ReplicaRevision(row.Text(1), (int)row.Number(2), row.TextOrNull(3))))));
        var now = time.GetTimestamp();
        var mine = revisions.ToLookup(r => r.Name, r => r.Revision, StringComparer.Ordinal);
        return rows.ConvertAll(row =>
        {
            var heard = _heard.AddOrUpdate(row.Name, _ => (row.Beats, row.Seen < _started - Life - Life ? long.MinValue : now), (_, before) => before.Beats == row.Beats ? before : (row.Beats, now));
            var live = row.Name == server || (heard.Since != long.MinValue && time.GetElapsedTime(heard.Since, now) < Life);
            return new Replica(row.Name, row.Started, row.Seen, live, [.. mine[row.Name]]);
        });
    }

    /// <summary>Live servers other than this one that can't answer for the revision yet, and why those that never will could not load it.</summary>
    public (IReadOnlyList<string> Loading, IReadOnlyList<(string Server, string Why)> Failed) Behind(string endpoint, int revision)
    {
        var (loading, failed) = (new List<string>(), new List<(string, string)>());
        foreach (var replica in View().Where(r => r.Live && r.Name != server))
            if (replica.Of(endpoint, revision) is not { } known) loading.Add(replica.Name);
            else if (known.Fault is { } why) failed.Add((replica.Name, why));
        return (loading, failed);
    }
}
