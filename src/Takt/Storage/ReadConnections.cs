using System.Collections.Concurrent;
using System.Data.Common;

namespace Takt.Storage;

/// <summary>SQLite connections that read, kept open with the commands they prepared: opening one and preparing again would cost more than most reads.</summary>
sealed class ReadConnections(DbDataSource source) : IDisposable
{
    /// <summary>So many stay open while idle; how many read at once is bounded by the threads there are.</summary>
    const int MostIdle = 8;

    readonly ConcurrentBag<Reader> _idle = [];
    volatile bool _closed;

    /// <summary>All queries of the work see what was committed when the first of them began.</summary>
    public T Read<T>(Func<SqlSession, T> work)
    {
        if (!_idle.TryTake(out var reader)) reader = new Reader(source.OpenConnection());
        var usable = false;
        try
        {
            // the BCL's BeginTransaction would take SQLite's write lock; a plain BEGIN takes a snapshot with the first query
            reader.Begin.ExecuteNonQuery();
            try
            {
                return work(new SqlSession(reader.Connection, null, SqlDialect.Sqlite, reader.Prepared, readOnly: true));
            }
            finally
            {
                reader.End.ExecuteNonQuery();
                usable = true;
            }
        }
        finally
        {
            if (!usable || _closed || _idle.Count >= MostIdle) reader.Dispose();
            else _idle.Add(reader);
        }
    }

    public void Dispose()
    {
        _closed = true;
        while (_idle.TryTake(out var reader)) reader.Dispose();
    }

    sealed class Reader : IDisposable
    {
        public Reader(DbConnection connection)
        {
            Connection = connection;
            (Begin, End) = (Command("begin"), Command("rollback"));
        }

        public DbConnection Connection { get; }
        public PreparedCommands Prepared { get; } = new();
        public DbCommand Begin { get; }
        public DbCommand End { get; }

        public void Dispose()
        {
            Begin.Dispose();
            End.Dispose();
            Prepared.Dispose();
            Connection.Dispose();
        }

        DbCommand Command(string sql)
        {
            var command = Connection.CreateCommand();
            command.CommandText = sql;
            return command;
        }
    }
}
