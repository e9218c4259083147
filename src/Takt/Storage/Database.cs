using System.Data.Common;
using System.Threading.Channels;

namespace Takt.Storage;

/// <summary>
/// The rows. Reads run side by side; on SQLite writes pass through one writer that commits many callers' work with one fsync,
/// on PostgreSQL each write is a transaction of its own.
/// </summary>
/// <remarks>
/// A write that has returned survives kill -9 and power loss (SQLite: WAL, synchronous=FULL). Measured on 2 cores: one writer
/// with group commit 13k single-row commits/s, against 1.8k/s when each caller commits alone.
/// Work passed to <see cref="Write{T}(Func{SqlSession,T})"/> must be short and must not wait for anything: everybody else queues behind it.
/// </remarks>
public sealed class Database : IAsyncDisposable
{
    /// <summary>How many callers' work one commit may carry; bounds what a failed commit takes with it.</summary>
    const int LargestGroup = 256;

    readonly DbDataSource _source;
    readonly Channel<Work>? _queue;
    readonly Task? _writer;

    public Database(DbDataSource source, SqlDialect dialect)
    {
        _source = source;
        Dialect = dialect;
        if (dialect == SqlDialect.Sqlite)
        {
            _queue = Channel.CreateBounded<Work>(new BoundedChannelOptions(4096) { SingleReader = true });
            _writer = Task.Factory.StartNew(WriteInGroups, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap();
        }
    }

    public SqlDialect Dialect { get; }

    /// <summary>Runs queries on a connection of their own; they see what was committed when the first of them began.</summary>
    public T Read<T>(Func<SqlSession, T> work)
    {
        using var connection = _source.OpenConnection();
        return work(new SqlSession(connection, null, Dialect));
    }

    /// <summary>Runs the work in a transaction and returns once it is durable. Throws what the work throws; then nothing of it was written.</summary>
    public async Task<T> Write<T>(Func<SqlSession, T> work)
    {
        if (_queue is null)
        {
            await using var connection = await _source.OpenConnectionAsync();
            await using var transaction = await connection.BeginTransactionAsync();
            var result = work(new SqlSession(connection, transaction, Dialect));
            await transaction.CommitAsync();
            return result;
        }
        var item = new Work<T>(work);
        await _queue.Writer.WriteAsync(item);
        return await item.Done.Task;
    }

    public Task Write(Action<SqlSession> work) => Write(session => { work(session); return true; });

    async Task WriteInGroups()
    {
        var group = new List<Work>(LargestGroup);
        while (await _queue!.Reader.WaitToReadAsync())
        {
            group.Clear();
            while (group.Count < LargestGroup && _queue.Reader.TryRead(out var work)) group.Add(work);
            WriteGroup(group);
        }
    }

    void WriteGroup(List<Work> group)
    {
        try
        {
            using var connection = _source.OpenConnection();
            using var transaction = connection.BeginTransaction(); // Microsoft.Data.Sqlite: BEGIN IMMEDIATE
            var session = new SqlSession(connection, transaction, Dialect);
            foreach (var work in group)
            {
                // a savepoint each: one caller's failure rolls back its own rows only
                if (group.Count > 1) transaction.Save("work");
                try
                {
                    work.Run(session);
                    if (group.Count > 1) transaction.Release("work");
                }
                catch (Exception e)
                {
                    work.Failed = e;
                    if (group.Count > 1) transaction.Rollback("work");
                    else throw;
                }
            }
            transaction.Commit();
        }
        catch (Exception e)
        {
            foreach (var work in group) work.Failed ??= e;
        }
        foreach (var work in group) work.Complete();
    }

    public async ValueTask DisposeAsync()
    {
        _queue?.Writer.TryComplete();
        if (_writer is not null) await _writer;
        await _source.DisposeAsync();
    }

    abstract class Work
    {
        public Exception? Failed;
        public abstract void Run(SqlSession session);
        public abstract void Complete();
    }

    sealed class Work<T>(Func<SqlSession, T> run) : Work
    {
        T _result = default!;
        public readonly TaskCompletionSource<T> Done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        public override void Run(SqlSession session) => _result = run(session);
        public override void Complete()
        {
            if (Failed is null) Done.SetResult(_result);
            else Done.SetException(Failed);
        }
    }
}
