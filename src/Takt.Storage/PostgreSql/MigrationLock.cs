using System.Data.Common;
using Npgsql;

namespace Takt.Storage.PostgreSql;

/// <summary>Held by the one server that makes or changes tables; others that start meanwhile wait. The database frees it when its holder dies.</summary>
sealed class MigrationLock : IDisposable
{
    /// <summary>"migr" in ASCII; locks have no schema, so servers of other schemas wait too, for some 0.1 s once.</summary>
    const long Key = 0x6D696772;

    readonly NpgsqlConnection _connection;

    MigrationLock(NpgsqlConnection connection) => _connection = connection;

    /// <summary>Waits for the lock as long as it takes, and makes the schema.</summary>
    public static MigrationLock Take(NpgsqlConnectionStringBuilder settings, string place)
    {
        // a connection of its own: closing it frees the lock, whatever state it is in
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(settings.ConnectionString) { Pooling = false, CommandTimeout = 0 }.ConnectionString);
        try
        {
            connection.Open();
            Execute($"select pg_advisory_lock({Key})");
            if (!Exists()) Execute($"create schema \"{settings.SearchPath}\"");
            return new MigrationLock(connection);
        }
        catch (Exception e)
        {
            connection.Dispose();
            if (e is DbException error && PostgreSqlFaults.Explain(place, error) is { } known) throw known;
            throw;
        }

        // "if not exists" would want the right to create schemas even when there is nothing to create
        bool Exists()
        {
            using var command = new NpgsqlCommand("select 1 from pg_namespace where nspname = $1", connection) { Parameters = { new() { Value = settings.SearchPath } } };
            return command.ExecuteScalar() is not null;
        }

        void Execute(string sql)
        {
            using var command = new NpgsqlCommand(sql, connection);
            command.ExecuteNonQuery();
        }
    }

    public void Dispose() => _connection.Dispose();
}
