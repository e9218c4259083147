using System.Data.Common;
using Microsoft.Data.Sqlite;
using Takt.Storage.Migrations;

namespace Takt.Storage.Sqlite;

/// <summary>The rows of an embedded Takt: one SQLite file in WAL mode.</summary>
public static class SqliteFile
{
    /// <summary>Opens the file, makes it when it is not there, and brings its tables to this version.</summary>
    /// <exception cref="TaktException">Denied or Unavailable: the file can't be written. Invalid: it is damaged or of a newer version.</exception>
    public static Database Open(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var database = new Database(new Source(path), SqlDialect.Sqlite);
        MigrationRunner.Run(database);
        return database;
    }

    sealed class Source(string path) : DbDataSource
    {
        public override string ConnectionString { get; } = new SqliteConnectionStringBuilder
        {
            DataSource = path,
            Pooling = true,
            ForeignKeys = true,
            DefaultTimeout = 30,
        }.ToString();

        protected override DbConnection CreateDbConnection() => new SqliteConnection(ConnectionString);

        protected override DbConnection OpenDbConnection()
        {
            var connection = (SqliteConnection)base.OpenDbConnection();
            using var command = connection.CreateCommand();
            // WAL: readers never wait for the writer. FULL: a commit that was answered survives power loss.
            command.CommandText = "pragma journal_mode=wal; pragma synchronous=full; pragma busy_timeout=30000; pragma temp_store=memory;";
            command.ExecuteNonQuery();
            return connection;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                using (var connection = new SqliteConnection(ConnectionString))
                    SqliteConnection.ClearPool(connection);
            base.Dispose(disposing);
        }
    }
}
