using System.Security.Cryptography;
using System.Text;
using Takt.Data.Trees;
using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Data.Remotes;

/// <summary>Brings versions of a remote into the store: their history and refs, and of those that are wanted the content.</summary>
/// <remarks>
/// What arrived is verified and made durable some MiB at a time, so that a fetch that was killed goes on where it was. A file's record comes after its chunks:
/// what the store has of a file, it has whole.
/// </remarks>
public sealed class Fetch(Database database, PackStore store, TimeProvider time)
{
    /// <summary>Bytes that are asked for at once, as far as sizes are known before.</summary>
    const long Batch = 32 << 20;

    const int BatchRecords = 8192;

    long _records, _bytes;
    Action<string>? _progress;

    /// <summary>The history of datasets, and branches and tags moved to where the remote's are when they are behind.</summary>
    /// <param name="dataset">Null: all.</param>
    /// <param name="also">Versions that need not be a ref's, such as pointers name.</param>
    /// <exception cref="TaktException">NotFound: the remote has no such dataset.</exception>
    public async Task<FetchReport> Refs(Remote remote, string remoteName, string? dataset, IReadOnlyCollection<(string Dataset, Digest Id)> also, CancellationToken cancel = default)
    {
        var refs = await remote.Refs(dataset, cancel);
        if (dataset is not null && refs.Count == 0)
            throw TaktException.NotFound($"{remote.Place} has no dataset '{dataset}'" + (await remote.Refs(null, cancel) is { Count: > 0 } others ? $"; it has: {string.Join(", ", others.Select(one => one.Dataset).Distinct())}" : ""));
        var (moved, diverged, versions) = (new List<string>(), new List<string>(), 0);
        foreach (var group in refs.GroupBy(one => one.Dataset))
        {
            var here = database.Read(session => DatasetTable.All(session, group.Key)).Select(commit => commit.Id).ToHashSet();
            var wanted = group.Select(one => one.Target).Concat(also.Where(one => one.Dataset == group.Key).Select(one => one.Id)).Distinct().ToList();
            var history = await remote.History(group.Key, wanted, here.Contains, cancel);
            versions += history.Count;
            await using var writer = await store.Begin($"fetch {group.Key}");
            foreach (var commit in history) writer.Add(commit.Json());
            await writer.Commit(session =>
            {
                var now = time.GetUtcNow();
                // in the order they were made, so that their numbers are those they have elsewhere, as far as all of them came
                foreach (var commit in history.OrderBy(commit => commit.Time)) DatasetTable.Insert(session, commit, now, partial: true);
                foreach (var one in group) Take(session, one, remoteName, now, moved, diverged);
            }, cancel);
        }
        return new(versions, 0, 0, moved, diverged);
    }

    /// <summary>What no file is chosen by: of a version its tree alone.</summary>
    internal const string NoFile = "\0";

    /// <summary>Brings in what the store lacks of versions.</summary>
    /// <param name="only">A path or glob within them, or <see cref="NoFile"/>; null: all, after which they are whole here.</param>
    /// <exception cref="TaktException">NotFound: the remote lacks something, all is named; what it had is here. Invalid: it came damaged. Unavailable, Denied.</exception>
    public async Task<FetchReport> Content(Remote remote, IReadOnlyCollection<DatasetCommit> versions, string? only, Action<string>? progress = null, CancellationToken cancel = default)
    {
        (_records, _bytes, _progress) = (0, 0, progress);
        var faults = new List<string>();
        await using var writer = await store.Begin($"fetch from {remote.Place}");
        foreach (var commit in versions)
        {
            try
            {
                await Tree(remote, writer, ContentId.From(commit.Tree), only, progress, cancel);
                List<ContentId> last = commit.Profile is { } profile ? [ContentId.From(profile), ContentId.From(commit.Id)] : [ContentId.From(commit.Id)];
                await Files(remote, writer, last.ToDictionary(id => id, _ => 0L), cancel);
                await writer.Commit(session =>
                {
                    if (only is null) session.Execute($"update dataset_commit set partial = 0, dropped = null where dataset = {commit.Dataset} and id = {commit.Id}");
                }, cancel);
            }
            catch (TaktException e) when (e.Error is TaktError.NotFound or TaktError.Invalid)
            {
                faults.AddRange(e.Faults.Select(fault => $"{commit.Dataset}@{commit.Id}: {fault}"));
                await writer.Commit(_ => { }, cancel); // what did arrive stays
            }
        }
        return faults.Count == 0 ? new(0, _records, _bytes, [], []) : throw new TaktException(TaktError.NotFound, faults);
    }

    /// <summary>Single files, by their content; their trees are not looked at.</summary>
    /// <exception cref="TaktException">As <see cref="Content"/>.</exception>
    public async Task<FetchReport> Files(Remote remote, IReadOnlyCollection<(Digest Id, string Path)> files, Action<string>? progress = null, CancellationToken cancel = default)
    {
        (_records, _bytes, _progress) = (0, 0, progress);
        await using var writer = await store.Begin($"fetch from {remote.Place}");
        await Files(remote, writer, files.Select(file => ContentId.From(file.Id)).Distinct().ToDictionary(id => id, _ => 0L), cancel);
        await writer.Commit(session =>
        {
            foreach (var (id, path) in files) session.Execute($"insert into dataset_pin(tree, path, pinned) values({id}, {path}, {time.GetUtcNow()}) on conflict do nothing");
        }, cancel);
        return new(0, _records, _bytes, [], []);
    }

    static void Take(SqlSession session, RemoteRef one, string remote, DateTimeOffset now, List<string> moved, List<string> diverged)
    {
        var (tip, aside) = (DatasetTable.Tip(session, one.Dataset, one.Name), $"{remote}.{one.Name}");
        var text = $"{one.Dataset}@{one.Name}";
        if (tip == one.Target || (tip is { } mine && DatasetTable.IsAncestor(session, one.Dataset, one.Target, mine)))
        {
            session.Execute($"delete from dataset_ref where dataset = {one.Dataset} and name = {aside}"); // what had been put aside is part of ours by now
            return;
        }
        if (tip is null || (!one.IsTag && DatasetTable.IsAncestor(session, one.Dataset, tip.Value, one.Target)))
        {
            DatasetTable.Move(session, one.Dataset, one.Name, tip, one.Target, now, $"fetch from {remote}");
            session.Execute($"update dataset_ref set kind = {(one.IsTag ? "tag" : "branch")} where dataset = {one.Dataset} and name = {one.Name}");
            moved.Add(text);
            return;
        }
        if (DatasetReference.IsName(aside)) DatasetTable.Move(session, one.Dataset, aside, DatasetTable.Tip(session, one.Dataset, aside), one.Target, now, $"fetch from {remote}");
        diverged.Add(text);
    }

    async Task Tree(Remote remote, StoreWriter writer, ContentId root, string? only, Action<string>? progress, CancellationToken cancel)
    {
        var nodes = new List<ContentId> { root };
        var seen = new HashSet<ContentId>();
        while (nodes.Count > 0)
        {
            var below = new List<ContentId>();
            foreach (var batch in nodes.Where(seen.Add).Chunk(64))
            {
                var content = await Nodes(remote, writer, batch, cancel);
                var files = new Dictionary<ContentId, long>();
                foreach (var id in batch)
                {
                    var node = content.TryGetValue(id, out var fresh) ? fresh : await store.Reader.Bytes(id, cancel);
                    if (!TreeNode.IsLeaf(node.Span)) below.AddRange(TreeNode.Nodes(node.Span, id).Nodes.Select(child => child.Id));
                    else
                        foreach (var file in TreeNode.Files(node.Span, id))
                            if (only is null || WorkTrees.WorkTree.IsChosen(only, Encoding.UTF8.GetString(file.Path))) files[file.Id] = file.Size;
                }
                await Files(remote, writer, files, cancel);
                progress?.Invoke($"{_bytes >> 20:N0} MiB, {_records:N0} records");
            }
            nodes = below;
        }
    }

    async Task<Dictionary<ContentId, ReadOnlyMemory<byte>>> Nodes(Remote remote, StoreWriter writer, IReadOnlyCollection<ContentId> ids, CancellationToken cancel)
    {
        var content = new Dictionary<ContentId, ReadOnlyMemory<byte>>();
        var wanted = ids.Where(id => !writer.Has(id)).ToList();
        await remote.Get(wanted, record =>
        {
            Received(record);
            writer.Add(record);
            content[record.Id] = record.Content;
        }, cancel);
        var missing = wanted.Where(id => !content.ContainsKey(id)).ToList();
        return missing.Count == 0 ? content : throw Lacks(remote, missing);
    }

    /// <summary>Files, by id and size; all that is here already is left out.</summary>
    async Task Files(Remote remote, StoreWriter writer, Dictionary<ContentId, long> files, CancellationToken cancel)
    {
        var (wanted, bytes, missing, faults) = (new List<ContentId>(), 0L, new List<ContentId>(), new List<string>());
        foreach (var (id, size) in files)
        {
            if (writer.Has(id)) continue;
            wanted.Add(id);
            bytes += size;
            if (wanted.Count >= BatchRecords || bytes >= Batch) await Some();
        }
        await Some();
        if (missing.Count > 0) faults.AddRange(Lacks(remote, missing).Faults);
        if (faults.Count > 0) throw new TaktException(TaktError.NotFound, faults);

        async Task Some()
        {
            if (wanted.Count == 0) return;
            var lists = new List<StoredRecord>();
            var found = new HashSet<ContentId>();
            try
            {
                await remote.Get(wanted, record =>
                {
                    Received(record);
                    found.Add(record.Id);
                    if (record.Kind == RecordKind.ChunkList) lists.Add(record);
                    else writer.Add(record);
                }, cancel);
            }
            catch (TaktException e) when (e.Error == TaktError.Invalid)
            {
                faults.AddRange(e.Faults); // the others are good
                found.UnionWith(wanted);
            }
            foreach (var list in lists)
            {
                try
                {
                    await Chunked(remote, writer, list, cancel);
                }
                catch (TaktException e) when (e.Error is TaktError.Invalid or TaktError.NotFound)
                {
                    faults.AddRange(e.Faults);
                }
            }
            foreach (var id in wanted.Where(id => !found.Contains(id)))
            {
                try
                {
                    if (!await new WholeDownload(remote, store, time).Take(id, writer, Arrived, cancel)) missing.Add(id);
                    else _records++;
                }
                catch (TaktException e) when (e.Error == TaktError.Invalid)
                {
                    faults.AddRange(e.Faults);
                }
            }
            (wanted, bytes) = ([], 0);
            if (writer.StoredBytes >= Batch) await writer.Commit(_ => { }, cancel);
        }
    }

    // its chunks, then the list itself: a list that is here stands for a file that is whole
    async Task Chunked(Remote remote, StoreWriter writer, StoredRecord file, CancellationToken cancel)
    {
        var list = ChunkList.Parse(file.Content.Span, file.Id);
        var parts = new List<StoredRecord>();
        var chunks = new List<(ContentId Id, long Length)>();
        if (list.OfLists)
        {
            var content = new Dictionary<ContentId, ReadOnlyMemory<byte>>();
            var wanted = list.Items.Select(item => item.Id).Distinct().Where(id => !writer.Has(id)).ToList();
            foreach (var batch in wanted.Chunk(256))
                await remote.Get(batch, record =>
                {
                    Received(record);
                    parts.Add(record);
                    content[record.Id] = record.Content;
                }, cancel);
            foreach (var item in list.Items)
                chunks.AddRange(ChunkList.Parse(content.TryGetValue(item.Id, out var fresh) ? fresh.Span : writer.Has(item.Id) ? await store.Reader.Bytes(item.Id, cancel) : throw Lacks(remote, [item.Id]), item.Id).Items);
        }
        else chunks.AddRange(list.Items);

        var (asked, seen, bytes) = (new List<ContentId>(), new HashSet<ContentId>(), 0L);
        foreach (var (id, length) in chunks)
        {
            if (!seen.Add(id) || writer.Has(id)) continue;
            asked.Add(id);
            bytes += length;
            if (bytes >= Batch) await Some();
        }
        await Some();
        foreach (var part in parts) writer.Add(part);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[store.Config.Max];
        foreach (var (id, length) in chunks)
        {
            if (buffer.Length < length) buffer = new byte[length];
            writer.Reader.Read(id, buffer.AsSpan(0, (int)length));
            hash.AppendData(buffer, 0, (int)length);
        }
        if (ContentId.Read(hash.GetHashAndReset()) != file.Id) throw TaktException.Invalid($"{file.Id} came damaged from {remote.Place}: its chunks are another file's");
        writer.Add(file);

        async Task Some()
        {
            if (asked.Count == 0) return;
            var got = new HashSet<ContentId>();
            await remote.Get(asked, record =>
            {
                Received(record);
                writer.Add(record);
                got.Add(record.Id);
            }, cancel);
            var lacks = asked.Where(id => !got.Contains(id)).ToList();
            (asked, bytes) = ([], 0);
            if (lacks.Count > 0) throw Lacks(remote, lacks);
            if (writer.StoredBytes >= Batch) await writer.Commit(_ => { }, cancel);
            CrashPoint.Pass("fetch.batch");
        }
    }

    void Arrived(long bytes)
    {
        _bytes += bytes;
        WorkProgress.Done(0, bytes);
        _progress?.Invoke($"{_bytes >> 20:N0} MiB, {_records:N0} records");
    }

    void Received(in StoredRecord record)
    {
        _records++;
        _bytes += record.Length;
    }

    static TaktException Lacks(Remote remote, IReadOnlyCollection<ContentId> ids) => new(TaktError.NotFound,
        [.. ids.Take(10).Select(id => $"{remote.Place} has no {id}"), .. ids.Count > 10 ? [$"and {ids.Count - 10:N0} more"] : Array.Empty<string>(), .. (remote as ObjectRemote)?.Damaged ?? []]);
}
