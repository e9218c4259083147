using System.Buffers.Binary;
using System.Collections;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Takt.Data.Trees;
using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Data.Remotes;

/// <summary>This store as a remote of others: what a server does for <see cref="ServerRemote"/>. Nothing that comes is believed before it was hashed.</summary>
public sealed class ServedStore(Database database, PackStore store, TimeProvider time)
{
    /// <summary>The largest pack that is taken, in bytes: one that is full and got one more record of the largest kind, and its footer.</summary>
    public const long LargestPack = 256L << 20;

    /// <summary>Ids in one question.</summary>
    public const int MostIds = Remote.MostIds;

    const int MostHistory = 1000, PacksAtOnce = 4;
    static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(30);

    readonly SemaphoreSlim _packs = new(PacksAtOnce);

    /// <summary>Branches and tags whose versions are whole here.</summary>
    public IReadOnlyList<RemoteRef> Refs(string? dataset) => database.Read(session => session.Query($"""
        select r.dataset, r.name, r.kind, r.target, (select coalesce(max(l.step), 0) from dataset_reflog l where l.dataset = r.dataset and l.ref = r.name)
        from dataset_ref r join dataset_commit c on c.dataset = r.dataset and c.id = r.target
        where c.partial = 0 and ({dataset ?? ""} = '' or r.dataset = {dataset ?? ""}) order by r.dataset, r.name
        """, row => new RemoteRef(row.Text(0), row.Text(1), row.Text(2) == "tag", row.Digest(3), row.Number(4))));

    /// <summary>Versions from some back along all parents, the nearest first, at most <paramref name="most"/>; each as its canonical JSON.</summary>
    public IReadOnlyList<string> History(string dataset, IEnumerable<Digest> from, int most) => database.Read(session =>
    {
        var (found, seen, todo) = (new List<string>(), new HashSet<Digest>(), new Queue<Digest>(from));
        most = Math.Clamp(most, 1, MostHistory);
        while (found.Count < most && todo.TryDequeue(out var id))
        {
            if (!seen.Add(id) || DatasetTable.Find(session, dataset, id) is not { } commit) continue;
            found.Add(Encoding.UTF8.GetString(commit.Json()));
            foreach (var parent in commit.Parents) todo.Enqueue(parent);
        }
        return found;
    });

    /// <summary>A bit for each id: whether the version is here, whole.</summary>
    public byte[] HasCommits(string dataset, ReadOnlyMemory<byte> ids)
    {
        var whole = database.Read(session => session.Query($"select id from dataset_commit where dataset = {dataset} and partial = 0", row => ContentId.From(row.Digest(0)))).ToHashSet();
        return Bits(ids, whole.Contains);
    }

    /// <inheritdoc cref="PackStore.Lost"/>
    public Task<IReadOnlyList<string>> Lost(CancellationToken cancel) => store.Lost(cancel);

    /// <summary>A bit for each id: whether it lies in a pack here. What is found in quarantine comes back from there.</summary>
    public byte[] Has(ReadOnlyMemory<byte> ids)
    {
        store.RefreshIfChanged();
        return Bits(ids, id => store.TryFind(id, refresh: false) is not null);
    }

    /// <summary>Writes the records of the ids that lie in packs: each its id, its length once decompressed and the record as it is stored; then an id of zeros, and what could not be read as JSON behind its length.</summary>
    public async Task Send(ReadOnlyMemory<byte> ids, Stream to, CancellationToken cancel)
    {
        store.RefreshIfChanged();
        var hits = new List<PackHit>();
        foreach (var id in Ids(ids))
            if (store.TryFind(id, refresh: false) is { } hit) hits.Add(hit);
        // in the order in which they lie on the disk
        hits.Sort((a, b) => a.Pack == b.Pack ? a.Entry.Offset.CompareTo(b.Entry.Offset) : a.Pack.Id.CompareTo(b.Pack.Id));
        var (head, faults) = (new byte[ContentId.Size + 4], new JsonArray());
        foreach (var hit in hits)
        {
            byte[] record;
            try
            {
                record = hit.Pack.ReadRecord(hit.Entry);
            }
            catch (TaktException e)
            {
                if (faults.Count < 20) faults.Add(e.Message);
                continue;
            }
            hit.Entry.Id.Write(head);
            BinaryPrimitives.WriteUInt32LittleEndian(head.AsSpan(ContentId.Size), hit.Entry.Length);
            await to.WriteAsync(head, cancel);
            await to.WriteAsync(record, cancel);
        }
        var end = Encoding.UTF8.GetBytes(faults.ToJsonString());
        Array.Clear(head);
        BinaryPrimitives.WriteInt32LittleEndian(head.AsSpan(ContentId.Size), end.Length);
        await to.WriteAsync(head, cancel);
        await to.WriteAsync(end, cancel);
    }

    public Task<long?> Length(Digest id, CancellationToken cancel) => store.Length(id, cancel);

    /// <exception cref="TaktException">NotFound.</exception>
    public Task<Stream> Open(Digest id, CancellationToken cancel) => store.Open(id, cancel);

    /// <summary>Takes a whole file; on return it survives power loss.</summary>
    /// <exception cref="TaktException">Invalid: it is other content; nothing was kept.</exception>
    public Task TakeWhole(Digest id, Stream content, CancellationToken cancel) => store.Put(new VerifiedStream(content, id, null), cancel);

    /// <summary>Takes a pack and hashes every record in it, those of large files over all their chunks, which must have come before; on return it survives power loss.</summary>
    /// <exception cref="TaktException">Invalid: it is damaged; nothing was kept. TooLarge. Unavailable: too many at once, or the disk is full.</exception>
    public async Task TakePack(Digest id, Stream content, CancellationToken cancel)
    {
        if (!await _packs.WaitAsync(LongestWait, cancel)) throw new TaktException(TaktError.Unavailable, "too many packs come at once; try again");
        var folder = Path.Combine(store.Scratch, Guid.NewGuid().ToString("N"));
        Directory.CreateDirectory(folder);
        var (file, index) = (Path.Combine(folder, "pack"), Path.Combine(folder, "idx"));
        try
        {
            await using (var to = new FileStream(file, FileMode.CreateNew, FileAccess.Write, FileShare.None, 0))
            {
                var buffer = new byte[1 << 17];
                for (int read; (read = await content.ReadAsync(buffer, cancel)) > 0;)
                {
                    if (to.Position + read > LargestPack) throw new TaktException(TaktError.TooLarge, $"the pack {id} is larger than {LargestPack >> 20} MiB");
                    to.Write(buffer, 0, read);
                }
            }
            var records = await Task.Run(() => Checked(ContentId.From(id), file, index, cancel), cancel);
            var length = new FileInfo(file).Length;
            Files.Sync(file);
            Files.Sync(index);
            await store.MakeWay(ContentId.From(id), cancel);
            await store.Objects.Publish(PackFormat.PackName(ContentId.From(id)), file, cancel);
            CrashPoint.Pass("server.pack");
            await store.Objects.Publish(PackFormat.IndexName(ContentId.From(id)), index, cancel);
            CrashPoint.Pass("server.index");
            await database.Write(session => PackTable.Add(session, new SealedPack(ContentId.From(id), file, index, length, records), time.GetUtcNow()));
            CrashPoint.Pass("server.row");
            store.Refresh();
        }
        catch (TaktException e) when (e.Error == TaktError.Invalid)
        {
            throw new TaktException(e.Error, e.Faults.Select(fault => fault.Replace(file, id.ToString(), StringComparison.Ordinal)).ToList());
        }
        catch (Exception e) when (StorageFaults.Of(e, store.Scratch) is { } known)
        {
            throw known;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
            _packs.Release();
        }
    }

    /// <summary>Takes new versions, all of whose content must be here, and moves a ref to one of them.</summary>
    /// <exception cref="TaktException">Conflict: the ref is not where it should be. NotFound: content of a version is missing, named; nothing was moved. Invalid: names.</exception>
    public async Task Move(RefMove move, CancellationToken cancel)
    {
        DatasetReference.CheckName(move.Dataset);
        if (!DatasetReference.IsName(move.Name) || DatasetReference.Version(move.Name) is not null)
            throw TaktException.Invalid($"'{move.Name}' can't name a {(move.IsTag ? "tag" : "branch")}; use 1 to 100 letters, digits, '.', '_' and '-', a letter or digit first, not v and a number");
        await using var lease = await store.Begin($"push of {move.Dataset}@{move.Name}");
        store.RefreshIfChanged();
        var whole = new Dictionary<Digest, Digest>(); // id, tree
        foreach (var commit in move.Commits)
        {
            // one that a retention rule has dropped did not come, and need not
            Digest? before = null;
            foreach (var parent in commit.Parents) before ??= whole.TryGetValue(parent, out var tree) ? tree : WholeTree(move.Dataset, parent);
            await Complete(commit, before, cancel);
            whole[commit.Id] = commit.Tree;
        }
        if (!whole.ContainsKey(move.After) && WholeTree(move.Dataset, move.After) is null) throw TaktException.NotFound($"{move.Dataset} has no version {move.After} here; send it first");
        await lease.Commit(session =>
        {
            var (tip, now) = (DatasetTable.Tip(session, move.Dataset, move.Name), time.GetUtcNow());
            if (tip is not null && (session.Text($"select kind from dataset_ref where dataset = {move.Dataset} and name = {move.Name}") == "tag") != move.IsTag)
                throw TaktException.Conflict($"{move.Dataset}@{move.Name} is a {(move.IsTag ? "branch" : "tag")} there; take another name");
            if (tip != move.Before?.Target)
                throw TaktException.Conflict($"somebody else moved {move.Dataset}@{move.Name} to {tip?.ToString() ?? "nothing"} meanwhile; 'takt data pull', then push again");
            foreach (var commit in move.Commits) DatasetTable.Insert(session, commit, now, partial: false);
            if (tip == move.After) return;
            DatasetTable.Move(session, move.Dataset, move.Name, tip, move.After, now, "push");
            session.Execute($"update dataset_ref set kind = {(move.IsTag ? "tag" : "branch")} where dataset = {move.Dataset} and name = {move.Name}");
        }, cancel);
    }

    Digest? WholeTree(string dataset, Digest id) => database.Read(session => DatasetTable.IsPartial(session, dataset, id) ? null : DatasetTable.Find(session, dataset, id))?.Tree;

    // of a tree that grew from one that is whole, only what is new has to be looked for
    async Task Complete(DatasetCommit commit, Digest? before, CancellationToken cancel)
    {
        var faults = new List<string>();
        var reader = new TreeReader(store.Reader);
        var from = before is { } tree ? ContentId.From(tree) : (ContentId?)null;
        var seen = new HashSet<ContentId>();
        try
        {
            foreach (var id in (Digest[])[commit.Id, .. commit.Profile is { } profile ? [profile] : Array.Empty<Digest>()]) await File(ContentId.From(id), id.ToString());
            if (from is null) await foreach (var file in reader.Files(ContentId.From(commit.Tree), cancel)) await File(file.Id, Encoding.UTF8.GetString(file.Path));
            else await foreach (var change in reader.Changes(from.Value, ContentId.From(commit.Tree), cancel))
                if (change.After is { } file) await File(file.Id, Encoding.UTF8.GetString(file.Path));
        }
        catch (TaktException e) when (e.Error is TaktError.NotFound or TaktError.Invalid)
        {
            faults.AddRange(e.Faults);
        }
        if (faults.Count > 0) throw new TaktException(TaktError.NotFound, [.. faults.Take(20).Select(fault => $"{commit.Dataset}@{commit.Id} is not whole here: {fault}"), .. faults.Count > 20 ? [$"and {faults.Count - 20:N0} more"] : Array.Empty<string>()]);

        async Task File(ContentId id, string name)
        {
            if (!seen.Add(id)) return;
            if (store.TryFind(id, refresh: false) is not { } hit)
            {
                if (await store.Length(id.Digest, cancel) is null) faults.Add($"'{name}' ({id})");
            }
            else if (hit.Entry.Kind == RecordKind.ChunkList)
                foreach (var (chunk, _) in store.Reader.Chunks(ChunkList.Parse(hit.Read(), id)))
                    if (store.TryFind(chunk, refresh: false) is null)
                    {
                        faults.Add($"'{name}', its part {chunk}");
                        return;
                    }
        }
    }

    // writes the index of what was found to be right
    int Checked(ContentId id, string file, string index, CancellationToken cancel)
    {
        var footer = Pack.ReadFooter(file, id);
        var entries = new PackEntry[footer.Length / PackEntry.Size];
        for (var i = 0; i < entries.Length; i++)
        {
            entries[i] = PackEntry.Read(footer.AsSpan(i * PackEntry.Size));
            if (i > 0 && entries[i].Id.CompareTo(entries[i - 1].Id) <= 0) throw TaktException.Invalid($"the pack {id} is damaged: its records are not in order");
        }
        PackFormat.WriteIndex(index, id, footer);
        using var pack = new Pack(() => file, PackIndex.Open(index));
        Array.Sort(entries, (a, b) => a.Offset.CompareTo(b.Offset));
        long next = PackFormat.HeaderSize;
        var lists = new List<StoredRecord>();
        foreach (var entry in entries)
        {
            cancel.ThrowIfCancellationRequested();
            if (entry.Offset != next || entry.Stored > PackFormat.LargestRecord) throw TaktException.Invalid($"the pack {id} is damaged at byte {next}");
            next += PackFormat.RecordHead + entry.Stored;
            var record = StoredRecord.Check(entry.Id, pack.ReadRecord(entry), entry.Length);
            if (record.Kind != entry.Kind || record.Zstd != entry.Zstd) throw TaktException.Invalid($"the pack {id} is damaged: {entry.Id} is of another kind than its list says");
            if (record.Kind == RecordKind.ChunkList) lists.Add(record);
        }
        if (next + footer.Length + PackFormat.TailSize != new FileInfo(file).Length) throw TaktException.Invalid($"the pack {id} is damaged: it holds more than its records");
        store.RefreshIfChanged();
        var reader = new BlobReader(wanted => pack.Index.Find(wanted) is >= 0 and var at ? new PackHit(pack, pack.Index[at]) : store.TryFind(wanted, refresh: false), store.Whole);
        var buffer = new byte[store.Config.Max];
        foreach (var list in lists)
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            try
            {
                foreach (var (chunk, length) in reader.Chunks(ChunkList.Parse(list.Content.Span, list.Id)))
                {
                    cancel.ThrowIfCancellationRequested();
                    if (length > PackFormat.LargestRecord) throw TaktException.Invalid($"{chunk} would be longer than any record");
                    if (buffer.Length < length) buffer = new byte[length];
                    reader.Read(chunk, buffer.AsSpan(0, (int)length));
                    hash.AppendData(buffer, 0, (int)length);
                }
            }
            catch (TaktException e) when (e.Error == TaktError.NotFound)
            {
                throw TaktException.Invalid($"{list.Id} came before its parts: {e.Message}");
            }
            if (ContentId.Read(hash.GetHashAndReset()) != list.Id) throw TaktException.Invalid($"{list.Id} is other content than its parts are");
        }
        return entries.Length;
    }

    static IEnumerable<ContentId> Ids(ReadOnlyMemory<byte> ids)
    {
        if (ids.Length % ContentId.Size != 0) throw TaktException.Invalid($"ids are {ContentId.Size} bytes each; {ids.Length:N0} bytes came");
        if (ids.Length / ContentId.Size > MostIds) throw new TaktException(TaktError.TooLarge, $"{ids.Length / ContentId.Size:N0} ids at once; at most {MostIds:N0}");
        return All();

        IEnumerable<ContentId> All()
        {
            for (var at = 0; at < ids.Length; at += ContentId.Size) yield return ContentId.Read(ids.Span[at..]);
        }
    }

    static byte[] Bits(ReadOnlyMemory<byte> ids, Func<ContentId, bool> has)
    {
        var bits = new BitArray(Ids(ids).Select(has).ToArray());
        var bytes = new byte[(bits.Length + 7) / 8];
        bits.CopyTo(bytes, 0);
        return bytes;
    }
}
