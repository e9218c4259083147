using System.Data.Common;

namespace Takt.Storage;

/// <summary>The one writer of a SQLite database: takes what has queued up while the last commit was on its way to the disk and commits it as one.</summary>
/// <remarks>
/// Each caller's work stands in a savepoint: one that fails rolls back alone. When the commit itself fails, nothing of the whole group was written and every caller is told.
/// When the disk does not keep a commit, those and all later writes are refused: what comes behind a hole in the log would be lost with it.
/// </remarks>
sealed class GroupWriter : IAsyncDisposable
{
    readonly DbDataSource _source;
    readonly SqlDialect _dialect;
    readonly string? _journal;
    readonly GroupCommit<QueuedWrite> _group;

    WriteConnection? _connection;
    TaktException? _lost;
    WriteBehind? _behind;
    long _changes;

    public GroupWriter(DbDataSource source, SqlDialect dialect, string? journal)
    {
        _source = source;
        _dialect = dialect;
        _journal = journal;
        _group = new("takt writer", group => Commit(group), () => _connection?.Dispose());
    }

    /// <summary>How many commits have changed rows, without those of <see cref="Behind"/>; counted before the callers are told.</summary>
    public long Changes => Volatile.Read(ref _changes);

    /// <summary>Written before the next group, or when <see cref="WriteNow"/> is called.</summary>
    public WriteBehind? Behind
    {
        get => Volatile.Read(ref _behind);
        set => Volatile.Write(ref _behind, value);
    }

    public async Task<T> Write<T>(Func<SqlSession, T> work)
    {
        var write = new QueuedWrite<T>(work);
        await _group.Add(write);
        return await write.Done;
    }

    /// <summary>Writes what is behind. It is durable elsewhere: here only when asked.</summary>
    /// <returns>Why not; null: it is written.</returns>
    public Exception? WriteNow(bool durable)
    {
        Exception? failed = null;
        return _group.Between(() => failed = Commit([], durable)) ? failed : new InvalidOperationException("the rows can't be written now");
    }

    public ValueTask DisposeAsync() => _group.DisposeAsync();

    Exception? Commit(IReadOnlyList<QueuedWrite> group, bool durable = false)
    {
        var behind = Behind is { } rows && rows.Any() ? new QueuedWrite<bool>(session => { rows.Write(session); return true; }) : null;
        try
        {
            if (_lost is not null) throw _lost;
            _connection ??= new WriteConnection(_source.OpenConnection(), _dialect, _journal);
            var changed = (behind is not null || group.Count > 0) && _connection.Commit(behind is null ? group : [behind, .. group]);
            if (behind is { Failed: null }) Behind!.Written();
            if (changed && group.Count > 0) Interlocked.Increment(ref _changes);
            // what is behind is durable already; without a log all is in the file
            if (durable ? !changed && !File.Exists(_journal) : !changed || group.Count == 0) return behind?.Failed;
            try
            {
                _connection.Sync();
            }
            catch (TaktException e)
            {
                _lost = e;
                throw;
            }
            return behind?.Failed;
        }
        catch (Exception e)
        {
            foreach (var write in group) write.Failed ??= e;
            // whatever state the connection is in, the next group begins with a fresh one
            _connection?.Dispose();
            _connection = null;
            return e;
        }
    }
}
