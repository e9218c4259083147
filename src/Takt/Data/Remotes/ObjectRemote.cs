using System.Collections;
using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Data.Remotes;

/// <summary>A folder or bucket as remote: packs and whole files as in every store, and for each move of a ref a small object that is made once and never changed.</summary>
/// <remarks>
/// <c>refs/DATASET/branch/NAME/0000000012</c> is the ref's 12th move; the one with the highest number counts. Compare-and-swap is that of two who make the same
/// number one fails, which folders and S3 both can do. A version is known here when a move lists it, and moves come after all content.
/// </remarks>
/// <param name="memory">A file of this machine that remembers which packs were there after the last push; null: none does.</param>
public sealed class ObjectRemote(IBlobStore whole, string place, string? memory = null) : Remote
{
    const int RangesAtOnce = 8;
    const int Gap = 64 << 10, LargestRange = 8 << 20;

    readonly IObjectStore _objects = whole as IObjectStore ?? throw new ArgumentException("a remote needs a store of objects", nameof(whole));
    readonly ConcurrentDictionary<string, Entry> _entries = new();
    readonly HashSet<ContentId> _sent = [];
    readonly Dictionary<string, PackIndex?> _indexes = [];
    readonly Dictionary<string, string> _unread = []; // indexes that could not be read, and why
    readonly Dictionary<string, string> _lost = []; // packs that are not there as they should be, and why
    readonly List<PackIndex> _usable = [];
    Dictionary<string, long> _packs = []; // their files, at the last look, and how long they are
    bool _indexesKnown;

    sealed record Entry(string Dataset, string Name, bool IsTag, long Step, Digest? After, IReadOnlyList<DatasetCommit> Commits);

    public override string Place => place;

    internal override string Scratch => _objects.Scratch;

    /// <summary>Packs that are not there as they should be, in words; what only they hold can't be found.</summary>
    internal IReadOnlyList<string> Damaged => [.. _unread.Values, .. _lost.Values];

    public override async Task<IReadOnlyList<RemoteRef>> Refs(string? dataset, CancellationToken cancel) =>
        (await Entries(dataset, cancel)).GroupBy(entry => (entry.Dataset, entry.IsTag, entry.Name)).Select(group => group.MaxBy(entry => entry.Step)!)
            .Where(entry => entry.After is not null).Select(entry => new RemoteRef(entry.Dataset, entry.Name, entry.IsTag, entry.After!.Value, entry.Step)).OrderBy(entry => entry.Dataset, StringComparer.Ordinal).ThenBy(entry => entry.Name, StringComparer.Ordinal).ToList();

    internal override async Task<IReadOnlyList<DatasetCommit>> History(string dataset, IReadOnlyCollection<Digest> from, Func<Digest, bool> known, CancellationToken cancel)
    {
        var all = Known(await Entries(dataset, cancel));
        return ParentsFirst(from, all, known);
    }

    internal override async Task<HashSet<Digest>> Commits(string dataset, IReadOnlyCollection<Digest> ids, CancellationToken cancel) =>
        Known(await Entries(dataset, cancel)) is var all ? [.. ids.Where(all.ContainsKey)] : [];

    internal override async Task<BitArray> Has(IReadOnlyList<ContentId> ids, CancellationToken cancel)
    {
        var indexes = await Indexes(cancel);
        var has = new BitArray(ids.Count);
        for (var i = 0; i < ids.Count; i++) has[i] = _sent.Contains(ids[i]) || indexes.Any(index => index.Find(ids[i]) >= 0);
        return has;
    }

    internal override async Task Get(IReadOnlyCollection<ContentId> ids, Action<StoredRecord> found, CancellationToken cancel)
    {
        var indexes = await Indexes(cancel);
        var wanted = new Dictionary<PackIndex, List<PackEntry>>();
        foreach (var id in ids)
            foreach (var index in indexes)
                if (index.Find(id) is >= 0 and var at)
                {
                    if (!wanted.TryGetValue(index, out var list)) wanted[index] = list = [];
                    list.Add(index[at]);
                    break;
                }
        var ranges = new List<(ContentId Pack, List<PackEntry> Entries)>();
        foreach (var (index, list) in wanted)
        {
            list.Sort((a, b) => a.Offset.CompareTo(b.Offset));
            List<PackEntry>? range = null;
            foreach (var entry in list)
            {
                if (range is null || entry.Offset - End(range[^1]) > Gap || End(entry) - range[0].Offset > LargestRange) ranges.Add((index.Pack, range = []));
                range.Add(entry);
            }
        }
        var faults = new ConcurrentBag<string>();
        var one = new Lock();
        await Parallel.ForEachAsync(ranges, new ParallelOptions { MaxDegreeOfParallelism = RangesAtOnce, CancellationToken = cancel }, async (range, token) =>
        {
            var name = PackFormat.PackName(range.Pack);
            var start = range.Entries[0].Offset;
            var bytes = new byte[checked((int)(End(range.Entries[^1]) - start))];
            try
            {
                await _objects.Read(name, start, bytes, token);
            }
            catch (TaktException e) when (e.Error is TaktError.NotFound or TaktError.Invalid)
            {
                faults.Add($"{place}: {e.Message}");
                return;
            }
            foreach (var entry in range.Entries)
            {
                try
                {
                    var record = StoredRecord.Check(entry.Id, bytes.AsMemory((int)(entry.Offset - start), (int)(PackFormat.RecordHead + entry.Stored)), entry.Length);
                    lock (one) found(record);
                }
                catch (TaktException e) when (e.Error == TaktError.Invalid)
                {
                    faults.Add($"'{name}' at {place} is damaged at byte {entry.Offset}: {e.Message}");
                }
            }
        });
        if (!faults.IsEmpty) throw new TaktException(TaktError.Invalid, [.. faults.Order(StringComparer.Ordinal).Take(20), .. faults.Count > 20 ? [$"and {faults.Count - 20:N0} more"] : Array.Empty<string>()]);
    }

    internal override async Task<(Stream Content, long Length)?> GetWhole(ContentId id, long from, CancellationToken cancel) =>
        await whole.Length(id.Digest, cancel) is { } length ? (new RangeStream(_objects, PackFormat.LooseName(id), from, length), length) : null;

    internal override async Task<IReadOnlyList<string>?> Lost(CancellationToken cancel)
    {
        _indexesKnown = false;
        await Indexes(cancel);
        if (memory is null || !File.Exists(memory)) return Damaged.Count > 0 ? Damaged : null;
        var (there, gone) = (await Listed(_packs, cancel), new List<string>());
        foreach (var line in await File.ReadAllLinesAsync(memory, cancel))
            if (line.Split(' ', 2) is [var length, var name] && !_lost.ContainsKey(name) && !_unread.ContainsKey(name) && (!there.TryGetValue(name, out var now) || now.ToString(CultureInfo.InvariantCulture) != length))
                gone.Add($"{place} has lost '{name}'");
        return [.. Damaged, .. gone];
    }

    internal override async Task Remember(CancellationToken cancel)
    {
        if (memory is null) return;
        Directory.CreateDirectory(Path.GetDirectoryName(memory)!);
        Files.WriteAtomically(memory, string.Concat((await Listed(await Listed([], cancel, "packs/"), cancel)).Select(file => string.Create(CultureInfo.InvariantCulture, $"{file.Value} {file.Key}\n"))));
    }

    async Task<Dictionary<string, long>> Listed(Dictionary<string, long> others, CancellationToken cancel, string prefix = "loose/")
    {
        var there = new Dictionary<string, long>(others, StringComparer.Ordinal);
        await foreach (var file in _objects.Objects(prefix, cancel)) there[file.Name] = file.Length;
        return there;
    }

    internal override async Task Put(SealedPack pack, CancellationToken cancel)
    {
        // what is there under a name stays: what is broken of it makes room
        foreach (var name in (string[])[PackFormat.IndexName(pack.Id), PackFormat.PackName(pack.Id)])
            if (_unread.Remove(name) | _lost.Remove(name)) await _objects.Remove(name, cancel);
        using (var index = PackIndex.Open(pack.IndexFile))
            for (var i = 0; i < index.Count; i++) _sent.Add(index[i].Id);
        await _objects.Publish(PackFormat.PackName(pack.Id), pack.PackFile, cancel);
        CrashPoint.Pass("remote.pack");
        await _objects.Publish(PackFormat.IndexName(pack.Id), pack.IndexFile, cancel);
        CrashPoint.Pass("remote.index");
    }

    internal override async Task<bool> PutWhole(ContentId id, string file, CancellationToken cancel)
    {
        if (await whole.Length(id.Digest, cancel) == new FileInfo(file).Length) return false;
        await using var content = File.OpenRead(file);
        var put = await whole.Put(content, cancel);
        if (put.Id != id.Digest) throw TaktException.Invalid($"'{file}' holds other bytes than {id} says; 'takt data verify' lists all damage");
        CrashPoint.Pass("remote.whole");
        return true;
    }

    internal override async Task Move(RefMove move, CancellationToken cancel)
    {
        var step = (move.Before?.Step ?? await LastStep(move, cancel)) + 1;
        var entry = new JsonObject
        {
            ["takt"] = 1,
            ["push"] = Guid.NewGuid().ToString("N"), // one's own can be told from another's when an answer is lost
            ["before"] = move.Before?.Target.ToString(),
            ["after"] = move.After.ToString(),
            ["commits"] = new JsonArray([.. move.Commits.Select(commit => (JsonNode)Encoding.UTF8.GetString(commit.Json()))]),
        };
        if (!await _objects.Create(Name(move.Dataset, move.IsTag, move.Name, step), Encoding.UTF8.GetBytes(entry.ToJsonString()), cancel))
            throw TaktException.Conflict($"somebody else moved {move.Dataset}@{move.Name} at {place} meanwhile; 'takt data pull', then push again");
        CrashPoint.Pass("remote.ref");
    }

    public override ValueTask DisposeAsync()
    {
        foreach (var index in _indexes.Values) index?.Dispose();
        (whole as IDisposable)?.Dispose();
        return ValueTask.CompletedTask;
    }

    async Task<long> LastStep(RefMove move, CancellationToken cancel) =>
        (await Entries(move.Dataset, cancel)).Where(entry => entry.Name == move.Name && entry.IsTag == move.IsTag).Select(entry => entry.Step).DefaultIfEmpty(0).Max();

    static Dictionary<Digest, DatasetCommit> Known(IEnumerable<Entry> entries)
    {
        var all = new Dictionary<Digest, DatasetCommit>();
        foreach (var entry in entries)
            foreach (var commit in entry.Commits) all[commit.Id] = commit;
        return all;
    }

    async Task<IReadOnlyList<Entry>> Entries(string? dataset, CancellationToken cancel)
    {
        var names = new List<string>();
        _indexesKnown = false; // what the refs name lies in packs that were there before them, and perhaps not when they were last looked at
        await foreach (var entry in _objects.Objects(dataset is null ? "refs/" : $"refs/{dataset}/", cancel)) names.Add(entry.Name);
        await Parallel.ForEachAsync(names.Where(name => !_entries.ContainsKey(name)), new ParallelOptions { MaxDegreeOfParallelism = RangesAtOnce, CancellationToken = cancel }, async (name, token) =>
        {
            // an entry never changes: a local copy is as good, when it is whole
            var text = await File.ReadAllBytesAsync(await _objects.LocalFile(name, token), token);
            _entries[name] = Parse(name, text);
        });
        return names.Select(name => _entries[name]).ToList();
    }

    Entry Parse(string name, byte[] text)
    {
        try
        {
            var parts = name.Split('/');
            if (parts is not ["refs", var dataset, "branch" or "tag", var refName, var step]) throw new FormatException();
            var json = JsonNode.Parse(text)!.AsObject();
            return new(dataset, refName, parts[2] == "tag", long.Parse(step, NumberStyles.None, CultureInfo.InvariantCulture), json["after"] is { } after ? Digest.Parse(after.GetValue<string>()) : null,
                json["commits"]!.AsArray().Select(commit => CommitText.Parse(dataset, Encoding.UTF8.GetBytes(commit!.GetValue<string>()))).ToList());
        }
        catch (Exception e) when (e is System.Text.Json.JsonException or FormatException or NullReferenceException or InvalidOperationException or OverflowException)
        {
            throw TaktException.Invalid($"'{name}' at {place} is not the move of a ref; restore it from a backup, or move it away");
        }
    }

    async Task<IReadOnlyList<PackIndex>> Indexes(CancellationToken cancel)
    {
        if (!_indexesKnown)
        {
            var there = _packs = await Listed([], cancel, "packs/");
            await Parallel.ForEachAsync(there.Keys.Where(name => name.EndsWith(".idx", StringComparison.Ordinal) && !_indexes.ContainsKey(name)), new ParallelOptions { MaxDegreeOfParallelism = RangesAtOnce, CancellationToken = cancel }, async (name, token) =>
            {
                var index = await Open(name, token);
                lock (_indexes) _indexes[name] = index;
            });
            // an index whose pack is gone or cut short finds what is not there
            _usable.Clear();
            _lost.Clear();
            foreach (var (name, index) in _indexes)
            {
                if (index is null) continue;
                var pack = PackFormat.PackName(index.Pack);
                if (!there.ContainsKey(name)) continue;
                if (!there.TryGetValue(pack, out var length)) _lost[pack] = $"{place} has lost '{pack}'";
                else if (length != index.PackLength) _lost[pack] = $"'{pack}' at {place} is cut short: it has {length:N0} of {index.PackLength:N0} bytes";
                else _usable.Add(index);
            }
            // what a lost one held and others hold by now was sent again
            foreach (var index in _indexes.Values.OfType<PackIndex>())
                if (_lost.ContainsKey(PackFormat.PackName(index.Pack)) && index.Entries().All(entry => _usable.Any(other => other.Find(entry.Id) >= 0))) _lost.Remove(PackFormat.PackName(index.Pack));
            _indexesKnown = true;
        }
        return _usable;
    }

    async Task<PackIndex?> Open(string name, CancellationToken cancel)
    {
        try
        {
            var index = PackIndex.Open(await _objects.LocalFile(name, cancel));
            if (PackFormat.IndexName(index.Pack) == name) return index;
            index.Dispose();
            lock (_unread) _unread[name] = $"'{name}' at {place} is another pack's index";
        }
        catch (TaktException e) when (e.Error is TaktError.Invalid or TaktError.NotFound)
        {
            lock (_unread) _unread[name] = $"{place}: {e.Message}";
        }
        return null;
    }

    static long End(in PackEntry entry) => (long)entry.Offset + PackFormat.RecordHead + entry.Stored;

    static string Name(string dataset, bool isTag, string name, long step) => $"refs/{dataset}/{(isTag ? "tag" : "branch")}/{name}/{step.ToString("D10", CultureInfo.InvariantCulture)}";
}
