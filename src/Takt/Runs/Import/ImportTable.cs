using Takt.Storage;

namespace Takt.Runs.Import;

/// <summary>The SQL of what was imported.</summary>
static class ImportTable
{
    /// <summary>What is copied of a name that is taken here is called so; then <c>-imported-2</c> and so on.</summary>
    const string Suffix = "-imported";

    public static (string Target, string Mark)? Find(SqlSession session, string source, string kind, string id) =>
        session.First($"select target, mark from import_item where source = {source} and kind = {kind} and id = {id}", row => Tuple.Create(row.Text(0), row.Text(1))) is { } found ? (found.Item1, found.Item2) : null;

    public static void Put(SqlSession session, string source, string kind, string id, string target, string mark, DateTimeOffset now) => session.Execute($"""
        insert into import_item(source, kind, id, target, mark, imported) values({source}, {kind}, {id}, {target}, {mark}, {now})
        on conflict(source, kind, id) do update set target = excluded.target, mark = excluded.mark, imported = excluded.imported
        """);

    public static string FreeName(string name, Func<string, bool> taken)
    {
        if (!taken(name)) return name;
        for (var n = 1; ; n++)
            if ((n == 1 ? name + Suffix : $"{name}{Suffix}-{n}") is var free && !taken(free)) return free;
    }
}
