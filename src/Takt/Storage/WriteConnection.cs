using System.Data.Common;

namespace Takt.Storage;

/// <summary>The connection of the <see cref="GroupWriter"/>, with the commands it prepared.</summary>
sealed class WriteConnection : IDisposable
{
    readonly DbConnection _connection;
    readonly PreparedCommands _prepared = new();
    readonly SqlSession _session;
    readonly DbCommand _begin, _commit, _rollback, _mark, _keep, _undo;

    // opened with the connection: while that is open, nobody replaces the file
    readonly CommitJournal? _journal;

    /// <param name="journal">Null: a commit is durable by the engine.</param>
    public WriteConnection(DbConnection connection, SqlDialect dialect, string? journal)
    {
        _connection = connection;
        _journal = journal is null ? null : new CommitJournal(journal);
        _session = new SqlSession(connection, null, dialect, _prepared);
        // not the BCL's BeginTransaction, which would have these parsed each time
        (_begin, _commit, _rollback) = (Command("begin immediate"), Command("commit"), Command("rollback"));
        (_mark, _keep, _undo) = (Command("savepoint work"), Command("release work"), Command("rollback to work"));
    }

    /// <returns>Whether anything was changed; it is durable after <see cref="Sync"/>.</returns>
    /// <exception cref="Exception">Nothing of the group was written, and this connection is not to be used again.</exception>
    public bool Commit(IReadOnlyList<QueuedWrite> group)
    {
        _session.Changed = false;
        _begin.ExecuteNonQuery();
        if (group.Count == 1)
        {
            if (!Alone(group[0])) return false;
        }
        else
        {
            foreach (var write in group) Within(write);
        }
        if (_session.Changed) _journal?.Reserve();
        _commit.ExecuteNonQuery();
        return _session.Changed;
    }

    /// <exception cref="TaktException">Unavailable: the disk did not take it.</exception>
    public void Sync() => _journal?.Sync();

    public void Dispose()
    {
        _journal?.Dispose();
        _prepared.Dispose();
        foreach (var command in (DbCommand[])[_begin, _commit, _rollback, _mark, _keep, _undo]) command.Dispose();
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
        _mark.ExecuteNonQuery();
        try
        {
            write.Run(_session);
            _keep.ExecuteNonQuery();
        }
        catch (Exception e)
        {
            Undo(e, () =>
            {
                _undo.ExecuteNonQuery();
                _keep.ExecuteNonQuery();
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
