using System.Data.Common;
using System.Threading.Channels;

namespace Takt.Storage;

/// <summary>The one writer of a SQLite database: takes what has queued up while the last commit was on its way to the disk and commits it as one.</summary>
/// <remarks>
/// A thread of its own, so that a starved thread pool never holds up a commit. Each caller's work stands in a savepoint: one that fails rolls back
/// alone. When the commit itself fails, nothing of the whole group was written and every caller is told.
/// </remarks>
sealed class GroupWriter : IAsyncDisposable
{
    /// <summary>How many callers' work one commit may carry; bounds what a failed commit takes with it.</summary>
    const int LargestGroup = 256;

    /// <summary>How many callers may wait; those after them wait to be let into the queue.</summary>
    const int LongestQueue = 4096;

    readonly DbDataSource _source;
    readonly SqlDialect _dialect;
    readonly Channel<QueuedWrite> _queue = Channel.CreateBounded<QueuedWrite>(new BoundedChannelOptions(LongestQueue) { SingleReader = true });
    readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public GroupWriter(DbDataSource source, SqlDialect dialect)
    {
        _source = source;
        _dialect = dialect;
        new Thread(WriteUntilClosed) { Name = "takt writer", IsBackground = true }.Start();
    }

    public async Task<T> Write<T>(Func<SqlSession, T> work)
    {
        var write = new QueuedWrite<T>(work);
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

    void WriteUntilClosed()
    {
        var group = new List<QueuedWrite>(LargestGroup);
        DbConnection? connection = null;
        PreparedCommands? prepared = null;
        while (_queue.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            group.Clear();
            while (group.Count < LargestGroup && _queue.Reader.TryRead(out var write)) group.Add(write);
            try
            {
                connection ??= _source.OpenConnection();
                prepared ??= new PreparedCommands();
                Commit(connection, prepared, group);
            }
            catch (Exception e)
            {
                foreach (var write in group) write.Failed ??= e;
                // whatever state the connection is in, the next group begins with a fresh one
                prepared?.Dispose();
                connection?.Dispose();
                (connection, prepared) = (null, null);
            }
            foreach (var write in group) write.Complete();
        }
        prepared?.Dispose();
        connection?.Dispose();
        _stopped.SetResult();
    }

    void Commit(DbConnection connection, PreparedCommands prepared, List<QueuedWrite> group)
    {
        using var transaction = connection.BeginTransaction(); // Microsoft.Data.Sqlite: BEGIN IMMEDIATE
        var session = new SqlSession(connection, transaction, _dialect, prepared);
        foreach (var write in group)
        {
            session.Execute($"savepoint work");
            try
            {
                write.Run(session);
                session.Execute($"release work");
            }
            catch (Exception e)
            {
                // a full disk rolls the whole transaction back: then this throws, and the first cause is the one to tell
                try
                {
                    session.Execute($"rollback to work");
                    session.Execute($"release work");
                }
                catch (Exception)
                {
                    throw e is DbException ? e : new InvalidOperationException("the work failed and took the transaction with it", e);
                }
                write.Failed = e;
            }
        }
        transaction.Commit();
    }
}
