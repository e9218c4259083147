using System.Collections.Frozen;
using System.Text;

namespace Takt.Storage.Packs;

/// <summary>
/// The project's bytes: packs of chunks for the files of datasets, whole files for all that is put one by one. Content is found by its id wherever it lies.
/// </summary>
/// <remarks>
/// Rows say which packs there are; what lies in them stands in their indexes. Safe for concurrent use, also by several processes and machines.
/// </remarks>
public sealed class PackStore : IBlobStore, IDisposable
{
    internal static readonly TimeSpan HeartbeatEvery = TimeSpan.FromMinutes(1);

    /// <summary>A lease whose process has not been heard of for so long is over.</summary>
    internal static readonly TimeSpan LeaseLife = TimeSpan.FromMinutes(10);

    static readonly TimeSpan QuarantineView = TimeSpan.FromSeconds(5);

    /// <summary>How much of packed files is kept as local copies for <see cref="LocalFile"/>, in bytes; the oldest go first.</summary>
    const long MostCopies = 4L << 30;

    readonly TimeProvider _time;
    readonly SmallBlobs _small;
    readonly Lock _loading = new();
    readonly Lazy<StoreConfig> _config;
    Pack[]? _packs;
    string? _stamp;
    FrozenSet<ContentId> _lost = [];
    FrozenSet<Digest> _looseQuarantine = [];
    long _looseViewedAt = long.MinValue;

    /// <param name="whole">Where whole blobs are, and the packs beside them: it must be an <see cref="IObjectStore"/> as well.</param>
    public PackStore(IBlobStore whole, Database database, TimeProvider time)
    {
        Whole = _small = new SmallBlobs(whole, database, time);
        Objects = _small;
        Database = database;
        _time = time;
        _config = new Lazy<StoreConfig>(ReadConfig);
        Reader = new BlobReader(id => TryFind(id), Whole);
    }

    /// <summary>Whole blobs, the small ones that are rows among them.</summary>
    internal IBlobStore Whole { get; }

    /// <summary>Whether small content that is put with a name becomes a row. Not beside a bucket: there everything is to be found in the bucket, and can be read past the server.</summary>
    public bool SmallInRows { get; init; }

    internal IObjectStore Objects { get; }

    internal Database Database { get; }

    internal DateTimeOffset Now => _time.GetUtcNow();

    public StoreConfig Config => _config.Value;

    /// <inheritdoc cref="IObjectStore.Scratch"/>
    public string Scratch => Objects.Scratch;

    public BlobReader Reader { get; }

    /// <summary>Opens a session to add content by. A lease protects what it finds here until it ends.</summary>
    public async Task<StoreWriter> Begin(string purpose)
    {
        var lease = Guid.NewGuid().ToString("N");
        await Database.Write(session => PackTable.Begin(session, lease, purpose, Now));
        RefreshIfChanged(); // what is there from now on stays; what another process removed before must not be found
        return new StoreWriter(this, lease);
    }

    /// <summary>Asks whether the place of the bytes answers, and nothing else.</summary>
    /// <exception cref="TaktException">Unavailable, Denied: it does not.</exception>
    public async Task Probe(CancellationToken cancel = default)
    {
        await foreach (var _ in Objects.Objects("probe/", cancel)) break;
    }

    public Task<Blob> Put(Stream content, CancellationToken cancel = default) => Revived(Whole.Put(content, cancel));

    /// <summary>Stores all that <paramref name="content"/> still holds and writes the rows that name it; small content with them in one commit. On return both survive power loss.</summary>
    /// <param name="name">As <see cref="Database.Write{T}"/> has it: short, and nothing but rows.</param>
    public async Task<Blob> Put(Stream content, Action<SqlSession, Blob> name, CancellationToken cancel = default)
    {
        if (SmallInRows) return await Revived(_small.Put(content, name, cancel));
        var blob = await Put(content, cancel);
        await Database.Write(session => name(session, blob));
        return blob;
    }

    /// <summary>A file in <see cref="Scratch"/>, whose content has been hashed, becomes the store's own; it is not copied. On return it survives power loss.</summary>
    public async Task Adopt(string file, Blob blob, CancellationToken cancel = default)
    {
        await Objects.Publish(PackFormat.LooseName(ContentId.From(blob.Id)), file, cancel);
        await Revive(blob.Id);
    }

    public async Task<Stream> Open(Digest id, CancellationToken cancel = default)
    {
        await Revive(id);
        return await Reader.Open(ContentId.From(id), cancel);
    }

    public async Task<long?> Length(Digest id, CancellationToken cancel = default)
    {
        await Revive(id);
        return await Reader.Length(ContentId.From(id), cancel);
    }

    /// <inheritdoc/>
    /// <remarks>A packed file is copied out, into a folder that is gone with the process.</remarks>
    public async Task<string> LocalFile(Digest id, CancellationToken cancel = default)
    {
        var content = ContentId.From(id);
        if (Reader.IsLoose(content))
        {
            await Revive(id);
            return await Whole.LocalFile(id, cancel);
        }
        var folder = Path.Combine(Scratch, "copies");
        var file = Path.Combine(folder, id.Hex);
        if (File.Exists(file)) return file;
        Directory.CreateDirectory(folder);
        var length = await Reader.Length(content, cancel);
        MakeRoom(folder, MostCopies - length!.Value);
        var tmp = $"{file}.{Guid.NewGuid():N}";
        Reader.CopyTo(content, tmp);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(tmp, UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        File.Move(tmp, file, overwrite: true);
        return file;
    }

    /// <inheritdoc/>
    /// <remarks>Of a packed blob, the packs that hold it are written anew without it, at once: for content that must not be kept. Versions that need it are broken then.</remarks>
    public async Task Delete(Digest id, CancellationToken cancel = default)
    {
        var content = ContentId.From(id);
        foreach (var pack in Packs().Where(pack => pack.Index.Find(content) >= 0).ToList()) await PackRewrite.Without(this, pack, content, cancel);
        await Whole.Delete(id, cancel);
    }

    public async IAsyncEnumerable<Blob> List([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancel = default)
    {
        var seen = new HashSet<ContentId>();
        foreach (var pack in Packs())
            for (var i = 0; i < pack.Index.Count; i++)
                if (pack.Index[i] is var entry && seen.Add(entry.Id))
                    yield return new Blob(entry.Id.Digest, entry.Kind == RecordKind.Bytes ? entry.Length : (await Length(entry.Id.Digest, cancel))!.Value);
        await foreach (var blob in Whole.List(cancel))
            if (!seen.Contains(ContentId.From(blob.Id))) yield return blob;
    }

    /// <summary>All packs, those that are live first, the newest first.</summary>
    internal Pack[] Packs() => _packs ?? Refresh();

    /// <summary>Reads again which packs there are.</summary>
    internal Pack[] Refresh()
    {
        lock (_loading)
        {
            var known = (_packs ?? []).ToDictionary(pack => pack.Id);
            (_stamp, var rows) = Database.Read(session => (PackTable.Stamp(session), PackTable.Packs(session)));
            var packs = new List<Pack>(rows.Count);
            List<string>? faults = null;
            var damaged = new List<ContentId>();
            foreach (var (id, quarantined) in rows)
            {
                try
                {
                    if (_lost.Contains(id)) throw TaktException.Invalid(LostWords(id));
                    if (!known.TryGetValue(id, out var pack) || pack.IsGone) pack = OpenPack(id);
                    pack.Quarantined = quarantined;
                    packs.Add(pack);
                }
                catch (TaktException e)
                {
                    if (e.Error != TaktError.NotSupported) damaged.Add(id); // of another Takt's making is no damage
                    (faults ??= []).Add(e.Message); // the others can still be read; what only this one holds is reported missing
                }
            }
            (DamagedPacks, DamagedIds) = (faults ?? [], damaged);
            return _packs = [.. packs];
        }
    }

    /// <summary>Packs that rows name and that are gone or of another length, in words, unless others hold all of it by now; nothing is found in them from now on, until a later look finds them. One listing.</summary>
    internal async Task<IReadOnlyList<string>> Lost(CancellationToken cancel)
    {
        var rows = Database.Read(PackTable.Lengths); // before the listing: packs are there before their rows
        var there = new Dictionary<string, long>(StringComparer.Ordinal);
        await foreach (var file in Objects.Objects("packs/", cancel)) there[file.Name] = file.Length;
        var lost = rows.Where(row => !there.TryGetValue(PackFormat.PackName(row.Id), out var length) || length != row.Bytes).Select(row => row.Id).ToFrozenSet();
        var changed = !lost.SetEquals(_lost);
        _lost = lost;
        if (changed) Refresh();
        return lost.Where(id => !IsElsewhere(id)).Select(LostWords).ToList();
    }

    // whether all that a lost pack held is in others by now: it was sent again
    bool IsElsewhere(ContentId lost)
    {
        try
        {
            using var index = PackIndex.Open(Objects.LocalFile(PackFormat.IndexName(lost)).GetAwaiter().GetResult());
            return index.Entries().All(entry => TryFind(entry.Id, refresh: false) is not null);
        }
        catch (TaktException)
        {
            return false;
        }
    }

    /// <summary>Before a pack comes: what is left of a lost one of its name is removed, as what is there under a name stays.</summary>
    internal async Task MakeWay(ContentId id, CancellationToken cancel)
    {
        if (!_lost.Contains(id)) return;
        await Objects.Remove(PackFormat.IndexName(id), cancel);
        await Objects.Remove(PackFormat.PackName(id), cancel);
        _lost = _lost.Where(other => other != id).ToFrozenSet();
    }

    static string LostWords(ContentId id) => $"'{PackFormat.PackName(id)}' is lost or cut short; 'takt data verify --repair' there takes it off the list";

    /// <summary>Before many look-ups that would each ask for packs of others.</summary>
    internal void RefreshIfChanged()
    {
        if (_packs is null || PacksChanged()) Refresh();
    }

    /// <summary>The packs that rows name and that could not be opened, in words; what only they hold can't be read.</summary>
    internal IReadOnlyList<string> DamagedPacks { get; private set; } = [];

    internal IReadOnlyList<ContentId> DamagedIds { get; private set; } = [];

    /// <param name="refresh">Look again for packs of others when nothing is found.</param>
    internal PackHit? TryFind(ContentId id, bool refresh = true)
    {
        if (Find(Packs()) is { } hit) return Revived(hit);
        return refresh && (PacksChanged() || Array.Exists(Packs(), pack => pack.IsGone)) && Find(Refresh()) is { } late ? Revived(late) : null;

        PackHit? Find(Pack[] packs)
        {
            foreach (var pack in packs)
                if (!pack.IsGone && pack.Index.Find(id) is >= 0 and var at) return new PackHit(pack, pack.Index[at]);
            return null;
        }
    }

    internal Task Beat(string lease) => Database.Write(session => PackTable.Beat(session, lease, Now));

    internal Task End(string lease) => Database.Write(session => PackTable.End(session, lease));

    public void Dispose()
    {
        foreach (var pack in _packs ?? []) pack.Dispose();
        (Whole as IDisposable)?.Dispose();
    }

    bool PacksChanged() => Database.Read(PackTable.Stamp) != _stamp;

    Pack OpenPack(ContentId id)
    {
        string place() => Objects.LocalFile(PackFormat.PackName(id)).GetAwaiter().GetResult();
        PackIndex index;
        try
        {
            index = PackIndex.Open(Objects.LocalFile(PackFormat.IndexName(id)).GetAwaiter().GetResult());
            if (index.Pack != id)
            {
                index.Dispose();
                throw TaktException.Invalid("another pack's index");
            }
        }
        catch (TaktException e) when (e.Error is TaktError.NotFound or TaktError.Invalid)
        {
            // lost or damaged: the pack knows all of it
            var tmp = Path.Combine(Scratch, Guid.NewGuid().ToString("N") + ".idx");
            PackFormat.WriteIndex(tmp, id, Pack.ReadFooter(place(), id));
            Objects.Remove(PackFormat.IndexName(id)).GetAwaiter().GetResult();
            Objects.Publish(PackFormat.IndexName(id), tmp).GetAwaiter().GetResult();
            index = PackIndex.Open(Objects.LocalFile(PackFormat.IndexName(id)).GetAwaiter().GetResult());
        }
        return new Pack(place, index);
    }

    PackHit Revived(PackHit hit)
    {
        if (!hit.Pack.Quarantined) return hit;
        hit.Pack.Quarantined = false;
        Database.Write(session => session.Execute($"update pack set state = {PackTable.Live} where id = {hit.Pack.Id.Digest}")).GetAwaiter().GetResult();
        return hit;
    }

    async Task<Blob> Revived(Task<Blob> put)
    {
        var blob = await put;
        await Revive(blob.Id);
        return blob;
    }

    // who reads or puts a blob in quarantine wants it kept
    async ValueTask Revive(Digest id)
    {
        var now = Environment.TickCount64;
        if (now - _looseViewedAt > QuarantineView.TotalMilliseconds || _looseViewedAt == long.MinValue)
        {
            _looseQuarantine = Database.Read(PackTable.LooseQuarantine).ToFrozenSet();
            _looseViewedAt = now;
        }
        if (!_looseQuarantine.Contains(id)) return;
        await Database.Write(session => PackTable.ReviveLoose(session, id));
        _looseViewedAt = long.MinValue;
    }

    StoreConfig ReadConfig()
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                var file = Objects.LocalFile(StoreConfig.Name).GetAwaiter().GetResult();
                return StoreConfig.Parse(File.ReadAllText(file), file);
            }
            catch (TaktException e) when (e.Error == TaktError.NotFound && attempt == 0)
            {
                var tmp = Path.Combine(Scratch, Guid.NewGuid().ToString("N"));
                using (var file = File.OpenHandle(tmp, FileMode.CreateNew, FileAccess.Write)) RandomAccess.Write(file, Encoding.UTF8.GetBytes(StoreConfig.New().Text), 0);
                Objects.Publish(StoreConfig.Name, tmp).GetAwaiter().GetResult(); // another process may have been first: then its config counts
            }
        }
    }

    static void MakeRoom(string folder, long most)
    {
        var copies = new DirectoryInfo(folder).GetFiles().OrderByDescending(file => file.LastWriteTimeUtc).ToList();
        foreach (var file in copies)
            if ((most -= file.Length) < 0) file.Delete();
    }
}
