using System.Threading.Channels;
using DuckDB.NET.Data;
using Takt.Data;
using Takt.Storage;

namespace Takt.Deployments;

/// <summary>The Parquet files of one prediction log: makes them of sealed journals, one at a time, and merges small ones.</summary>
/// <remarks>
/// A merge takes the place of its last file, so that names keep the order of writing. It is written down first (<c>NAME.merge</c>: the files that go), so
/// that a crash at any point neither loses a row nor shows one twice.
/// </remarks>
sealed class Segments : IAsyncDisposable
{
    /// <summary>So many small files in a row are merged.</summary>
    public const int MergeAt = 16;
    const long Small = 8 << 20;
    const long MostMerged = 64 << 20;

    readonly string _folder;
    readonly Channel<(string? Journal, List<TaskCompletionSource> Waiting)> _sealed = Channel.CreateUnbounded<(string?, List<TaskCompletionSource>)>(new() { SingleReader = true });
    readonly SortedSet<string> _open = new(StringComparer.Ordinal); // journals that are to be segments: those that a disk refused are tried again
    readonly Lock _files = new();
    readonly Task _worker;
    string? _fault;
    int _readers;

    public Segments(string folder)
    {
        _folder = folder;
        FinishMerges();
        foreach (var tmp in Directory.GetFiles(folder, "*.tmp")) File.Delete(tmp);
        _open.UnionWith(Directory.GetFiles(folder, "*.journal")); // of a process that is gone; a segment that was being written is made again
        if (_open.Count > 0) Add(null, []);
        _worker = Task.Factory.StartNew(Work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap();
    }

    /// <summary>Why a journal could not be made a segment; null when all are.</summary>
    public string? Fault => Volatile.Read(ref _fault);

    /// <param name="journal">Sealed; null: none, only tell <paramref name="waiting"/> when those before are done.</param>
    public void Add(string? journal, List<TaskCompletionSource> waiting) => _sealed.Writer.TryWrite((journal, waiting));

    public DuckDBConnection? Open()
    {
        lock (_files)
        {
            var predictions = Directory.GetFiles(_folder, "predictions-*.parquet");
            if (predictions.Length == 0) return null;
            var connection = DuckDb.Open();
            DuckDb.Execute(connection, $"create view predictions as select * from read_parquet([{List(predictions)}], union_by_name = true)");
            var shadows = Directory.GetFiles(_folder, "shadows-*.parquet");
            DuckDb.Execute(connection, shadows.Length == 0
                ? "create view shadows as select ''::varchar as id, now()::timestamp as time, now()::timestamp as received, 0::bigint as revision, ''::varchar as model_version, 0::bigint as latency_us, ''::varchar as error, 0::double as difference where false"
                : $"create view shadows as select * from read_parquet([{List(shadows)}], union_by_name = true)");
            var labels = Directory.GetFiles(_folder, "labels-*.parquet");
            DuckDb.Execute(connection, labels.Length == 0
                ? "create view told as select ''::varchar as id, 0::double as label, now()::timestamp as time, (now()::timestamp, '', 0::bigint) as place where false"
                : $"create view told as select id, label, time, (time, filename, file_row_number) as place from read_parquet([{List(labels)}], filename = true, file_row_number = true)");
            DuckDb.Execute(connection, "create view labels as select id, arg_max(label, place) as label, max(time) as time from told group by id");
            _readers++;
            connection.Disposed += (_, _) =>
            {
                lock (_files) _readers--;
            };
            return connection;
        }
    }

    async Task Work()
    {
        while (await _sealed.Reader.WaitToReadAsync())
        {
            var waiting = new List<TaskCompletionSource>();
            while (_sealed.Reader.TryRead(out var item))
            {
                if (item.Journal is not null) _open.Add(item.Journal);
                waiting.AddRange(item.Waiting);
            }
            Exception? failed = null;
            foreach (var journal in _open.ToList())
                try
                {
                    SegmentWriter.Write(_folder, Path.GetFileNameWithoutExtension(journal), Journal.Read(journal));
                    File.Delete(journal);
                    _open.Remove(journal);
                }
                catch (Exception e) when (e is not OutOfMemoryException)
                {
                    failed ??= e; // it stays, and is tried again
                }
            var fault = failed is null ? null : new TaktException(TaktError.Unavailable, $"the prediction log in {_folder} can't be written: {failed.Message}", failed);
            Volatile.Write(ref _fault, fault?.Message);
            foreach (var done in waiting)
                if (fault is null) done.TrySetResult();
                else done.TrySetException(fault);
            try
            {
                Merge("predictions-");
                Merge("labels-");
                Merge("shadows-");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or TaktException or DuckDBException)
            {
                Volatile.Write(ref _fault, $"segments in {_folder} can't be merged: {e.Message}"); // all rows are there all the same
            }
        }
    }

    /// <summary>Merges the first run of small files of the same columns that is long enough.</summary>
    void Merge(string prefix)
    {
        var run = new List<string>();
        var (bytes, columns) = (0L, "");
        using var connection = DuckDb.Open(threads: 1);
        foreach (var path in Directory.GetFiles(_folder, prefix + "*.parquet").Order(StringComparer.Ordinal))
        {
            var length = new FileInfo(path).Length;
            if (length >= Small || bytes + length > MostMerged)
            {
                if (run.Count >= MergeAt) break;
                run.Clear();
                bytes = 0;
                if (length >= Small) continue;
            }
            run.Add(path);
            bytes += length;
        }
        if (run.Count < MergeAt) return;
        // of the run, those from the front with the first one's columns; of a mixture only as much as fits together
        string Columns(string file) => string.Join('|', Tables.Schema(connection, DuckDb.Scan([file])).Select(c => $"{c.Name} {c.Type}"));
        var alike = new List<string>();
        foreach (var path in run)
        {
            var of = Columns(path);
            if (alike.Count > 0 && of != columns)
            {
                if (alike.Count >= MergeAt / 2) break;
                alike.Clear();
            }
            columns = of;
            alike.Add(path);
        }
        if (alike.Count < 2) return;
        var (last, marker) = (alike[^1], Path.ChangeExtension(alike[^1], ".merge"));
        var tmp = last + ".tmp";
        Tables.WriteParquet(connection, $"select * from read_parquet([{List(alike)}])", last + ".merged.tmp", tmp); // renamed to .merged.tmp: whole and synced
        lock (_files)
        {
            if (_readers > 0) // somebody reads the old ones: next time
            {
                File.Delete(last + ".merged.tmp");
                return;
            }
            Files.WriteAtomically(marker, string.Join('\n', alike[..^1].Select(Path.GetFileName)));
            Files.Publish(last + ".merged.tmp", last);
            FinishMerge(marker);
        }
    }

    void FinishMerges()
    {
        foreach (var marker in Directory.GetFiles(_folder, "*.merge"))
            if (File.Exists(Path.ChangeExtension(marker, ".parquet") + ".merged.tmp")) File.Delete(marker); // it had not taken its place
            else FinishMerge(marker);
    }

    void FinishMerge(string marker)
    {
        foreach (var gone in File.ReadAllLines(marker).Where(n => n.Length > 0)) File.Delete(Path.Combine(_folder, Path.GetFileName(gone)));
        Files.SyncFolder(_folder);
        File.Delete(marker);
    }

    static string List(IEnumerable<string> files) => string.Join(", ", files.Order(StringComparer.Ordinal).Select(DuckDb.Text));

    public async ValueTask DisposeAsync()
    {
        _sealed.Writer.TryComplete();
        await _worker;
    }
}
