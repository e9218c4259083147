using Takt.Storage.Packs;

namespace Takt.Data.Trees;

/// <summary>
/// Makes a tree of files that come in the order of their paths: a map cut by content (a "prolly tree"), so that equal files give an equal tree however they
/// came together, and a changed file changes one leaf and the nodes above it. Memory: one leaf and the names of the others.
/// </summary>
/// <param name="store">Stores a node and gives its id.</param>
sealed class TreeBuilder(Func<byte[], ContentId> store)
{
    readonly List<TreeEntry> _leaf = [];
    readonly List<TreeNodeRef> _leaves = [];
    byte[]? _last;

    /// <summary>No file is waiting for its leaf to be full: whole leaves may follow as they are.</summary>
    public bool AtLeafStart => _leaf.Count == 0;

    /// <exception cref="TaktException">Invalid: the path does not come behind the one before.</exception>
    public void Add(in TreeEntry file)
    {
        if (_last is not null && TreeEntry.Compare(_last, file.Path) >= 0)
            throw TaktException.Invalid($"two files would be '{file.File.Path}' in the dataset; collect from one folder, or rename one");
        _last = file.Path;
        _leaf.Add(file);
        if (TreeNode.EndsLeaf(file.Path, _leaf.Count)) EndLeaf();
    }

    /// <summary>A leaf of another tree, as it is.</summary>
    public void AddLeaf(in TreeNodeRef leaf)
    {
        _leaves.Add(leaf);
        _last = leaf.Last;
    }

    /// <summary>The root's id, the number of files and their bytes.</summary>
    public TreeNodeRef Finish()
    {
        if (_leaf.Count > 0) EndLeaf();
        if (_leaves.Count == 0) return new TreeNodeRef([], 0, 0, store(TreeNode.Leaf([])));
        var nodes = _leaves;
        for (var level = 1; nodes.Count > 1; level++)
        {
            var above = new List<TreeNodeRef>();
            var branch = new List<TreeNodeRef>();
            for (var i = 0; i < nodes.Count; i++)
            {
                branch.Add(nodes[i]);
                if (i < nodes.Count - 1 && !TreeNode.EndsBranch(nodes[i].Last, branch.Count, level)) continue;
                above.Add(new TreeNodeRef(nodes[i].Last, branch.Sum(node => node.Files), branch.Sum(node => node.Bytes), store(TreeNode.Branch(branch, level))));
                branch.Clear();
            }
            nodes = above;
        }
        return nodes[0];
    }

    void EndLeaf()
    {
        long bytes = 0;
        foreach (var file in _leaf) bytes += file.Size;
        _leaves.Add(new TreeNodeRef(_leaf[^1].Path, _leaf.Count, bytes, store(TreeNode.Leaf(_leaf))));
        _leaf.Clear();
    }
}
