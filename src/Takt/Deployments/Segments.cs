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
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(0.5), Later = TimeSpan.FromSeconds(30);

    readonly string _folder;
    readonly Channel<(string? Journal, List<TaskCompletionSource> Waiting)> _sealed = Channel.CreateUnbounded<(string?, List<TaskCompletionSource>)>(new() { SingleReader = true });
    readonly SortedSet<string> _open = new(StringComparer.Ordinal); // journals that are to be segments: those that a disk refused are tried again
    readonly Lock _files = new();
    readonly Task _worker, _sharing = Task.CompletedTask;
    readonly SharedLog? _shared;
    readonly string _endpoint;
    readonly SemaphoreSlim _toShare = new(0);
    readonly CancellationTokenSource _closing = new();
    readonly HashSet<string> _known = new(StringComparer.Ordinal); // published; guarded by _files
    Dictionary<string, LocalSegment> _facts = new(StringComparer.Ordinal); // by file; replaced, never changed
    string? _fault, _sharingFault;
    int _readers;

    /// <param name="shared">Where the segments of all servers are; null: this folder is all that there is.</param>
    public Segments(string folder, SharedLog? shared = null)
    {
        _folder = folder;
        _endpoint = Path.GetFileName(folder);
        _shared = shared;
        FinishMerges();
        foreach (var tmp in Directory.GetFiles(folder, "*.tmp")) File.Delete(tmp);
        _open.UnionWith(Directory.GetFiles(folder, "*.journal")); // of a process that is gone; a segment that was being written is made again
        if (_open.Count > 0) Add(null, []);
        _worker = Task.Factory.StartNew(Work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap();
        if (shared is not null) _sharing = Task.Run(Share);
    }

    /// <summary>Why a journal could not be made a segment; null when all are.</summary>
    public string? Fault => Volatile.Read(ref _fault);

    /// <param name="journal">Sealed; null: none, only tell <paramref name="waiting"/> when those before are done.</param>
    public void Add(string? journal, List<TaskCompletionSource> waiting) => _sealed.Writer.TryWrite((journal, waiting));

    /// <summary>Files that other servers can't read yet, and how large they are together; none where nothing is shared.</summary>
    public (int Files, long Bytes) Unshared
    {
        get
        {
            if (_shared is null) return default;
            lock (_files) return Local().Where(file => !_known.Contains(Path.GetFileNameWithoutExtension(file))).Aggregate((0, 0L), (sum, file) => (sum.Item1 + 1, sum.Item2 + new FileInfo(file).Length));
        }
    }

    /// <summary>Why segments could not be given to the other servers; null when all are.</summary>
    public string? SharingFault => Volatile.Read(ref _sharingFault);

    public async Task<DuckDBConnection?> Open(LogRange range, CancellationToken cancel)
    {
        List<(string Name, string File)> files;
        lock (_files)
        {
            files = [.. Local().Select(file => (Path.GetFileNameWithoutExtension(file), file))];
            _readers++; // nobody takes a file away from now on
        }
        DuckDBConnection? connection = null;
        try
        {
            IReadOnlyList<SharedSegment> published = [];
            if (_shared is not null)
            {
                // here first, then the rows: what is published in between is in both, and known by its name
                (published, var known) = _shared.Find(_endpoint, files.ConvertAll(f => f.Name));
                files.RemoveAll(f => known.Contains(f.Name));
            }
            if (range != LogRange.All)
            {
                var wanted = range.Of([.. Facts(files.ConvertAll(f => f.File)), .. published]);
                (files, published) = ([.. wanted.OfType<LocalSegment>().Select(s => (s.Name, s.File))], [.. wanted.OfType<SharedSegment>()]);
            }
            if (published.Count > 0) files.AddRange(await _shared!.Fetch(published, cancel));
            connection = SegmentViews.Open(files);
            if (connection is not null) connection.Disposed += (_, _) => Left();
            return connection;
        }
        finally
        {
            if (connection is null) Left();
        }

        void Left()
        {
            lock (_files) _readers--;
        }
    }

    /// <summary>Of files that nobody takes away meanwhile. Each is looked into once: of one that a merge has put in the place of another the length is another.</summary>
    IEnumerable<LocalSegment> Facts(List<string> files)
    {
        var (before, now) = (Volatile.Read(ref _facts), new Dictionary<string, LocalSegment>(StringComparer.Ordinal));
        var news = files.FindAll(file => !(before.TryGetValue(file, out var known) && known.Bytes == new FileInfo(file).Length && now.TryAdd(file, known)));
        if (news.Count == 0) return now.Values;
        foreach (var (file, (kind, rows, received, time)) in news.Zip(SegmentFacts.Of(news))) now[file] = new(file, new FileInfo(file).Length, Path.GetFileNameWithoutExtension(file), kind, rows, received, time);
        Volatile.Write(ref _facts, now);
        return now.Values;
    }

    IEnumerable<string> Local() => Directory.GetFiles(_folder, "*.parquet");

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
            _toShare.Release();
            // what the others read is merged there; and of a journal that is tried again some rows may be in a file already: merged with others under its name, they would be lost, or be there twice
            if (_shared is not null || failed is not null) continue;
            try
            {
                Merge("predictions-");
                Merge("labels-");
                Merge("keyed-");
                Merge("keys-");
                Merge("shadows-");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or TaktException or DuckDBException)
            {
                Volatile.Write(ref _fault, $"segments in {_folder} can't be merged: {e.Message}"); // all rows are there all the same
            }
        }
    }

    /// <summary>Gives finished files to the other servers; those that can't be given now wait here, and are tried again.</summary>
    async Task Share()
    {
        var patience = Soon;
        while (true)
        {
            var closing = _closing.IsCancellationRequested;
            Exception? failed = null;
            foreach (var file in Local().Order(StringComparer.Ordinal))
                try
                {
                    if (!IsKnown(file)) await _shared!.Publish(_endpoint, file);
                    lock (_files)
                    {
                        _known.Add(Path.GetFileNameWithoutExtension(file));
                        if (_readers > 0) continue; // somebody reads it: next time
                        File.Delete(file);
                        _known.Remove(Path.GetFileNameWithoutExtension(file));
                    }
                }
                catch (Exception e) when (e is not OutOfMemoryException)
                {
                    failed = e;
                    if (e is TaktException { Error: TaktError.Unavailable }) break; // the others would not come through either
                }
            try
            {
                if (failed is null && !closing) await _shared!.Merge(_endpoint, Path.Combine(_folder, "merging"));
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                failed = e;
            }
            Volatile.Write(ref _sharingFault, failed?.Message);
            if (closing) return; // what is left is published after the next start
            patience = failed is null ? Soon : TimeSpan.FromSeconds(Math.Min(patience.TotalSeconds * 2, 30));
            try
            {
                await _toShare.WaitAsync(failed is null ? Later : patience, _closing.Token);
                while (_toShare.Wait(0)) { }
            }
            catch (OperationCanceledException)
            {
                // once more, then no more
            }
        }

        bool IsKnown(string file)
        {
            lock (_files) return _known.Contains(Path.GetFileNameWithoutExtension(file));
        }
    }

    /// <summary>Merges the first run of small files of the same columns that is long enough.</summary>
    void Merge(string prefix)
    {
        var run = new List<string>();
        var (bytes, columns) = (0L, "");
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
        using var connection = DuckDb.Open(threads: 1);
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
        Tables.WriteParquet(connection, $"select * from read_parquet([{List(alike)}]){Order(prefix.TrimEnd('-'))}", last + ".merged.tmp", tmp, groupRows: SegmentWriter.RowsOfGroup); // renamed to .merged.tmp: whole and synced
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

    /// <summary>What a merged segment of the kind is sorted by: an index, so that a key is sought in few of its row groups.</summary>
    internal static string Order(string kind) => kind == "keys" ? " order by key, time" : "";

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
        await _closing.CancelAsync();
        await _sharing;
        _closing.Dispose();
        _toShare.Dispose();
    }
}
