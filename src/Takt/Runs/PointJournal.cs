using System.Data.Common;
using Microsoft.Win32.SafeHandles;
using Takt.Storage;

namespace Takt.Runs;

/// <summary>
/// Points of metrics on their way into a SQLite database. A call is answered when its points are synced in this file, one small write instead of the pages of a transaction; a moment later they are
/// rows, many in one transaction that needs no sync of its own, and before anything else is read or written in any case (<see cref="WriteBehind"/>). Linux only.
/// </summary>
/// <remarks>
/// The file is written from its start to its end again and again, each time as a generation of its own, once what it held is durable in the database. What a killed process left in it is written by the
/// next that opens it. Points are a set, so that those written twice count once. One process at a time has the file, by a lock on it; others commit each call.
/// </remarks>
public sealed class PointJournal : IAsyncDisposable
{
    /// <summary>Bytes of the file. It has this length from the start: a write that makes a file longer costs several times as much.</summary>
    internal const int Length = 2 << 20;

    /// <summary>Bytes of a call. Larger ones are commits: they'd be written twice for little gain.</summary>
    const int LongestRecord = 4096;

    /// <summary>How long points wait to be rows, unless somebody asks. Other processes see them this much later.</summary>
    static readonly TimeSpan Delay = TimeSpan.FromMilliseconds(20);

    readonly Database _database;
    readonly string _path;
    readonly ITimer _timer;
    readonly ActiveRuns _active;
    readonly Lock _opening = new();
    readonly Lock _reading = new();

    /// <summary>Durable here and not yet rows; guarded by <see cref="_reading"/>.</summary>
    readonly List<Entry> _waiting = [];

    volatile int _any;
    volatile SafeFileHandle? _file;
    GroupCommit<Entry>? _group;
    bool _tried;
    int _taken;

    // of the group's turn
    byte[] _buffer = new byte[LongestRecord];
    ulong _generation = 1;
    long _end;
    TaktException? _lost;

    /// <summary>Writes what a killed process left.</summary>
    /// <exception cref="TaktException">The file can't be read, or its points not be written.</exception>
    public PointJournal(Database database, string path, TimeProvider time)
    {
        (_database, _path) = (database, path);
        _active = new ActiveRuns(database);
        _timer = time.CreateTimer(_ => WriteWaiting(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        if (!File.Exists(path)) return;
        try
        {
            using var left = Lock(FileMode.Open);
            if (left is null) return;
            Recover(left);
            RandomAccess.SetLength(left, 0); // never deleted: another process may be about to lock it
        }
        catch (Exception e) when (StorageFaults.Of(e, path) is { } known)
        {
            throw known;
        }
    }

    /// <param name="check">Throws when the run takes no points.</param>
    /// <returns>Done when they are durable. Null: it is no journal's, because it is long, has more than points of the run, or another process has the file.</returns>
    internal Task? Add(string run, Workspace workspace, LogEntry entry, Action<SqlSession> check)
    {
        if (entry.Params.Count > 0 || entry.Tags.Count > 0 || entry.Metrics.Count is 0 or > LongestRecord / MetricBlock.PointSize) return null;
        foreach (var point in entry.Metrics)
            if (point.Model is not null || point.Key.Contains('\0')) return null;
        var added = new Entry(run, entry.Metrics);
        if (added.Length > LongestRecord || !Opened()) return null;
        _active.Check(run, workspace, check);
        return Add(added);
    }

    async Task Add(Entry entry)
    {
        await _group!.Add(entry);
        await entry.Done;
    }

    void WriteWaiting(SqlSession session)
    {
        Entry[] entries;
        lock (_reading) entries = [.. _waiting];
        _taken = entries.Length;
        Write(session, entries.Select(e => (e.Run, e.Points)));
    }

    void Written()
    {
        lock (_reading)
        {
            _waiting.RemoveRange(0, _taken);
            _any = _waiting.Count;
        }
    }

    /// <summary>All points are rows, and the file is empty.</summary>
    public async ValueTask DisposeAsync()
    {
        await _timer.DisposeAsync();
        if (_group is not null) await _group.DisposeAsync();
    }

    static void Write(SqlSession session, IEnumerable<(string Run, IReadOnlyList<LoggedMetric> Points)> entries)
    {
        foreach (var run in entries.GroupBy(e => e.Run, StringComparer.Ordinal))
            // gone since: its points go with it
            if (session.Number($"select experiment from run where id = {run.Key}") is { } experiment) RunTable.AddPoints(session, run.Key, experiment, [.. run.SelectMany(e => e.Points)]);
    }

    bool Opened()
    {
        if (_file is not null) return true;
        lock (_opening)
        {
            if (_tried) return _file is not null;
            _tried = true;
            SafeFileHandle? file = null;
            try
            {
                if ((file = Lock(FileMode.OpenOrCreate)) is null) return false;
                Recover(file); // what another process left since this one has started
                RandomAccess.SetLength(file, 0);
                RandomAccess.Write(file, new byte[Length], 0);
                RandomAccess.FlushToDisk(file);
                Files.SyncFolder(Path.GetDirectoryName(_path)!);
                _group = new("takt points", Commit, Close);
                _database.Attach(new(() => _any > 0, WriteWaiting, Written));
                _file = file;
                return true;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or TaktException)
            {
                file?.Dispose(); // each call is a commit then, which tells what is wrong
                return false;
            }
        }
    }

    /// <returns>Null: another process has it.</returns>
    SafeFileHandle? Lock(FileMode mode)
    {
        try
        {
            return File.OpenHandle(_path, mode, FileAccess.ReadWrite, FileShare.None); // flock(LOCK_EX)
        }
        catch (IOException e) when (File.Exists(_path) && StorageFaults.Of(e, _path) is null)
        {
            return null;
        }
    }

    void Recover(SafeFileHandle file)
    {
        var bytes = new byte[RandomAccess.GetLength(file)];
        ReadOnlySpan<byte> left = bytes.AsSpan(0, RandomAccess.Read(file, bytes, 0));
        var entries = new List<(string, IReadOnlyList<LoggedMetric>)>();
        ulong generation = 0;
        while (JournalRecord.Read(ref left, ref generation) is { } entry) entries.Add(entry);
        if (entries.Count > 0) _database.Write(session => Write(session, entries)).GetAwaiter().GetResult();
    }

    void Commit(IReadOnlyList<Entry> group)
    {
        try
        {
            if (_lost is not null) throw _lost;
            var length = group.Sum(e => e.Length);
            if (_end + length > Length) StartAgain();
            if (_buffer.Length < length) _buffer = new byte[length];
            var at = 0;
            foreach (var entry in group)
            {
                JournalRecord.Write(_buffer.AsSpan(at, entry.Length), _generation, entry.Run, entry.Points);
                at += entry.Length;
            }
            RandomAccess.Write(_file!, _buffer.AsSpan(0, length), _end);
            try
            {
                CommitJournal.Sync(_file!, _path);
            }
            catch (TaktException e)
            {
                _lost = e;
                throw;
            }
            _end += length;
        }
        catch (Exception e)
        {
            foreach (var entry in group) entry.Failed = StorageFaults.Of(e, _path) ?? e;
            return;
        }
        bool first;
        lock (_reading)
        {
            first = _waiting.Count == 0;
            _waiting.AddRange(group);
            _any = _waiting.Count;
        }
        if (first) _timer.Change(Delay, Timeout.InfiniteTimeSpan);
    }

    // what the file holds is rows, durably, before it is written over
    void StartAgain()
    {
        _database.WriteAttached(durable: true);
        _generation++;
        _end = 0;
    }

    void WriteWaiting()
    {
        try
        {
            _database.WriteAttached(durable: false);
        }
        catch (Exception e) when (e is TaktException or InvalidOperationException or DbException)
        {
            // a full disk, say: the next reader or writer tries again, and at the end of the file a call is refused
        }
    }

    void Close()
    {
        try
        {
            _database.WriteAttached(durable: true);
            RandomAccess.SetLength(_file!, 0);
        }
        catch (Exception e) when (e is TaktException or IOException or InvalidOperationException or DbException)
        {
            // whoever opens it next writes them
        }
        _file!.Dispose();
    }

    sealed class Entry(string run, IReadOnlyList<LoggedMetric> points) : GroupMember
    {
        readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public string Run => run;
        public IReadOnlyList<LoggedMetric> Points => points;
        public int Length { get; } = JournalRecord.LengthOf(run, points);
        public Task Done => _done.Task;

        public override void Complete()
        {
            if (Failed is null) _done.SetResult();
            else _done.SetException(Failed);
        }
    }
}
