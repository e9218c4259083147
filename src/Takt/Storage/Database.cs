using System.Data;
using System.Data.Common;

namespace Takt.Storage;

/// <summary>
/// The rows. Reads run side by side; on SQLite writes pass through one writer that commits many callers' work with one fsync,
/// on PostgreSQL each is a serializable transaction of its own. On both, writes have the effect of having been done one after another: a write
/// may look whether a row is there and then insert it.
/// </summary>
/// <remarks>A write that has returned survives kill -9 and power loss (SQLite: WAL, synced after each commit as with synchronous=FULL; PostgreSQL: synchronous_commit, which must be on).</remarks>
public sealed class Database : IAsyncDisposable
{
    readonly DbDataSource _source;
    readonly Func<DbException, TaktException?> _explain;
    readonly GroupWriter? _writer;
    readonly ReadConnections? _readers;
    readonly SerializableWriter? _servers;

    /// <param name="explain">Turns an engine's error that the user can do something about (disk full, file damaged) into words; null for a bug.</param>
    /// <param name="journal">SQLite: the file of its write-ahead log, when Takt is to sync that after each commit (Linux); null: the engine does it.</param>
    public Database(DbDataSource source, SqlDialect dialect, Func<DbException, TaktException?>? explain = null, string? journal = null)
    {
        _source = source;
        _explain = explain ?? (_ => null);
        Dialect = dialect;
        if (dialect == SqlDialect.Sqlite) (_writer, _readers) = (new GroupWriter(source, dialect, journal), new ReadConnections(source));
        else _servers = new SerializableWriter(source, dialect);
    }

    public SqlDialect Dialect { get; }

    /// <summary>Raised after <see cref="Empty"/>: whoever remembers rows forgets them now.</summary>
    public event Action? Emptied;

    /// <summary>Runs queries on a connection of their own; all of them see what was committed when the first of them began.</summary>
    /// <exception cref="TaktException">Unavailable, Denied or Invalid: the database can't be used; the message says what to do.</exception>
    public T Read<T>(Func<SqlSession, T> work)
    {
        // when they can't be written, on a full disk say, what is there is still to be had
        if (_writer?.Behind is { } rows && rows.Any()) _writer.WriteNow(durable: false);
        return ReadBeside(work);
    }

    /// <summary>As <see cref="Read{T}"/>, of rows that are not among those that come by <see cref="Attach"/>: it need not wait for them.</summary>
    internal T ReadBeside<T>(Func<SqlSession, T> work)
    {
        try
        {
            if (_readers is not null) return _readers.Read(work);
            using var connection = _source.OpenConnection();
            using var snapshot = connection.BeginTransaction(IsolationLevel.RepeatableRead);
            return work(new SqlSession(connection, snapshot, Dialect, readOnly: true));
        }
        catch (DbException e) when (_explain(e) is { } known)
        {
            throw known;
        }
    }

    /// <summary>
    /// Runs the work in a transaction and returns once it is durable. Throws what the work throws; then nothing of it was written.
    /// The work must be short and must not wait for anything: on SQLite everybody else queues behind it, first come, first served.
    /// It must change nothing but rows: on PostgreSQL it is run again when another server's write came between.
    /// </summary>
    /// <remarks>
    /// It can't be cancelled: it takes milliseconds, and a caller that gave up would not know whether it was written.
    /// Measured on 2 cores, ext4, durable single-row inserts: 1 caller 6,700/s, 64 callers 105,000/s, 512 callers 183,000/s. A caller that finds nobody
    /// writing commits on its own thread.
    /// </remarks>
    /// <exception cref="TaktException">As <see cref="Read{T}"/>; Unavailable also when the database is being closed.</exception>
    public async Task<T> Write<T>(Func<SqlSession, T> work)
    {
        try
        {
            return await (_writer is not null ? _writer.Write(work) : _servers!.Write(work));
        }
        catch (DbException e) when (_explain(e) is { } known)
        {
            throw known;
        }
    }

    public Task Write(Action<SqlSession> work) => Write(session => { work(session); return true; });

    /// <summary>SQLite: from now on each read and each write finds these rows written. One at most.</summary>
    internal void Attach(WriteBehind rows) => _writer!.Behind = rows;

    /// <summary>SQLite: writes what is attached.</summary>
    /// <param name="durable">It need not be durable elsewhere any more, once this has returned.</param>
    /// <exception cref="TaktException">As <see cref="Read{T}"/>.</exception>
    internal void WriteAttached(bool durable)
    {
        if (_writer!.WriteNow(durable) is { } failed) throw failed is DbException e && _explain(e) is { } known ? known : failed;
    }

    /// <summary>SQLite: how many commits of this process have changed rows, without those of <see cref="Attach"/>.</summary>
    internal long Changes => _writer!.Changes;

    /// <summary>Deletes every row but what a new database has, for tests that want a fresh start without a new process.</summary>
    public async Task Empty()
    {
        await Write(session =>
        {
            foreach (var table in TableGraph.Read(session).Tables.Where(t => t is not ("migration" or "takt" or "workspace")))
                if (session.Number($"select 1 from {Sql.Raw(table)} limit 1") is not null) session.Execute($"delete from {Sql.Raw(table)}");
            session.Execute($"delete from workspace where name <> {Workspace.DefaultName}");
        });
        Emptied?.Invoke();
    }

    /// <summary>Finishes what is queued, then closes every connection.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_writer is not null) await _writer.DisposeAsync();
        _readers?.Dispose();
        await _source.DisposeAsync();
    }
}
