using System.Reflection;

namespace Takt.Storage.Migrations;

/// <summary>Runs the embedded <c>NNN_name.sql</c> files in order, each once, all of them in one transaction.</summary>
/// <remarks>Lines between <c>--sqlite</c> or <c>--postgresql</c> and <c>--end</c> are for that engine only.</remarks>
public static class MigrationRunner
{
    public static void Run(Database database)
    {
        var all = Assembly.GetExecutingAssembly().GetManifestResourceNames()
            .Where(name => name.EndsWith(".sql", StringComparison.Ordinal)).Order(StringComparer.Ordinal).ToList();
        if (IsCurrent(database, all)) return;
        database.Write(session =>
        {
            session.Execute($"create table if not exists migration(name text primary key)");
            var done = session.Query($"select name from migration", row => row.Text(0)).ToHashSet();
            foreach (var name in all.Where(name => !done.Contains(name)))
            {
                session.Execute(Sql.Raw(ForEngine(Text(name), database.Dialect)));
                session.Execute($"insert into migration(name) values({name})");
            }
        }).GetAwaiter().GetResult();
    }

    static bool IsCurrent(Database database, List<string> all) => database.Read(session =>
    {
        var exists = session.Dialect == SqlDialect.Sqlite
            ? session.Number($"select count(*) from sqlite_master where name = 'migration'")
            : session.Number($"select count(*) from information_schema.tables where table_name = 'migration' and table_schema = current_schema()");
        return exists > 0 && session.Query($"select name from migration", row => row.Text(0)).ToHashSet().IsSupersetOf(all);
    });

    static string Text(string name)
    {
        using var reader = new StreamReader(Assembly.GetExecutingAssembly().GetManifestResourceStream(name)!);
        return reader.ReadToEnd();
    }

    static string ForEngine(string text, SqlDialect dialect)
    {
        var kept = new List<string>();
        string? only = null;
        foreach (var line in text.Split('\n'))
        {
            if (line.StartsWith("--end", StringComparison.Ordinal)) only = null;
            else if (line.StartsWith("--sqlite", StringComparison.Ordinal)) only = nameof(SqlDialect.Sqlite);
            else if (line.StartsWith("--postgresql", StringComparison.Ordinal)) only = nameof(SqlDialect.PostgreSql);
            else if (only is null || only == dialect.ToString()) kept.Add(line);
        }
        return string.Join('\n', kept);
    }
}
