using System.Data.Common;
using System.Threading.Channels;

namespace Takt.Storage;

/// <summary>The one writer of a SQLite database: takes what has queued up while the last commit was on its way to the disk and commits it as one.</summary>
/// <remarks>
/// A caller that finds nobody writing and nobody waiting commits on its own thread: two changes of threads less, a fifth of the time of a lone commit.
/// All others queue for a thread of the writer's own, so that a starved thread pool never holds up a commit. Each caller's work stands in a savepoint:
/// one that fails rolls back alone. When the commit itself fails, nothing of the whole group was written and every caller is told.
/// When the disk does not keep a commit, those and all later writes are refused: what comes behind a hole in the log would be lost with it.
/// </remarks>
sealed class GroupWriter : IAsyncDisposable
{
    /// <summary>How many callers' work one commit may carry; bounds what a failed commit takes with it.</summary>
    const int LargestGroup = 256;

    /// <summary>How many callers may wait; those after them wait to be let into the queue.</summary>
    const int LongestQueue = 4096;

    readonly DbDataSource _source;
    readonly SqlDialect _dialect;
    readonly string? _journal;
    readonly Channel<QueuedWrite> _queue = Channel.CreateBounded<QueuedWrite>(new BoundedChannelOptions(LongestQueue) { SingleReader = true });
    readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Held while anybody writes; guards the connection.</summary>
    readonly Lock _writing = new();

    WriteConnection? _connection;
    TaktException? _lost;
    bool _closed;

    public GroupWriter(DbDataSource source, SqlDialect dialect, string? journal)
    {
        _source = source;
        _dialect = dialect;
        _journal = journal;
        new Thread(WriteUntilClosed) { Name = "takt writer", IsBackground = true }.Start();
    }

    public async Task<T> Write<T>(Func<SqlSession, T> work)
    {
        var write = new QueuedWrite<T>(work);
        if (TryAlone(write)) return await write.Done;
        try
        {
            await _queue.Writer.WriteAsync(write);
        }
        catch (ChannelClosedException)
        {
            throw new TaktException(TaktError.Unavailable, "Takt is shutting down; try again once it has started");
        }
        return await write.Done;
    }

    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await _stopped.Task;
    }

    // first come, first served: not when somebody waits
    bool TryAlone(QueuedWrite write)
    {
        if (!_writing.TryEnter()) return false;
        try
        {
            if (_closed || _queue.Reader.Count > 0 || _queue.Reader.Completion.IsCompleted) return false;
            Commit([write]);
        }
        finally
        {
            _writing.Exit();
        }
        write.Complete();
        return true;
    }

    void WriteUntilClosed()
    {
        var group = new List<QueuedWrite>(LargestGroup);
        while (_queue.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            group.Clear();
            lock (_writing)
            {
                while (group.Count < LargestGroup && _queue.Reader.TryRead(out var write)) group.Add(write);
                Commit(group);
            }
            foreach (var write in group) write.Complete();
        }
        lock (_writing)
        {
            _closed = true;
            _connection?.Dispose();
        }
        _stopped.SetResult();
    }

    void Commit(IReadOnlyList<QueuedWrite> group)
    {
        try
        {
            if (_lost is not null) throw _lost;
            _connection ??= new WriteConnection(_source.OpenConnection(), _dialect, _journal);
            if (!_connection.Commit(group)) return;
            try
            {
                _connection.Sync();
            }
            catch (TaktException e)
            {
                _lost = e;
                throw;
            }
        }
        catch (Exception e)
        {
            foreach (var write in group) write.Failed ??= e;
            // whatever state the connection is in, the next group begins with a fresh one
            _connection?.Dispose();
            _connection = null;
        }
    }
}
