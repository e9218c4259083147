using System.Collections.Concurrent;
using System.IO.Hashing;

namespace Takt.Storage.Packs;

/// <summary>
/// One session that brings content into the store: packs of its own, which nobody sees before <see cref="Commit"/>. Several may be open at once, in one or
/// many processes; what two of them store twice does no harm. Not safe for concurrent use, except <see cref="Known"/>, and <see cref="Reader"/> while nothing is added.
/// </summary>
public sealed class StoreWriter : IAsyncDisposable
{
    readonly PackStore _store;
    readonly string _lease;
    readonly string _folder;
    readonly Timer _heartbeat;
    readonly List<OwnPack> _own = [];
    readonly HashSet<ContentId> _currentIds = [];
    readonly Lock _finding = new();
    readonly ConcurrentDictionary<Pack, bool> _reliedOn = new();
    readonly ConcurrentDictionary<Digest, bool> _looseReliedOn = new();
    PackWriter? _current;
    long _looseBytes;

    internal StoreWriter(PackStore store, string lease)
    {
        (_store, _lease) = (store, lease);
        _folder = Path.Combine(store.Scratch, lease);
        Directory.CreateDirectory(_folder);
        Reader = new BlobReader(Find, store.Whole);
        _heartbeat = new Timer(_ => _ = store.Beat(_lease), null, PackStore.HeartbeatEvery, PackStore.HeartbeatEvery);
    }

    sealed class OwnPack(SealedPack pack, Pack open, Task synced)
    {
        public SealedPack Sealed { get; } = pack;
        public Pack Open { get; } = open;
        public Task Synced { get; } = synced;
        public bool Published { get; set; }
    }

    public StoreConfig Config => _store.Config;

    /// <summary>Reads what the store has and what this session has added.</summary>
    public BlobReader Reader { get; }

    /// <summary>How many bytes this session has added since it began or committed: its packs, and whole files that were not there.</summary>
    public long StoredBytes => _own.Sum(pack => pack.Sealed.Length) + (_current?.Length ?? 0) + _looseBytes;

    /// <summary>Whether the store has it, committed; the session relies on it from now on. Safe for concurrent use.</summary>
    public bool Known(ContentId id)
    {
        if (_store.TryFind(id, refresh: false) is { } hit)
        {
            _reliedOn.TryAdd(hit.Pack, true);
            return true;
        }
        foreach (var own in _own)
            if (own.Open.Index.Find(id) >= 0) return true;
        return false;
    }

    /// <summary>Whether it is there with every chunk of it, also as a whole file of its own; the session relies on it from now on.</summary>
    public bool Has(ContentId id)
    {
        if (_currentIds.Contains(id)) return true;
        if (Known(id)) return _store.TryFind(id, refresh: false) is not { Entry.Kind: RecordKind.ChunkList } list || HasChunks(ChunkList.Parse(list.Read(), id));
        if (_store.Whole.Length(id.Digest).GetAwaiter().GetResult() is null) return false;
        _looseReliedOn[id.Digest] = true;
        return true;
    }

    /// <summary>Stores content of at most <see cref="PackFormat.LargestRecord"/> bytes as one record.</summary>
    public ContentId Add(ReadOnlySpan<byte> content)
    {
        var id = ContentId.Of(content);
        Add(id, RecordKind.Bytes, content);
        return id;
    }

    internal void Add(ContentId id, RecordKind kind, ReadOnlySpan<byte> content)
    {
        if (_currentIds.Contains(id) || Known(id)) return;
        var buffer = System.Buffers.ArrayPool<byte>.Shared.Rent(Math.Max(content.Length, 1));
        var compressed = Zstd.Mine.Compress(content, buffer);
        var stored = compressed < 0 ? content : buffer.AsSpan(0, compressed);
        Append(id, kind, stored, content.Length, compressed >= 0, XxHash128.HashToUInt128(stored));
        System.Buffers.ArrayPool<byte>.Shared.Return(buffer);
    }

    /// <summary>Stores a record as another store has it, when it is new here.</summary>
    internal void Add(in StoredRecord record)
    {
        if (!_currentIds.Contains(record.Id) && !Known(record.Id)) Append(record.Id, record.Kind, record.Stored.Span, record.Length, record.Zstd, record.Checksum);
    }

    /// <summary>Stores the pieces of a prepared batch that are new.</summary>
    internal void Add(RecordBatch batch)
    {
        foreach (ref readonly var piece in batch.Pieces)
            if (!piece.Known && !_currentIds.Contains(piece.Id) && !KnownOwn(piece.Id))
                Append(piece.Id, RecordKind.Bytes, batch.Stored(piece), piece.Length, piece.Zstd, piece.Checksum);
    }

    /// <summary>A whole file of its own beside the packs: for what is to be memory-mapped.</summary>
    public async Task<Blob> AddLoose(Stream content, CancellationToken cancel = default)
    {
        var blob = await _store.Whole.Put(content, cancel);
        _looseReliedOn[blob.Id] = true;
        if (!blob.WasThere) _looseBytes += blob.Length;
        return blob;
    }

    /// <summary>As <see cref="AddLoose(Stream, CancellationToken)"/>, of a file that becomes the store's own. What is in it has been compared with its id.</summary>
    internal async Task AddLoose(ContentId id, string file, CancellationToken cancel)
    {
        await _store.Objects.Publish(PackFormat.LooseName(id), file, cancel);
        File.Delete(file); // when it was there already
        _looseReliedOn[id.Digest] = true;
    }

    /// <summary>
    /// Makes all that was added durable and visible, and the rows of <paramref name="work"/> with it: all or nothing. When the work throws, the session stays
    /// open and may be committed again.
    /// </summary>
    /// <exception cref="TaktException">Conflict: what the session relied on was removed meanwhile. Unavailable: the disk is full. And what the work throws.</exception>
    public async Task<T> Commit<T>(Func<SqlSession, T> work, CancellationToken cancel = default)
    {
        SealCurrent();
        foreach (var own in _own.Where(own => !own.Published))
        {
            await own.Synced;
            CrashPoint.Pass("pack.synced");
            await _store.Objects.Publish(PackFormat.PackName(own.Sealed.Id), own.Sealed.PackFile, cancel);
            CrashPoint.Pass("pack.published");
            await _store.Objects.Publish(PackFormat.IndexName(own.Sealed.Id), own.Sealed.IndexFile, cancel);
            CrashPoint.Pass("index.published");
            own.Published = true;
        }
        var result = await _store.Database.Write(session =>
        {
            foreach (var pack in _reliedOn.Keys) PackTable.RelyOn(session, pack.Id);
            foreach (var loose in _looseReliedOn.Keys) PackTable.ReviveLoose(session, loose);
            foreach (var own in _own) PackTable.Add(session, own.Sealed, _store.Now);
            return work(session);
        });
        CrashPoint.Pass("commit.done");
        foreach (var loose in _looseReliedOn.Keys)
            if (await _store.Whole.Length(loose, cancel) is null) throw TaktException.Conflict($"{loose} was removed from the store meanwhile; try again");
        foreach (var own in _own) own.Open.Dispose(); // before the store maps the same indexes: 12 MiB each when records are small
        _own.Clear();
        _store.Refresh();
        _looseBytes = 0;
        return result;
    }

    public Task Commit(Action<SqlSession> work, CancellationToken cancel = default) => Commit(session => { work(session); return true; }, cancel);

    public async ValueTask DisposeAsync()
    {
        await _heartbeat.DisposeAsync();
        _current?.Dispose();
        foreach (var own in _own)
        {
            await own.Synced.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default); // whatever came of it
            own.Open.Dispose();
        }
        Directory.Delete(_folder, recursive: true);
        await _store.End(_lease);
    }

    /// <summary>The chunks of a file that the store has; empty when it has not, or not in chunks.</summary>
    internal IReadOnlyList<(ContentId Id, long Length)> ChunksOf(ContentId file)
    {
        try
        {
            return _store.TryFind(file, refresh: false) is { Entry.Kind: RecordKind.ChunkList } list ? _store.Reader.Chunks(ChunkList.Parse(list.Read(), file)).ToList() : [];
        }
        catch (TaktException)
        {
            return []; // damaged; verify tells
        }
    }

    // a list may outlive its chunks: damage that was taken out, or garbage in another pack
    bool HasChunks(ChunkList list)
    {
        foreach (var item in list.Items)
            if (!Known(item.Id) || (list.OfLists && !HasChunks(ChunkList.Parse(Find(item.Id)!.Value.Read(), item.Id)))) return false;
        return true;
    }

    bool KnownOwn(ContentId id)
    {
        foreach (var own in _own)
            if (own.Open.Index.Find(id) >= 0) return true;
        return false;
    }

    void Append(in ContentId id, RecordKind kind, ReadOnlySpan<byte> stored, int length, bool zstd, UInt128 checksum)
    {
        try
        {
            _current ??= new PackWriter(_folder);
            _current.Add(id, kind, stored, length, zstd, checksum);
            _currentIds.Add(id);
            CrashPoint.Pass("record.added");
            if (_current.IsFull) SealCurrent();
        }
        catch (Exception e) when (StorageFaults.Of(e, _store.Scratch) is { } known)
        {
            throw known;
        }
    }

    void SealCurrent()
    {
        if (_current is null) return;
        try
        {
            var pack = _current.Seal();
            var open = new Pack(() => pack.PackFile, PackIndex.Open(pack.IndexFile));
            _current.Dispose();
            _current = null;
            _currentIds.Clear();
            CrashPoint.Pass("pack.sealed");
            var synced = Task.Run(() =>
            {
                Files.Sync(pack.PackFile);
                Files.Sync(pack.IndexFile);
            });
            _own.Add(new OwnPack(pack, open, synced));
        }
        catch (Exception e) when (StorageFaults.Of(e, _store.Scratch) is { } known)
        {
            throw known;
        }
    }

    PackHit? Find(ContentId id)
    {
        lock (_finding) // of two readers one seals
        {
            if (_currentIds.Contains(id)) SealCurrent();
            foreach (var own in _own)
                if (own.Open.Index.Find(id) is >= 0 and var at) return new PackHit(own.Open, own.Open.Index[at]);
        }
        return _store.TryFind(id);
    }
}
