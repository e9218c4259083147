using System.Data.Common;
using Microsoft.Data.Sqlite;
using Takt.Storage.Migrations;

namespace Takt.Storage.Sqlite;

/// <summary>The rows of an embedded Takt: one SQLite file in WAL mode.</summary>
public static class SqliteFile
{
    /// <summary>How long a commit waits for another process that writes.</summary>
    internal const int BusySeconds = 30;

    /// <summary>The log goes back into the file when it has so many pages of 4 KiB. SQLite's 1,000 would do it three times as often for every commit, and pages that change again and again are written once each time.</summary>
    const int CheckpointPages = 4000;

    /// <summary>Bytes that one connection keeps of the file.</summary>
    const int CacheOfOne = 8_000_000;

    /// <summary>
    /// Bytes that SQLite holds for all connections of the process: a server under load has a connection for each request that runs, and the pool keeps them. Beyond it a connection
    /// that wants a page gives up one of its own (sqlite.org/pragma.html#pragma_soft_heap_limit); the system has the file in its own cache all the same.
    /// </summary>
    internal const int CacheOfAll = 64 << 20;

    /// <summary>Opens the file, makes it when it is not there, and brings its tables to this version.</summary>
    /// <exception cref="TaktException">Denied or Unavailable: the file can't be written. Invalid: it is damaged, foreign, or of a newer version.</exception>
    public static Database Open(string path) => Open(path, Migration.Embedded);

    /// <param name="journal">Null: the log that SQLite writes beside the file.</param>
    internal static Database Open(string path, IReadOnlyList<Migration> migrations, string? journal = null)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        }
        catch (Exception e) when (StorageFaults.Of(e, path) is { } known)
        {
            throw known;
        }
        var database = new Database(new Source(path), SqlDialect.Sqlite, error => SqliteFaults.Explain(path, error), OperatingSystem.IsLinux() ? journal ?? path + "-wal" : null);
        try
        {
            MigrationRunner.Run(database, migrations, path);
            return database;
        }
        catch
        {
            database.DisposeAsync().AsTask().GetAwaiter().GetResult();
            throw;
        }
    }

    sealed class Source(string path) : DbDataSource
    {
        public override string ConnectionString { get; } = new SqliteConnectionStringBuilder
        {
            DataSource = path,
            Pooling = true,
            ForeignKeys = true,
            DefaultTimeout = BusySeconds,
        }.ToString();

        protected override DbConnection CreateDbConnection() => new SqliteConnection(ConnectionString);

        protected override DbConnection OpenDbConnection()
        {
            var connection = (SqliteConnection)base.OpenDbConnection();
            try
            {
                using var command = connection.CreateCommand();
                // WAL: readers never wait for the writer. A commit that was answered survives power loss: Database syncs the log after each (CommitJournal), and
                // NORMAL has SQLite sync log and file around a checkpoint, as it must. Elsewhere FULL does both.
                var synchronous = OperatingSystem.IsLinux() ? "normal" : "full";
                command.CommandText = $"pragma busy_timeout={BusySeconds * 1000}; pragma journal_mode=wal; pragma synchronous={synchronous}; pragma wal_autocheckpoint={CheckpointPages}; "
                    + $"pragma temp_store=memory; pragma cache_size=-{CacheOfOne / 1000}; pragma soft_heap_limit={CacheOfAll};";
                command.ExecuteNonQuery();
                SqliteRegex.Add(connection);
                return connection;
            }
            catch
            {
                connection.Dispose();
                throw;
            }
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing) CloseIdle();
            base.Dispose(disposing);
        }

        // the base's does not come by Dispose(true)
        protected override ValueTask DisposeAsyncCore()
        {
            CloseIdle();
            return base.DisposeAsyncCore();
        }

        // the last connection to close writes the WAL back and removes it
        void CloseIdle()
        {
            using var connection = new SqliteConnection(ConnectionString);
            SqliteConnection.ClearPool(connection);
        }
    }
}
