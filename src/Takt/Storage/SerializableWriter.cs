using System.Data;
using System.Data.Common;

namespace Takt.Storage;

/// <summary>
/// Writes on a PostgreSQL that several servers share: each is a serializable transaction of its own, so that what a write has read still holds
/// when it commits, and one that lost a race is run again.
/// </summary>
/// <remarks>
/// Ports, Grittner: Serializable Snapshot Isolation in PostgreSQL (VLDB 2012). Those that run again queue on one advisory lock, else many that
/// want the same row would throw each other out in turn.
/// </remarks>
sealed class SerializableWriter(DbDataSource source, SqlDialect dialect)
{
    /// <summary>First come those that never raced before; a queued one may lose to them this often.</summary>
    const int Attempts = 30;

    /// <summary>
    /// From here on a pause comes first, doubled from 1 ms to <see cref="LongestPause"/>: the other may be about to commit and get no processor for a while,
    /// and until it has, each attempt fails at once. All pauses together: 4 s.
    /// </summary>
    const int FirstToPause = 4;

    /// <summary>In ms.</summary>
    const int LongestPause = 200;

    /// <summary>A broken unique constraint can be a lost race or the caller's fault; the fault comes again.</summary>
    const int AttemptsAtUnique = 3;

    /// <summary>A connection that has died in the pool is replaced, but a server that is down is told soon.</summary>
    const int AttemptsAtConnection = 2;

    /// <summary>The advisory lock of those that run again, "takt" in ASCII. Per database, not per schema: locks have no schema.</summary>
    const long Queue = 0x74616B74;

    const string SerializationFailure = "40001", Deadlock = "40P01", UniqueViolation = "23505";

    public async Task<T> Write<T>(Func<SqlSession, T> work)
    {
        for (var attempt = 1; ; attempt++)
        {
            var committing = false;
            if (attempt >= FirstToPause) await Task.Delay(Math.Min(1 << Math.Min(attempt - FirstToPause, 10), LongestPause));
            try
            {
                await using var connection = await source.OpenConnectionAsync();
                if (attempt > 1) await Execute(connection, $"select pg_advisory_lock({Queue})");
                try
                {
                    // from the first row lock to the commit on one thread: were a thread of the pool needed in between, those that wait for
                    // the row could have taken them all (measured: 60 writers of one row took 8 s instead of 0.6 s)
                    using var transaction = connection.BeginTransaction(IsolationLevel.Serializable);
                    var result = work(new SqlSession(connection, transaction, dialect));
                    committing = true;
                    transaction.Commit();
                    return result;
                }
                finally
                {
                    // a lock of the session outlives the transaction; it ends with the connection, should that be broken
                    if (attempt > 1 && connection.State == ConnectionState.Open) await Execute(connection, $"select pg_advisory_unlock({Queue})");
                }
            }
            catch (DbException e) when (attempt < AttemptsFor(e, committing))
            {
            }
        }
    }

    // while committing only the server's own word tells that nothing was written
    static int AttemptsFor(DbException e, bool committing) => e.SqlState switch
    {
        SerializationFailure or Deadlock => Attempts,
        UniqueViolation => AttemptsAtUnique,
        _ => e.IsTransient && !committing ? AttemptsAtConnection : 1,
    };

    static async Task Execute(DbConnection connection, string sql)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync();
    }
}
