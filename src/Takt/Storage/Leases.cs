namespace Takt.Storage;

/// <summary>
/// Work that one of several servers on a database does at a time. Who does it holds a lease and renews it every 30 s; when its machine vanishes the lease runs out after
/// <see cref="Life"/>, and another takes it over.
/// </summary>
/// <remarks>
/// Each server goes by its own clock, so clocks must agree to within a minute. A holder that does not reach the database goes on, since the others may not either; whether it is
/// still the holder is decided where it writes what came of the work (<see cref="Lease.End"/>).
/// </remarks>
/// <param name="owner">Who holds them, one per process: see <see cref="OwnerOf"/>.</param>
public sealed class Leases(Database database, TimeProvider time, string owner)
{
    public static readonly TimeSpan Life = TimeSpan.FromMinutes(2);

    public string Owner => owner;

    /// <summary>A name for this process: the machine, the place that it works in, and a random part.</summary>
    public static string OwnerOf(string place) => $"{Environment.MachineName}:{place}/{Guid.NewGuid().ToString("N")[..8]}";

    /// <summary>Takes the lease unless somebody has it; part of the transaction that finds out what is to be done. <see cref="Hold"/> it once that is committed.</summary>
    public bool Take(SqlSession session, string name)
    {
        var (now, until) = (time.GetUtcNow(), time.GetUtcNow() + Life);
        return session.Execute($"""
            insert into lease(name, owner, until) values({name}, {owner}, {until})
            on conflict(name) do update set owner = excluded.owner, until = excluded.until where lease.until <= {now}
            """) > 0;
    }

    /// <summary>Renews what <see cref="Take"/> has taken, until it is disposed of.</summary>
    public Lease Hold(string name, CancellationToken cancel) => new(database, time, owner, name, cancel);

    /// <summary>Null: somebody has it.</summary>
    public async Task<Lease?> TryTake(string name, CancellationToken cancel) => await database.Write(session => Take(session, name)) ? Hold(name, cancel) : null;

    /// <summary>Who has it; null: nobody.</summary>
    public string? HolderOf(string name)
    {
        var now = time.GetUtcNow();
        return database.Read(session => session.Text($"select owner from lease where name = {name} and until > {now}"));
    }

    /// <summary>Leases whose names begin so and that were not renewed for so long that their owner counts as dead.</summary>
    public IReadOnlyList<(string Name, string Owner)> RunOut(string prefix)
    {
        var now = time.GetUtcNow();
        return database.Read(session => session.Query($"select name, owner from lease where {Begins("name", prefix)} and until <= {now} order by name", row => (row.Text(0), row.Text(1))));
    }

    /// <summary>Frees what a server that worked in the same place before held: whoever calls it knows that it is dead.</summary>
    /// <param name="prefixes">Of the names of what only servers hold.</param>
    public Task FreePredecessors(params string[] prefixes) => database.Write(session =>
    {
        var place = owner[..(owner.LastIndexOf('/') + 1)];
        foreach (var prefix in prefixes) session.Execute($"delete from lease where {Begins("name", prefix)} and {Begins("owner", place)} and owner <> {owner}");
    });

    static Sql Begins(string column, string with) => $"substr({Sql.Raw(column)}, 1, {Sql.Raw($"{with.Length}")}) = {with}";
}
