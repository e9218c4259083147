using System.Text.Json;
using Takt.Storage;

namespace Takt.Data;

/// <summary>The rows of datasets.</summary>
static class DatasetTable
{
    const string Columns = "dataset, tree, parents, author, time, message, source, files, bytes, \"rows\", profile, cursor, dropped";

    public static Digest? Tip(SqlSession session, string dataset, string name) =>
        session.Text($"select target from dataset_ref where dataset = {dataset} and name = {name}") is { } target ? Digest.Parse(target) : null;

    /// <exception cref="TaktException">Conflict: the ref no longer points to <paramref name="before"/>.</exception>
    public static void Add(SqlSession session, DatasetCommit commit, string name, Digest? before, DateTimeOffset now, string reason)
    {
        var tip = Tip(session, commit.Dataset, name);
        if (tip != before)
            throw TaktException.Conflict($"somebody else moved {commit.Dataset}@{name} to {tip?.ToString() ?? "nothing"} meanwhile; collect again");
        Insert(session, commit, now, partial: false);
        Move(session, commit.Dataset, name, before, commit.Id, now, reason);
    }

    /// <param name="partial">Not all of its content is here: a remote has it.</param>
    public static void Insert(SqlSession session, DatasetCommit commit, DateTimeOffset now, bool partial)
    {
        session.Execute($"insert into dataset(name, created_at) values({commit.Dataset}, {now}) on conflict do nothing");
        session.Execute($"""
            insert into dataset_commit(dataset, id, tree, parents, author, time, message, source, files, bytes, "rows", profile, cursor, partial, version)
            values({commit.Dataset}, {commit.Id}, {commit.Tree}, {JsonSerializer.Serialize(commit.Parents.Select(p => p.ToString()).ToList(), DataJson.Default.ListString)},
                {commit.Author}, {commit.Time}, {commit.Message}, {commit.Source}, {commit.Files}, {commit.Bytes}, {commit.Rows}, {commit.Profile?.ToString()}, {commit.Cursor}, {(partial ? 1 : 0)},
                (select coalesce(max(version), 0) + 1 from dataset_commit where dataset = {commit.Dataset}))
            on conflict do nothing
            """);
        if (!partial) session.Execute($"update dataset_commit set partial = 0, dropped = null where dataset = {commit.Dataset} and id = {commit.Id} and partial <> 0");
    }

    public static bool IsPartial(SqlSession session, string dataset, Digest id) => session.Number($"select partial from dataset_commit where dataset = {dataset} and id = {id}") == 1;

    /// <summary>Points the ref elsewhere and writes that into the reflog.</summary>
    public static void Move(SqlSession session, string dataset, string name, Digest? before, Digest to, DateTimeOffset now, string reason)
    {
        session.Execute($"""
            insert into dataset_ref(dataset, name, target, moved_at) values({dataset}, {name}, {to}, {now})
            on conflict (dataset, name) do update set target = excluded.target, moved_at = excluded.moved_at
            """);
        session.Execute($"""
            insert into dataset_reflog(dataset, ref, step, before, after, at, reason)
            select {dataset}, {name}, coalesce(max(step), 0) + 1, {before?.ToString()}, {to}, {now}, {reason}
            from dataset_reflog where dataset = {dataset} and ref = {name}
            """);
    }

    public static DatasetCommit? Find(SqlSession session, string dataset, Digest id) => session.First(
        $"select {Sql.Raw(Columns)} from dataset_commit where dataset = {dataset} and id = {id}", Commit);

    /// <summary>Whether <paramref name="of"/> is that version or grew from it, as far as its history is known here.</summary>
    public static bool IsAncestor(SqlSession session, string dataset, Digest ancestor, Digest of)
    {
        var (seen, todo) = (new HashSet<Digest>(), new Stack<Digest>([of]));
        while (todo.TryPop(out var id))
        {
            if (id == ancestor) return true;
            if (seen.Add(id) && Find(session, dataset, id) is { } commit)
                foreach (var parent in commit.Parents) todo.Push(parent);
        }
        return false;
    }

    /// <param name="prefix"><c>sha256:</c> and hex digits only.</param>
    public static List<DatasetCommit> StartingWith(SqlSession session, string dataset, string prefix) => session.Query(
        $"select {Sql.Raw(Columns)} from dataset_commit where dataset = {dataset} and id like {prefix + "%"} limit 2", Commit);

    public static DatasetCommit? Numbered(SqlSession session, string dataset, long version) => session.First(
        $"select {Sql.Raw(Columns)} from dataset_commit where dataset = {dataset} and version = {version}", Commit);

    public static Dictionary<Digest, long> Numbers(SqlSession session, string dataset) =>
        session.Query($"select id, version from dataset_commit where dataset = {dataset}", row => (Id: row.Digest(0), Number: row.Number(1))).ToDictionary(v => v.Id, v => v.Number);

    public static List<DatasetCommit> All(SqlSession session, string dataset) => session.Query(
        $"select {Sql.Raw(Columns)} from dataset_commit where dataset = {dataset} order by version", Commit);

    public static List<string> Names(SqlSession session) => session.Query($"select name from dataset order by name", row => row.Text(0));

    public static int Commits(SqlSession session, string dataset) => (int)session.Number($"select count(*) from dataset_commit where dataset = {dataset}")!.Value;

    public static List<DatasetRef> Refs(SqlSession session, string dataset) => session.Query(
        $"select name, target, moved_at from dataset_ref where dataset = {dataset} order by name", row => new DatasetRef(row.Text(0), row.Digest(1), row.Time(2)));

    /// <param name="kind"><c>branch</c> or <c>tag</c>.</param>
    public static List<DatasetRef> Refs(SqlSession session, string dataset, string kind) => session.Query(
        $"select name, target, moved_at from dataset_ref where dataset = {dataset} and kind = {kind} order by name", row => new DatasetRef(row.Text(0), row.Digest(1), row.Time(2)));

    static DatasetCommit Commit(SqlRow row) => new(
        row.Text(0), row.Digest(1), JsonSerializer.Deserialize(row.Text(2), DataJson.Default.ListString)!.Select(Digest.Parse).ToList(),
        row.Text(3), row.Time(4), row.Text(5), row.Text(6), row.Number(7), row.Number(8), row.NumberOrNull(9), row.IsNull(10) ? null : row.Digest(10))
    { Cursor = row.IsNull(11) ? null : row.Text(11), Dropped = row.IsNull(12) ? null : row.Time(12) };
}
