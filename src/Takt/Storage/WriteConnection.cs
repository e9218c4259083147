using System.Data.Common;

namespace Takt.Storage;

/// <summary>The connection of the <see cref="GroupWriter"/>, with the commands it prepared.</summary>
sealed class WriteConnection : IDisposable
{
    readonly DbConnection _connection;
    readonly PreparedCommands _prepared = new();
    readonly SqlSession _session;
    readonly DbCommand _begin, _commit, _rollback;

    public WriteConnection(DbConnection connection, SqlDialect dialect)
    {
        _connection = connection;
        _session = new SqlSession(connection, null, dialect, _prepared);
        // not the BCL's BeginTransaction, which would have these parsed each time
        (_begin, _commit, _rollback) = (Command("begin immediate"), Command("commit"), Command("rollback"));
    }

    /// <exception cref="Exception">Nothing of the group was written, and this connection is not to be used again.</exception>
    public void Commit(IReadOnlyList<QueuedWrite> group)
    {
        _begin.ExecuteNonQuery();
        if (group.Count == 1)
        {
            if (!Alone(group[0])) return;
        }
        else
        {
            foreach (var write in group) Within(write);
        }
        _commit.ExecuteNonQuery();
    }

    public void Dispose()
    {
        _prepared.Dispose();
        _begin.Dispose();
        _commit.Dispose();
        _rollback.Dispose();
        _connection.Dispose();
    }

    bool Alone(QueuedWrite write)
    {
        try
        {
            write.Run(_session);
            return true;
        }
        catch (Exception e)
        {
            write.Failed = e;
            Undo(e, () => _rollback.ExecuteNonQuery());
            return false;
        }
    }

    void Within(QueuedWrite write)
    {
        _session.Execute($"savepoint work");
        try
        {
            write.Run(_session);
            _session.Execute($"release work");
        }
        catch (Exception e)
        {
            Undo(e, () =>
            {
                _session.Execute($"rollback to work");
                _session.Execute($"release work");
            });
            write.Failed = e;
        }
    }

    // a full disk rolls the whole transaction back: then this throws, and the first cause is the one to tell
    static void Undo(Exception cause, Action undo)
    {
        try
        {
            undo();
        }
        catch (Exception)
        {
            throw cause is DbException ? cause : new InvalidOperationException("the work failed and took the transaction with it", cause);
        }
    }

    DbCommand Command(string sql)
    {
        var command = _connection.CreateCommand();
        command.CommandText = sql;
        return command;
    }
}
