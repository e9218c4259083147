using Takt.Storage.Packs;

namespace Takt.Data.Trees;

/// <summary>Reads trees node by node.</summary>
sealed class TreeReader(BlobReader blobs)
{
    /// <summary>All leaves in the order of their paths; reads the branches only.</summary>
    public async Task<List<TreeNodeRef>> Leaves(ContentId root, CancellationToken cancel = default)
    {
        var node = await blobs.Bytes(root, cancel);
        if (TreeNode.IsLeaf(node))
        {
            var files = TreeNode.Files(node, root);
            return files.Count == 0 ? [] : [new TreeNodeRef(files[^1].Path, files.Count, files.Sum(file => file.Size), root)];
        }
        var (nodes, level) = TreeNode.Nodes(node, root);
        for (; level > 1; level--)
        {
            var below = new List<TreeNodeRef>();
            foreach (var one in nodes) below.AddRange(TreeNode.Nodes(await blobs.Bytes(one.Id, cancel), one.Id).Nodes);
            nodes = below;
        }
        return nodes;
    }

    public async Task<List<TreeEntry>> Leaf(ContentId leaf, CancellationToken cancel = default) => TreeNode.Files(await blobs.Bytes(leaf, cancel), leaf);

    /// <summary>Every file, in the order of the paths' bytes.</summary>
    public async IAsyncEnumerable<TreeEntry> Files(ContentId root, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancel = default)
    {
        foreach (var leaf in await Leaves(root, cancel))
            foreach (var file in await Leaf(leaf.Id, cancel)) yield return file;
    }

    /// <summary>The paths in which two trees differ, in order; leaves that both have are not read.</summary>
    public async IAsyncEnumerable<TreeChange> Changes(ContentId before, ContentId after, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancel = default)
    {
        if (before == after) yield break;
        var (a, b) = (new Walk(this, await Leaves(before, cancel)), new Walk(this, await Leaves(after, cancel)));
        while (true)
        {
            while (a.AtStart && b.AtStart && a.LeafId is { } id && id == b.LeafId)
            {
                a.SkipLeaf();
                b.SkipLeaf();
            }
            var (old, fresh) = (await a.Current(cancel), await b.Current(cancel));
            if (old is null && fresh is null) yield break;
            var order = old is null ? 1 : fresh is null ? -1 : TreeEntry.Compare(old.Value.Path, fresh.Value.Path);
            if (order < 0) yield return new TreeChange(old, null);
            else if (order > 0) yield return new TreeChange(null, fresh);
            else if (!old!.Value.SameContent(fresh!.Value)) yield return new TreeChange(old, fresh);
            if (order <= 0) a.Next();
            if (order >= 0) b.Next();
        }
    }

    /// <summary>The tree with some files changed: only the leaves in which one lies are read and written anew.</summary>
    /// <param name="changes">In the order of the paths; <see cref="TreeChange.After"/> null removes.</param>
    public async Task<TreeNodeRef> Apply(ContentId root, IReadOnlyList<TreeChange> changes, Func<byte[], ContentId> store, CancellationToken cancel = default)
    {
        var leaves = await Leaves(root, cancel);
        var builder = new TreeBuilder(store);
        var at = 0;
        for (var i = 0; i < leaves.Count; i++)
        {
            var last = i == leaves.Count - 1;
            // whole leaves may be kept where neither a change falls into them nor a file before them waits for its leaf's end
            if (builder.AtLeafStart && (at == changes.Count || (!last && TreeEntry.Compare(changes[at].Path, leaves[i].Last) > 0)))
            {
                builder.AddLeaf(leaves[i]);
                continue;
            }
            foreach (var file in await Leaf(leaves[i].Id, cancel))
            {
                for (; at < changes.Count && TreeEntry.Compare(changes[at].Path, file.Path) < 0; at++)
                    if (changes[at].After is { } added) builder.Add(added);
                if (at < changes.Count && TreeEntry.Compare(changes[at].Path, file.Path) == 0)
                {
                    if (changes[at++].After is { } changed) builder.Add(changed);
                }
                else builder.Add(file);
            }
        }
        for (; at < changes.Count; at++)
            if (changes[at].After is { } added) builder.Add(added);
        return builder.Finish();
    }

    sealed class Walk(TreeReader reader, List<TreeNodeRef> leaves)
    {
        int _leaf, _file;
        List<TreeEntry>? _files;

        public bool AtStart => _file == 0;

        public ContentId? LeafId => _leaf < leaves.Count ? leaves[_leaf].Id : null;

        public void SkipLeaf() => (_leaf, _files) = (_leaf + 1, null);

        public async ValueTask<TreeEntry?> Current(CancellationToken cancel) =>
            _leaf >= leaves.Count ? null : (_files ??= await reader.Leaf(leaves[_leaf].Id, cancel))[_file];

        public void Next()
        {
            if (++_file < _files!.Count) return;
            (_leaf, _file, _files) = (_leaf + 1, 0, null);
        }
    }
}
