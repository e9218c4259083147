using System.Security.Cryptography;
using System.Text;
using Takt.Data.Trees;
using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Data.Remotes;

/// <summary>Whether a remote has all of every version that its branches and tags lead to. Asks for names and lengths; content is not read, trees only where this store lacks them.</summary>
/// <param name="data">All content is read as well, and compared with its SHA-256: what changed in place counts as missing. All of it comes over the line.</param>
public sealed class RemoteCheck(PackStore store, Remote remote, bool data = false)
{
    const int MostFaults = 1000, Batch = 8192;

    readonly HashSet<ContentId> _trees = [], _lists = [];
    readonly Dictionary<ContentId, bool> _there = [];
    readonly HashSet<ContentId> _damaged = [];
    readonly List<string> _faults = [];

    /// <returns>What is missing there, in words, with the paths that need it; empty when nothing is.</returns>
    public async Task<IReadOnlyList<string>> Run(CancellationToken cancel = default)
    {
        _faults.AddRange(await remote.Lost(cancel) ?? []);
        foreach (var dataset in (await remote.Refs(null, cancel)).GroupBy(one => one.Dataset))
        {
            var tips = dataset.Select(one => one.Target).Distinct().ToList();
            var history = await remote.History(dataset.Key, tips, _ => false, cancel);
            foreach (var tip in tips.Where(tip => history.All(commit => commit.Id != tip))) Add($"{dataset.Key}@{tip}: the version itself is not there");
            foreach (var commit in history)
            {
                var own = new List<(ContentId, string, long)> { (ContentId.From(commit.Id), "its commit", 0) };
                if (commit.Profile is { } profile) own.Add((ContentId.From(profile), "its profile", 0));
                await Files(commit, own, cancel);
                await Tree(commit, ContentId.From(commit.Tree), cancel);
            }
        }
        return _faults;
    }

    async Task Tree(DatasetCommit commit, ContentId root, CancellationToken cancel)
    {
        var todo = new Stack<ContentId>([root]);
        while (todo.TryPop(out var id))
        {
            if (!_trees.Add(id)) continue;
            await Ask([id], cancel);
            if (!_there[id]) Add($"{Named(commit)}: a part of its list of files ({id}) is missing there");
            if (await Content(id, cancel) is not { } node) continue; // told; what it lists can't be looked for
            if (TreeNode.IsLeaf(node)) await Files(commit, TreeNode.Files(node, id).Select(file => (file.Id, $"'{Encoding.UTF8.GetString(file.Path)}'", file.Size)).ToList(), cancel);
            else foreach (var child in TreeNode.Nodes(node, id).Nodes) todo.Push(child.Id);
        }
    }

    async Task Files(DatasetCommit commit, IReadOnlyList<(ContentId Id, string Name, long Size)> files, CancellationToken cancel)
    {
        await Ask(files.Select(file => file.Id), cancel);
        foreach (var (id, name, size) in files)
        {
            if (!_lists.Add(id)) continue;
            var whole = _there[id] ? size <= store.Config.Max || await HasChunks(id, cancel) : !_damaged.Contains(id) && await HasWhole(id, cancel);
            if (!whole) Add($"{Named(commit)}: {name} is not whole there");
        }
    }

    async Task<bool> HasWhole(ContentId id, CancellationToken cancel)
    {
        if (await remote.GetWhole(id, 0, cancel) is not { } found) return false;
        await using var content = found.Content;
        if (data) return await IsRight(id, content, cancel);
        return await store.Whole.Length(id.Digest, cancel) is not { } length || length == found.Length;
    }

    // of a file in chunks, what it consists of is read here; where this store does not have it, the remote's record is asked for
    async Task<bool> HasChunks(ContentId id, CancellationToken cancel)
    {
        if (store.TryFind(id, refresh: false) is { Entry.Kind: RecordKind.Bytes }) return true;
        var (content, isList) = (default(ReadOnlyMemory<byte>), false);
        if (store.TryFind(id, refresh: false) is { } hit) (content, isList) = (hit.Read(), true);
        else await remote.Get([id], record => (content, isList) = (record.Content, record.Kind == RecordKind.ChunkList), cancel);
        return !isList || await HasAll(ChunkList.Parse(content.Span, id), cancel);
    }

    async Task<bool> HasAll(ChunkList list, CancellationToken cancel)
    {
        await Ask(list.Items.Select(item => item.Id), cancel);
        if (list.Items.Any(item => !_there[item.Id])) return false;
        if (!list.OfLists) return true;
        foreach (var item in list.Items)
            if (await Content(item.Id, cancel) is not { } part || !await HasAll(ChunkList.Parse(part, item.Id), cancel)) return false;
        return true;
    }

    async Task<byte[]?> Content(ContentId id, CancellationToken cancel)
    {
        if (store.TryFind(id, refresh: false) is { Entry.Kind: RecordKind.Bytes } hit) return hit.Read();
        byte[]? content = null;
        if (_there[id]) await remote.Get([id], record => content = record.Content.ToArray(), cancel);
        return content;
    }

    async Task Ask(IEnumerable<ContentId> ids, CancellationToken cancel)
    {
        foreach (var batch in ids.Distinct().Where(id => !_there.ContainsKey(id)).ToList().Chunk(Batch))
        {
            var has = await remote.Has(batch, cancel);
            for (var i = 0; i < batch.Length; i++) _there[batch[i]] = has[i];
            if (data) await Read([.. batch.Where((_, i) => has[i])], cancel);
        }
    }

    // what does not come as it should is not there
    async Task Read(IReadOnlyList<ContentId> ids, CancellationToken cancel)
    {
        var wrong = ids.ToHashSet();
        try
        {
            await remote.Get(ids, record =>
            {
                wrong.Remove(record.Id);
                WorkProgress.Done(1, record.Stored.Length);
            }, cancel);
        }
        catch (TaktException e) when (e.Error == TaktError.Invalid)
        {
            foreach (var fault in e.Faults) Add(fault);
        }
        foreach (var id in wrong) _there[id] = false;
        _damaged.UnionWith(wrong);
    }

    async Task<bool> IsRight(ContentId id, Stream content, CancellationToken cancel)
    {
        if (Digest.FromHash(await SHA256.HashDataAsync(content, cancel)) == id.Digest) return true;
        Add($"{remote.Place} holds other bytes than {id} says");
        return false;
    }

    static string Named(DatasetCommit commit) => $"{commit.Dataset}@sha256:{commit.Id.Hex[..12]}";

    void Add(string fault)
    {
        if (_faults.Count < MostFaults) _faults.Add(fault);
    }
}
