namespace Takt.Storage.Packs;

/// <summary>The rows of the store: packs and their states, blobs in quarantine, leases. Chunks have none.</summary>
static class PackTable
{
    public const string Live = "live", Quarantine = "quarantine";

    public static List<(ContentId Id, bool Quarantined)> Packs(SqlSession session) => session.Query(
        $"select id, state from pack order by state, created desc, id", row => (ContentId.From(row.Digest(0)), row.Text(1) != Live));

    /// <summary>How long each is, in bytes.</summary>
    public static List<(ContentId Id, long Bytes)> Lengths(SqlSession session) => session.Query($"select id, bytes from pack", row => (ContentId.From(row.Digest(0)), row.Number(1)));

    /// <summary>Differs when packs have come or gone.</summary>
    public static string Stamp(SqlSession session) => session.First($"select count(*), coalesce(max(since), 0) from pack", row => $"{row.Number(0)}/{row.Number(1)}")!;

    public static void Add(SqlSession session, SealedPack pack, DateTimeOffset now) => session.Execute($"""
        insert into pack(id, state, records, bytes, created, since) values({pack.Id.Digest}, {Live}, {pack.Records}, {pack.Length}, {now}, {now})
        on conflict (id) do update set state = {Live}
        """);

    /// <summary>Whatever was about to be removed stays: something new needs it.</summary>
    /// <exception cref="TaktException">Conflict: it has been removed.</exception>
    public static void RelyOn(SqlSession session, ContentId id)
    {
        if (session.Execute($"update pack set state = {Live} where id = {id.Digest}") == 0)
            throw TaktException.Conflict("data that this relies on was removed from the store meanwhile; try again");
    }

    public static void ReviveLoose(SqlSession session, Digest id) => session.Execute($"delete from blob_quarantine where id = {id}");

    public static List<Digest> LooseQuarantine(SqlSession session) => session.Query($"select id from blob_quarantine", row => row.Digest(0));

    public static void Begin(SqlSession session, string lease, string purpose, DateTimeOffset now)
    {
        var owner = $"{Environment.MachineName}/{Environment.ProcessId}"; // a local: a nested $"" would be read as SQL
        session.Execute($"insert into store_lease(id, purpose, owner, opened, beat) values({lease}, {purpose}, {owner}, {now}, {now})");
    }

    public static void Beat(SqlSession session, string lease, DateTimeOffset now) => session.Execute($"update store_lease set beat = {now} where id = {lease}");

    public static void End(SqlSession session, string lease) => session.Execute($"delete from store_lease where id = {lease}");
}
