namespace Takt.Storage.Migrations;

/// <summary>Brings a database to this version of Takt: in order, each migration once, all of them in one transaction.</summary>
/// <remarks>Safe for several processes that start at once: what is left to do is decided again under the write lock.</remarks>
static class MigrationRunner
{
    /// <param name="place">The file or server, for messages.</param>
    /// <exception cref="TaktException">Invalid: the database belongs to a newer Takt or to another program; it was not touched.</exception>
    public static void Run(Database database, IReadOnlyList<Migration> all, string place)
    {
        var done = database.Read(session => Done(session, place));
        RefuseNewer(done, all, place);
        if (done.Count == all.Count) return;
        database.Write(session =>
        {
            var before = Done(session, place);
            RefuseNewer(before, all, place);
            session.Execute($"create table if not exists migration(name text primary key)");
            foreach (var migration in all.Where(migration => !before.Contains(migration.Name)))
            {
                session.Execute(Sql.Raw(migration.For(database.Dialect)));
                session.Execute($"insert into migration(name) values({migration.Name})");
            }
            if (session.Dialect == SqlDialect.PostgreSql) OrderTextAsSqliteDoes(session);
        }).GetAwaiter().GetResult();
    }

    static HashSet<string> Done(SqlSession session, string place)
    {
        var tables = session.Dialect == SqlDialect.Sqlite
            ? session.Query($"select name from sqlite_master where type = 'table' and name not like 'sqlite_%'", row => row.Text(0))
            : session.Query($"select table_name::text from information_schema.tables where table_schema = current_schema()", row => row.Text(0));
        if (tables.Contains("migration")) return [.. session.Query($"select name from migration", row => row.Text(0))];
        return tables.Count == 0 ? []
            : throw TaktException.Invalid($"'{place}' is the database of another program (it has the table '{tables[0]}'); set TAKT_HOME to another folder");
    }

    // SQLite compares text byte by byte; PostgreSQL by the language the database was made for, unless a column says otherwise
    static void OrderTextAsSqliteDoes(SqlSession session)
    {
        var alters = session.Query($"""
            select format('alter table %I %s', c.relname, string_agg(format('alter column %I type text collate "C"', a.attname), ', '))
            from pg_attribute a join pg_class c on c.oid = a.attrelid
            where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
                and a.atttypid = 'text'::regtype and a.attcollation <> '"C"'::regcollation
            group by c.relname
            """, row => row.Text(0));
        foreach (var alter in alters) session.Execute(Sql.Raw(alter));
    }

    static void RefuseNewer(HashSet<string> done, IReadOnlyList<Migration> all, string place)
    {
        var unknown = done.Except(all.Select(migration => migration.Name)).Order(StringComparer.Ordinal).ToList();
        if (unknown.Count > 0)
            throw TaktException.Invalid($"'{place}' was made by a newer Takt (it has {string.Join(", ", unknown)}); use that version, or set TAKT_HOME to another folder");
    }
}
