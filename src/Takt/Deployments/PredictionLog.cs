using System.Buffers;
using System.Diagnostics;
using System.Numerics;
using DuckDB.NET.Data;
using Takt.Data;
using Takt.Runs;
using Takt.Storage;

namespace Takt.Deployments;

/// <summary>
/// What one endpoint was asked and answered, and the labels that came later. Records are framed by their callers into one buffer, which is written to a
/// journal (one fsync for all that waits, at most every 50 ms); a sealed journal becomes Parquet segments, and small segments become larger ones.
/// </summary>
/// <remarks>
/// At most <see cref="MostWaiting"/> bytes wait for the disk. When they do, a prediction waits up to <see cref="Patience"/> for room, so that callers slow
/// down to the disk's pace; after that it is dropped and counted. Labels wait as long as it takes. After kill -9 at most what was not yet synced is lost:
/// predictions of the last 50 ms; labels never, since their call returns after the sync.
/// </remarks>
public sealed class PredictionLog : IAsyncDisposable
{
    public const int MostWaiting = 8 << 20;
    const int KeptRoom = 256 << 10;
    const long JournalRows = 500_000;
    const long JournalBytes = 64 << 20;
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    static readonly TimeSpan SyncEvery = TimeSpan.FromMilliseconds(50);

    /// <summary>A journal that is so old becomes segments: where others wait for them, sooner.</summary>
    static readonly TimeSpan AloneFor = TimeSpan.FromMinutes(5), SharedAfter = TimeSpan.FromSeconds(5);

    /// <summary>Nobody waits, as nearly always: no list is made then.</summary>
    static readonly List<TaskCompletionSource> s_nobody = [];

    readonly string _folder;
    readonly TimeProvider _time;
    readonly FolderLock _lock;
    readonly Segments _segments;
    readonly Lock _gate = new();
    readonly ManualResetEventSlim _work = new(), _hurry = new();
    readonly List<LogSource> _sources = [];
    readonly Thread _writer;
    readonly TimeSpan _sealAfter;
    readonly LogCounts _counts;

    // guarded by _gate
    byte[] _buffer = [];
    int _filled;
    long _rows;
    bool _flush, _ended;
    List<TaskCompletionSource> _synced = [], _flushed = [];
    TaskCompletionSource _room = new(TaskCreationOptions.RunContinuationsAsynchronously);

    long _dropped, _logged;
    string? _fault;

    /// <param name="folder">Of this server, called as the endpoint.</param>
    /// <param name="shared">Where the logs of all servers come together; null: this is the only one.</param>
    /// <exception cref="TaktException">Conflict: another opener writes it.</exception>
    public PredictionLog(string folder, TimeProvider time, SharedLog? shared = null)
    {
        _sealAfter = shared is null ? AloneFor : SharedAfter;
        _folder = folder;
        _time = time;
        Directory.CreateDirectory(folder);
        // recovery takes journals away: never one that a living process writes
        _lock = FolderLock.TryTake(Path.Combine(folder, "log.lock"), $"process {Environment.ProcessId}", out var holder)
            ?? throw TaktException.Conflict($"the prediction log in {folder} is written by {holder}; ask its server instead");
        try
        {
            _counts = new LogCounts(Path.Combine(folder, "log.counts"));
            _segments = new Segments(folder, shared);
            _writer = new Thread(WriteAll) { IsBackground = true, Name = $"log of {Path.GetFileName(folder)}" };
            _writer.Start();
        }
        catch
        {
            _counts?.Dispose();
            _lock.Dispose();
            throw;
        }
    }

    /// <summary>Predictions that were answered and were not on the disk yet when the process was killed, since the folder is there. After a power loss the number may be too small.</summary>
    public long Lost => _counts.Lost;

    /// <summary>Files that only this server can read so far, and their bytes; none where nothing is shared.</summary>
    public (int Files, long Bytes) Unshared => _segments.Unshared;

    /// <summary>Why other servers can't read what this one wrote; null when they can.</summary>
    public string? SharingFault => _segments.SharingFault;

    /// <summary>Predictions that were not logged because the disk was too slow for too long, or refused.</summary>
    public long Dropped => Volatile.Read(ref _dropped);

    /// <summary>What waits for the disk, <see cref="MostWaiting"/> at most.</summary>
    public int WaitingBytes
    {
        get
        {
            lock (_gate) return _filled;
        }
    }

    /// <summary>Predictions taken since the start.</summary>
    public long Logged => Volatile.Read(ref _logged);

    /// <summary>Why the disk refused what came last; null when all is well.</summary>
    public string? Fault => Volatile.Read(ref _fault) ?? _segments.Fault;

    /// <summary>The number under which rows of this revision and these columns are logged.</summary>
    public LogSource Source(int revision, string model, IReadOnlyList<LogColumn> inputs, IReadOnlyList<LogColumn> outputs)
    {
        lock (_gate)
        {
            var known = _sources.Find(s => s.Revision == revision && s.Model == model && s.Inputs.SequenceEqual(inputs) && s.Outputs.SequenceEqual(outputs));
            if (known is not null) return known;
            var source = new LogSource(_sources.Count, revision, model, inputs, outputs);
            _sources.Add(source);
            var writer = RecordWriter.OfThread();
            BatchCodec.Write(writer, source);
            Put(writer.Framed());
            return source;
        }
    }

    /// <returns>False when there was no room in time; then it is counted in <see cref="Dropped"/>.</returns>
    public ValueTask<bool> Append(PredictionBatch batch, CancellationToken cancel = default)
    {
        var writer = RecordWriter.OfThread();
        BatchCodec.Write(writer, batch);
        return Append(writer, batch.Rows, cancel);
    }

    /// <summary>Logs what a shadow answered.</summary>
    /// <inheritdoc cref="Append(PredictionBatch, CancellationToken)"/>
    public ValueTask<bool> AppendShadow(PredictionBatch batch, CancellationToken cancel = default)
    {
        var writer = RecordWriter.OfThread();
        BatchCodec.Write(writer, batch, BatchCodec.ShadowRecord);
        return Append(writer, batch.Rows, cancel);
    }

    /// <summary>Logs the record that the thread's writer holds.</summary>
    internal ValueTask<bool> Append(RecordWriter writer, int rows, CancellationToken cancel = default)
    {
        var framed = writer.Framed();
        if (framed.Length > Journal.MaxRecord)
        {
            Interlocked.Add(ref _dropped, rows);
            return new(false);
        }
        return TryAppend(framed, rows) ? new(true) : Wait(framed.ToArray(), rows, cancel);
    }

    /// <summary>Returns when the labels survive power loss.</summary>
    /// <exception cref="TaktException">Unavailable: the disk refuses.</exception>
    public async Task Append(IReadOnlyList<Label> labels, CancellationToken cancel = default)
    {
        byte[] record = [];
        foreach (var kind in labels.GroupBy(l => (l.ByKey, l.Class is null)))
        {
            var writer = RecordWriter.OfThread();
            BatchCodec.Write(writer, kind.ToList());
            record = [.. record, .. writer.Framed()];
        }
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        while (!TryAppend(record, 0, done)) await Room().WaitAsync(cancel);
        await done.Task;
    }

    /// <summary>Everything appended before is in segments when this returns.</summary>
    /// <exception cref="TaktException">Unavailable: the disk refuses.</exception>
    public async Task Flush()
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_ended, this);
            _flushed.Add(done);
            _flush = true;
            _hurry.Set();
            _work.Set();
        }
        await done.Task;
    }

    /// <summary>
    /// A connection with views: <c>predictions</c> and <c>shadows</c> (docs/formats.md), <c>labels(id, label, time)</c> with the newest label of each id (a number, or text where some label is a class), and <c>told(id, label, time, place)</c> with all,
    /// of which the one at the greatest place counts; of all servers that share their logs.
    /// Segments only: <see cref="Flush"/> first to see all of this server; what the others have not published yet is missing, some seconds' worth.
    /// </summary>
    /// <param name="range">What is wanted; null: all.</param>
    /// <returns>Null before the first prediction is in a segment.</returns>
    /// <exception cref="TaktException">Unavailable: the database or the store that the servers share can't be reached.</exception>
    public Task<DuckDBConnection?> Open(LogRange? range = null, CancellationToken cancel = default) => _segments.Open(range ?? LogRange.All, cancel);

    async ValueTask<bool> Wait(byte[] framed, int rows, CancellationToken cancel)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        patience.CancelAfter(Patience);
        try
        {
            do await Room().WaitAsync(patience.Token);
            while (!TryAppend(framed, rows));
            return true;
        }
        catch (OperationCanceledException)
        {
            Interlocked.Add(ref _dropped, rows);
            return false;
        }
    }

    bool TryAppend(ReadOnlySpan<byte> framed, int rows, TaskCompletionSource? synced = null)
    {
        lock (_gate)
        {
            if (_ended || (_filled > 0 && _filled + framed.Length > MostWaiting)) return false;
            Put(framed);
            _rows += rows;
            _logged += rows;
            _counts.Take(rows);
            if (synced is null) return true;
            _synced.Add(synced);
            _hurry.Set();
            return true;
        }
    }

    /// <summary>Under the gate.</summary>
    void Put(ReadOnlySpan<byte> framed)
    {
        if (_filled + framed.Length > _buffer.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent((int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(KeptRoom, _filled + framed.Length)));
            _buffer.AsSpan(0, _filled).CopyTo(larger);
            if (_buffer.Length > 0) ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = larger;
        }
        framed.CopyTo(_buffer.AsSpan(_filled));
        if (_filled == 0) _work.Set();
        _filled += framed.Length;
    }

    Task Room()
    {
        lock (_gate) return _ended ? Task.FromCanceled(new CancellationToken(true)) : _filled == 0 ? Task.CompletedTask : _room.Task;
    }

    void WriteAll()
    {
        Journal? journal = null;
        var (rows, serial, newest, begunAt) = (0L, 0, DateTimeOffset.MinValue, 0L);
        while (true)
        {
            if (journal is null) _work.Wait();
            else if (!_work.Wait(Remaining()))
            {
                Seal(null); // nothing more has come
                continue;
            }
            if (!_hurry.IsSet) _hurry.Wait(SyncEvery); // gathers; the disk's pace, not the world's: simulated time must not hold it
            byte[] buffer;
            int filled, sources;
            long taken;
            bool flush, ended;
            List<TaskCompletionSource> synced, flushed;
            TaskCompletionSource room;
            lock (_gate)
            {
                (buffer, filled, taken, flush, ended, sources) = (_buffer, _filled, _rows, _flush, _ended, _sources.Count);
                (synced, flushed, room) = (Taken(ref _synced), Taken(ref _flushed), _room);
                (_buffer, _filled, _rows, _flush) = ([], 0, 0, false);
                _room = new(TaskCreationOptions.RunContinuationsAsynchronously);
                _hurry.Reset();
                if (!ended) _work.Reset();
            }
            room.TrySetResult();
            try
            {
                if (filled > 0)
                {
                    journal ??= Begin(sources);
                    journal.AppendFramed(buffer.AsSpan(0, filled));
                    journal.Sync();
                    rows += taken;
                    Volatile.Write(ref _fault, null);
                }
                foreach (var done in synced) done.TrySetResult();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or TaktException)
            {
                var fault = new TaktException(TaktError.Unavailable, $"the prediction log in {_folder} can't be written: {StorageFaults.InWords(e)}", e);
                Volatile.Write(ref _fault, fault.Message);
                Interlocked.Add(ref _dropped, taken);
                foreach (var done in synced) done.TrySetException(fault);
                if (journal is not null) Seal(null); // what follows a torn record would not be read
            }
            _counts.Settle(taken);
            if (buffer.Length > 0) ArrayPool<byte>.Shared.Return(buffer);
            if (journal is not null && (flush || Remaining() == TimeSpan.Zero || ended || rows >= JournalRows || journal.Bytes >= JournalBytes)) Seal(flushed);
            else if (flushed.Count > 0) _segments.Add(null, flushed);
            if (ended) return;
        }

        // real time: a simulated clock that stands still must not hold it
        TimeSpan Remaining() => _sealAfter - Stopwatch.GetElapsedTime(begunAt) is { Ticks: > 0 } left ? left : TimeSpan.Zero;

        // never the list that others go on adding to: those are told of what is not written yet
        static List<TaskCompletionSource> Taken(ref List<TaskCompletionSource> waiting)
        {
            if (waiting.Count == 0) return s_nobody;
            var taken = waiting;
            waiting = [];
            return taken;
        }

        Journal Begin(int sources)
        {
            begunAt = Stopwatch.GetTimestamp();
            // names sort in the order of writing, whatever the clock does: of two labels of one time the later counts
            newest = _time.GetUtcNow() is var now && now > newest ? now : newest;
            var begun = new Journal(Path.Combine(_folder, $"{newest:yyyyMMdd'T'HHmmssfff}-{serial++ % 1_000_000:D6}{Guid.NewGuid():N}"[..33] + ".journal"));
            foreach (var source in _sources[..sources]) // only ever grows; those of this buffer are in it as well
            {
                var writer = RecordWriter.OfThread();
                BatchCodec.Write(writer, source);
                begun.AppendFramed(writer.Framed());
            }
            return begun;
        }

        void Seal(List<TaskCompletionSource>? waiting)
        {
            journal!.Dispose();
            _segments.Add(journal.Path, waiting ?? []);
            (journal, rows) = (null, 0);
        }
    }

    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            if (_ended) return;
            _ended = true;
            _hurry.Set();
            _work.Set();
        }
        await Task.Run(_writer.Join);
        await _segments.DisposeAsync();
        _counts.Dispose();
        _lock.Dispose();
    }
}
