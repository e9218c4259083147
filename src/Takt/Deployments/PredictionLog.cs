using System.Threading.Channels;
using DuckDB.NET.Data;
using Takt.Data;
using Takt.Runs;

namespace Takt.Deployments;

/// <summary>
/// What one endpoint was asked and answered, and the labels that came later. Records go through a bounded queue to a journal (fsync for all
/// that waits, at most every 50 ms), and from it into Parquet segments.
/// </summary>
/// <remarks>
/// A full queue drops predictions, and counts them: logging never slows an answer. Labels wait instead. After kill -9 at most what was not yet
/// synced is lost: predictions of the last 50 ms; labels never, since their call returns after the sync.
/// </remarks>
public sealed class PredictionLog : IAsyncDisposable
{
    public const int QueueRecords = 8192;
    const int SegmentRows = 100_000;
    const long SegmentBytes = 64 << 20;
    static readonly TimeSpan SyncEvery = TimeSpan.FromMilliseconds(50);

    readonly string _folder;
    readonly TimeProvider _time;
    readonly Channel<Entry> _queue;
    readonly Task _writer;
    readonly FolderLock _lock;
    long _dropped;
    long _logged;

    public PredictionLog(string folder, TimeProvider time)
    {
        _folder = folder;
        _time = time;
        Directory.CreateDirectory(folder);
        // recovery takes journals away: never one that a living process writes
        _lock = FolderLock.TryTake(Path.Combine(folder, "log.lock"), $"process {Environment.ProcessId}", out var holder)
            ?? throw TaktException.Conflict($"the prediction log in {folder} is written by {holder}; ask its server instead");
        Recover();
        _queue = Channel.CreateBounded<Entry>(new BoundedChannelOptions(QueueRecords) { SingleReader = true });
        _writer = Task.Factory.StartNew(WriteAll, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap();
    }

    /// <summary>Predictions that were not logged because the queue was full.</summary>
    public long Dropped => Volatile.Read(ref _dropped);

    /// <summary>Predictions logged since the start.</summary>
    public long Logged => Volatile.Read(ref _logged);

    /// <returns>False when the queue is full; then it is counted in <see cref="Dropped"/>.</returns>
    public bool Append(PredictionBatch batch)
    {
        if (_queue.Writer.TryWrite(new Entry(batch, null))) return true;
        Interlocked.Add(ref _dropped, batch.Rows);
        return false;
    }

    /// <summary>Returns when the labels survive power loss.</summary>
    public async Task Append(IReadOnlyList<Label> labels, CancellationToken cancel = default)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await _queue.Writer.WriteAsync(new Entry(labels, done), cancel);
        await done.Task;
    }

    /// <summary>Everything appended before is in segments when this returns.</summary>
    public async Task Flush()
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await _queue.Writer.WriteAsync(new Entry(null, done));
        await done.Task;
    }

    /// <summary>
    /// A connection with two views: <c>predictions</c> (docs/formats.md), and <c>labels(id, label, time)</c> with the newest label of each id.
    /// Segments only: <see cref="Flush"/> first to see all.
    /// </summary>
    /// <returns>Null before the first prediction is in a segment.</returns>
    public DuckDBConnection? Open()
    {
        var predictions = Directory.GetFiles(_folder, "predictions-*.parquet");
        if (predictions.Length == 0) return null;
        var connection = DuckDb.Open();
        DuckDb.Execute(connection, $"create view predictions as select * from read_parquet([{List(predictions)}], union_by_name = true)");
        var labels = Directory.GetFiles(_folder, "labels-*.parquet");
        DuckDb.Execute(connection, labels.Length == 0
            ? "create view labels as select ''::varchar as id, 0::double as label, now()::timestamp as time where false"
            : $"""
                create view labels as select id, label, time from read_parquet([{List(labels)}], filename = true, file_row_number = true)
                qualify row_number() over (partition by id order by time desc, filename desc, file_row_number desc) = 1
                """);
        return connection;

        static string List(string[] files) => string.Join(", ", files.Order(StringComparer.Ordinal).Select(DuckDb.Text));
    }

    async Task WriteAll()
    {
        var pending = new List<object>();
        var rows = 0L;
        Journal? journal = null;
        var name = "";
        while (await _queue.Reader.WaitToReadAsync())
        {
            var waiting = new List<TaskCompletionSource>();
            var flush = false;
            try
            {
                while (_queue.Reader.TryRead(out var entry))
                {
                    if (entry.Done is not null) waiting.Add(entry.Done);
                    if (entry.Record is null)
                    {
                        flush = true;
                        continue;
                    }
                    if (journal is null) journal = new Journal(Path.Combine(_folder, (name = $"{_time.GetUtcNow():yyyyMMdd'T'HHmmssfff}-{Guid.NewGuid():N}"[..32]) + ".journal"));
                    journal.Append(entry.Record is PredictionBatch batch ? BatchCodec.Write(batch) : BatchCodec.Write((IReadOnlyList<Label>)entry.Record));
                    pending.Add(entry.Record is PredictionBatch ? entry.Record : ((IReadOnlyList<Label>)entry.Record).ToList());
                    rows += entry.Record is PredictionBatch b ? b.Rows : ((IReadOnlyList<Label>)entry.Record).Count;
                    if (entry.Record is PredictionBatch counted) Interlocked.Add(ref _logged, counted.Rows);
                }
                journal?.Sync();
                if (journal is not null && (flush || rows >= SegmentRows || journal.Bytes >= SegmentBytes))
                {
                    SegmentWriter.Write(_folder, name, pending);
                    journal.Discard();
                    (journal, rows) = (null, 0);
                    pending.Clear();
                }
                foreach (var done in waiting) done.TrySetResult();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or TaktException)
            {
                var fault = new TaktException(TaktError.Unavailable, $"the prediction log in {_folder} can't be written: {e.Message}", e);
                foreach (var done in waiting) done.TrySetException(fault);
            }
            if (waiting.Count == 0) await Task.Delay(SyncEvery); // the disk's pace, not the world's: simulated time must not hold it
        }
        journal?.Sync();
        if (journal is null) return;
        SegmentWriter.Write(_folder, name, pending);
        journal.Discard();
    }

    /// <summary>Journals of a process that is gone become segments; a segment that was being written is made again.</summary>
    void Recover()
    {
        foreach (var tmp in Directory.GetFiles(_folder, "*.tmp")) File.Delete(tmp);
        foreach (var path in Directory.GetFiles(_folder, "*.journal"))
        {
            SegmentWriter.Write(_folder, Path.GetFileNameWithoutExtension(path), Journal.Read(path).Select(BatchCodec.Read).ToList());
            File.Delete(path);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await _writer;
        _lock.Dispose();
    }

    /// <param name="Record">A batch, or labels; null: write the segment now.</param>
    readonly record struct Entry(object? Record, TaskCompletionSource? Done);
}
