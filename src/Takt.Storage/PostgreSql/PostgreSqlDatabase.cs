using Npgsql;
using Takt.Storage.Migrations;

namespace Takt.Storage.PostgreSql;

/// <summary>The rows of a Takt that several servers share: one schema of a PostgreSQL (14 or newer).</summary>
public static class PostgreSqlDatabase
{
    /// <summary>Opens the database, makes the schema when it is not there, and brings its tables to this version. Safe while other servers do the same.</summary>
    /// <param name="address"><c>postgres://user@host:port/database?search_path=schema</c>, or Npgsql's connection string; the password comes from PGPASSWORD.</param>
    /// <exception cref="TaktException">Unavailable: not reachable. Denied: login or rights. NotFound: no such database. Invalid: address, foreign or newer tables.</exception>
    public static Database Open(string address) => Open(address, Migration.Embedded);

    internal static Database Open(string address, IReadOnlyList<Migration> migrations)
    {
        var settings = PostgreSqlAddress.Parse(address);
        var place = PostgreSqlAddress.Place(settings);
        var database = new Database(NpgsqlDataSource.Create(settings), SqlDialect.PostgreSql, error => PostgreSqlFaults.Explain(place, error));
        try
        {
            RequireDurability(database, place);
            using (MigrationLock.Take(settings, place)) MigrationRunner.Run(database, migrations, place);
            return database;
        }
        catch
        {
            database.DisposeAsync().AsTask().GetAwaiter().GetResult();
            throw;
        }
    }

    static void RequireDurability(Database database, string place)
    {
        var (commit, encoding) = database.Read(s => (s.Text($"select current_setting('synchronous_commit')"), s.Text($"select current_setting('server_encoding')")));
        if (commit == "off")
            throw TaktException.Invalid($"{place} answers before a commit is on its disk; run 'alter role USER set synchronous_commit = on' for the user Takt connects as");
        if (encoding != "UTF8") throw TaktException.Invalid($"{place} stores text as {encoding}; Takt needs a database made with 'createdb --encoding UTF8'");
    }
}
