using System.IO.Hashing;
using Takt.Data.Trees;
using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Data.Remotes;

/// <summary>Sends a remote what it lacks of some versions, then moves its refs to them.</summary>
/// <remarks>Records go children first and packs one after the other, so that a killed push leaves only whole things, which the next one finds and does not send again.</remarks>
public sealed class Push(Database database, PackStore store)
{
    const int Batch = 8192;

    /// <summary>Packs that go to a remote are smaller than those of a store: what a killed push sends again is at most so much, in bytes.</summary>
    public long PackSize { get; init; } = 32 << 20;

    /// <param name="refs">Dataset and name of branches and tags here.</param>
    /// <param name="files">Single files, by their content.</param>
    /// <exception cref="TaktException">Conflict: refs that are not ahead of the remote's, all named; nothing was moved. NotFound, Invalid, Denied, Unavailable.</exception>
    public async Task<PushReport> Run(Remote remote, IReadOnlyList<(string Dataset, string Name)> refs, IReadOnlyCollection<Digest> files, bool force, Action<string>? progress = null, CancellationToken cancel = default)
    {
        await using var lease = await store.Begin($"push to {remote.Place}"); // what is being sent is not removed meanwhile
        var lost = await remote.Lost(cancel);
        // where packs were lost, what lies above them is no proof of what lay in them: all is looked for
        var again = lost is { Count: 0 } ? null : new List<DatasetCommit>();
        var moves = await Moves(remote, refs, force, again, cancel);
        var sending = new Sending(remote, store, PackSize, deep: again is not null, progress);
        var (mended, lacking) = (0L, new List<string>());
        try
        {
            foreach (var commit in (again ?? []).DistinctBy(commit => (commit.Dataset, commit.Id)))
            {
                try
                {
                    await sending.Commit(commit, cancel);
                }
                catch (TaktException e) when (e.Error is TaktError.NotFound or TaktError.Invalid)
                {
                    lacking.AddRange(e.Faults.Select(fault => $"{commit.Reference}: {fault}"));
                }
            }
            mended = sending.Records;
            foreach (var commit in moves.SelectMany(move => move.Commits)) await sending.Commit(commit, cancel);
            await sending.Files(files.Select(ContentId.From).ToList(), cancel);
            await sending.Finish(cancel);
        }
        finally
        {
            sending.Dispose();
        }
        foreach (var move in moves) await remote.Move(move, cancel);
        if (lacking.Count == 0) await remote.Remember(cancel);
        return new(sending.Records, sending.Bytes, sending.Packs, moves.SelectMany(move => move.Commits).Select(commit => commit.Id).Distinct().Count(), moves) { Lost = lost ?? [], Mended = mended, Lacking = lacking };
    }

    async Task<List<RefMove>> Moves(Remote remote, IReadOnlyList<(string Dataset, string Name)> refs, bool force, List<DatasetCommit>? again, CancellationToken cancel)
    {
        var (moves, faults) = (new List<RefMove>(), new List<string>());
        foreach (var group in refs.GroupBy(one => one.Dataset))
        {
            var dataset = group.Key;
            var there = await remote.Refs(dataset, cancel);
            var commits = database.Read(session => DatasetTable.All(session, dataset)).ToDictionary(commit => commit.Id);
            var known = await remote.Commits(dataset, commits.Keys, cancel);
            var tags = database.Read(session => DatasetTable.Refs(session, dataset, "tag")).Select(tag => tag.Name).ToHashSet();
            foreach (var (_, name) in group)
            {
                if (database.Read(session => DatasetTable.Tip(session, dataset, name)) is not { } tip) throw TaktException.NotFound($"dataset '{dataset}' has no branch or tag '{name}'");
                var isTag = tags.Contains(name);
                var before = there.FirstOrDefault(one => one.Name == name && one.IsTag == isTag);
                again?.AddRange(Ancestors(commits, tip).Where(known.Contains).Select(id => commits.GetValueOrDefault(id)).OfType<DatasetCommit>().Where(IsWhole));
                if (before?.Target == tip) continue;
                if (before is not null && !force)
                {
                    if (isTag) faults.Add($"the tag {dataset}@{name} is {before.Target} at {remote.Place} and {tip} here; tags don't move, '--force' moves it all the same");
                    else if (!commits.ContainsKey(before.Target)) faults.Add($"{remote.Place} has versions of {dataset}@{name} that are not here; 'takt data pull {dataset}' first, or '--force' to leave them behind");
                    else if (!Ancestors(commits, tip).Contains(before.Target)) faults.Add($"{dataset}@{name} is not ahead of {remote.Place}'s: both have versions that the other lacks; merge them first, or '--force' to leave the remote's behind");
                }
                var (fresh, missing) = New(commits, tip, known);
                faults.AddRange(missing.Select(id => $"{dataset}@{id}, which {dataset}@{name} grew from, is neither whole here nor at {remote.Place}; 'takt data fetch {dataset} --all' from where it is"));
                moves.Add(new RefMove(dataset, name, isTag, before, tip, fresh));
            }
        }
        return faults.Count == 0 ? moves : throw new TaktException(TaktError.Conflict, faults.Distinct().ToList());
    }

    static HashSet<Digest> Ancestors(Dictionary<Digest, DatasetCommit> commits, Digest of)
    {
        var (seen, todo) = (new HashSet<Digest>(), new Stack<Digest>([of]));
        while (todo.TryPop(out var id))
            if (seen.Add(id) && commits.TryGetValue(id, out var commit))
                foreach (var parent in commit.Parents) todo.Push(parent);
        return seen;
    }

    // what the remote lacks, parents first; and versions without which it would be left with less than the whole
    (List<DatasetCommit> Fresh, List<Digest> Missing) New(Dictionary<Digest, DatasetCommit> commits, Digest tip, HashSet<Digest> known)
    {
        var (fresh, missing, seen) = (new List<DatasetCommit>(), new List<Digest>(), new HashSet<Digest>());
        var todo = new Stack<(Digest Id, bool ParentsTold)>([(tip, false)]);
        while (todo.TryPop(out var one))
        {
            if (one.ParentsTold)
            {
                fresh.Add(commits[one.Id]);
                continue;
            }
            if (known.Contains(one.Id) || !seen.Add(one.Id)) continue;
            if (commits.TryGetValue(one.Id, out var old) && old.Dropped is not null) continue; // its files are gone by rule: whoever has it keeps it
            if (!commits.TryGetValue(one.Id, out var commit) || database.Read(session => DatasetTable.IsPartial(session, commit.Dataset, commit.Id)))
            {
                missing.Add(one.Id);
                continue;
            }
            todo.Push((one.Id, true));
            foreach (var parent in commit.Parents) todo.Push((parent, false));
        }
        return (fresh, missing);
    }

    bool IsWhole(DatasetCommit commit) => commit.Dropped is null && database.Read(session => !DatasetTable.IsPartial(session, commit.Dataset, commit.Id));

    /// <param name="deep">Look for everything, also below what the remote has.</param>
    sealed class Sending(Remote remote, PackStore store, long packSize, bool deep, Action<string>? progress) : IDisposable
    {
        readonly HashSet<ContentId> _sent = [], _trees = [], _files = []; // apart: a file may be a copy of a tree's node
        PackWriter? _pack;
        Task _upload = Task.CompletedTask;

        public long Records { get; private set; }
        public long Bytes { get; private set; }
        public int Packs { get; private set; }

        public async Task Commit(DatasetCommit commit, CancellationToken cancel)
        {
            await Tree(ContentId.From(commit.Tree), cancel);
            List<ContentId> last = commit.Profile is { } profile ? [ContentId.From(profile), ContentId.From(commit.Id)] : [ContentId.From(commit.Id)];
            await Files(last, cancel);
        }

        async Task Tree(ContentId root, CancellationToken cancel)
        {
            if (deep && !_trees.Add(root)) return;
            var lacks = (await Lacking([root], cancel)).Count > 0;
            if (!lacks && !deep) return;
            var node = await store.Reader.Bytes(root, cancel);
            if (TreeNode.IsLeaf(node)) await Files(TreeNode.Files(node, root).Select(file => file.Id).Distinct().ToList(), cancel);
            else
            {
                var children = TreeNode.Nodes(node, root).Nodes.Select(one => one.Id).ToList();
                foreach (var child in deep ? children : await Lacking(children, cancel)) await Tree(child, cancel);
            }
            if (lacks) await Record(store.TryFind(root) ?? throw Missing(root), cancel);
        }

        public async Task Files(IReadOnlyList<ContentId> ids, CancellationToken cancel)
        {
            foreach (var batch in ids.Chunk(Batch))
            {
                var lacking = (await Lacking(batch, cancel)).ToHashSet();
                foreach (var id in deep ? batch.Where(_files.Add) : lacking)
                {
                    if (store.TryFind(id) is { } hit)
                    {
                        if (hit.Entry.Kind == RecordKind.ChunkList) await Chunks(ChunkList.Parse(hit.Read(), id), cancel);
                        if (lacking.Contains(id)) await Record(hit, cancel);
                    }
                    else if (await store.Whole.Length(id.Digest, cancel) is { } length)
                    {
                        progress?.Invoke($"{id}, {length >> 20:N0} MiB");
                        _sent.Add(id);
                        if (!await remote.PutWhole(id, await store.Whole.LocalFile(id.Digest, cancel), cancel)) continue;
                        Records++;
                        Bytes += length;
                    }
                    else throw Missing(id);
                }
            }
        }

        async Task Chunks(ChunkList list, CancellationToken cancel)
        {
            foreach (var batch in list.Items.Select(item => item.Id).Distinct().Chunk(Batch))
            {
                var lacking = (await Lacking(batch, cancel)).ToHashSet();
                foreach (var id in deep && list.OfLists ? batch : (IEnumerable<ContentId>)lacking)
                {
                    var hit = store.TryFind(id) ?? throw Missing(id);
                    if (list.OfLists) await Chunks(ChunkList.Parse(hit.Read(), id), cancel);
                    if (lacking.Contains(id)) await Record(hit, cancel);
                }
            }
        }

        async Task<List<ContentId>> Lacking(IReadOnlyList<ContentId> ids, CancellationToken cancel)
        {
            var asked = ids.Where(id => !_sent.Contains(id)).ToList();
            if (asked.Count == 0) return asked;
            var has = await remote.Has(asked, cancel);
            return asked.Where((_, i) => !has[i]).ToList();
        }

        async Task Record(PackHit hit, CancellationToken cancel)
        {
            if (!_sent.Add(hit.Entry.Id)) return;
            var content = hit.Read(); // refuses what is damaged
            if (hit.Entry.Kind == RecordKind.Bytes && ContentId.Of(content) != hit.Entry.Id) throw TaktException.Invalid($"the store holds other bytes than {hit.Entry.Id} says; nothing wrong is sent, 'takt data verify' lists all damage");
            var stored = hit.Entry.Zstd ? hit.Pack.ReadStored(hit.Entry) : content;
            _pack ??= new PackWriter(remote.Scratch);
            _pack.Add(hit.Entry.Id, hit.Entry.Kind, stored, content.Length, hit.Entry.Zstd, XxHash128.HashToUInt128(stored));
            Records++;
            if (_pack.Length >= packSize || _pack.IsFull) await Seal(cancel);
        }

        async Task Seal(CancellationToken cancel)
        {
            if (_pack is null) return;
            var pack = _pack.Seal();
            _pack.Dispose();
            _pack = null;
            await _upload; // one after the other: what comes later may need what came before
            Packs++;
            Bytes += pack.Length;
            progress?.Invoke($"{Bytes >> 20:N0} MiB, {Records:N0} records");
            _upload = Task.Run(async () =>
            {
                try
                {
                    await remote.Put(pack, cancel);
                }
                finally
                {
                    File.Delete(pack.PackFile);
                    File.Delete(pack.IndexFile);
                }
            }, cancel);
        }

        public async Task Finish(CancellationToken cancel)
        {
            await Seal(cancel);
            await _upload;
        }

        public void Dispose() => _pack?.Dispose();

        static TaktException Missing(ContentId id) => TaktException.NotFound($"the store has no {id}, which a version needs; 'takt data verify' lists what is missing, 'takt data fetch --all' brings it from another remote");
    }
}
