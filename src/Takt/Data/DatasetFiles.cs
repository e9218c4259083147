using System.Collections.Concurrent;
using System.Text;
using Takt.Data.Trees;
using Takt.Storage.Packs;

namespace Takt.Data;

/// <summary>Single files and pages of files of a version: of a tree of millions only the leaves that are needed are read.</summary>
public sealed class DatasetFiles(PackStore store)
{
    const int MostTrees = 64;

    // a tree never changes: one that is listed page by page is asked for again and again
    readonly ConcurrentDictionary<Digest, List<TreeNodeRef>> _leaves = new();

    /// <summary>The file at a path; null when there is none, or a link.</summary>
    public async Task<TreeFile?> Find(Digest tree, string path, CancellationToken cancel = default)
    {
        var wanted = Encoding.UTF8.GetBytes(path);
        var walk = new Walk(this, await Leaves(tree, cancel));
        return await walk.Seek(wanted, cancel) is { } found && found.Path.AsSpan().SequenceEqual(wanted) && found.Mode != TreeFileMode.Link ? found.File : null;
    }

    /// <summary>Files in the order of their paths' UTF-8 bytes; where a delimiter is given, those with the same beginning up to it are one. Links are left out.</summary>
    /// <param name="prefix">Only paths that begin with it.</param>
    /// <param name="after">Only behind this path, or behind all that begins with it (<paramref name="afterAll"/>); empty: from the start.</param>
    /// <param name="most">Files and beginnings together.</param>
    public async Task<FilePage> Page(Digest tree, string prefix, string after, bool afterAll, string? delimiter, int most, CancellationToken cancel = default)
    {
        var (files, groups) = (new List<TreeFile>(), new List<string>());
        var (start, cut) = (Encoding.UTF8.GetBytes(prefix), delimiter is null ? [] : Encoding.UTF8.GetBytes(delimiter));
        var from = after.Length == 0 ? start : afterAll ? Behind(Encoding.UTF8.GetBytes(after)) : [.. Encoding.UTF8.GetBytes(after), 0];
        if (TreeEntry.Compare(from, start) < 0) from = start;
        var walk = new Walk(this, await Leaves(tree, cancel));
        for (var entry = await walk.Seek(from, cancel); entry is { } file && file.Path.AsSpan().StartsWith(start);)
        {
            if (file.Mode == TreeFileMode.Link)
            {
                entry = await walk.Next(cancel);
                continue;
            }
            if (files.Count + groups.Count >= most) return new(files, groups, true);
            if (cut.Length > 0 && file.Path.AsSpan(start.Length).IndexOf(cut) is >= 0 and var at)
            {
                var group = file.Path[..(start.Length + at + cut.Length)];
                groups.Add(Encoding.UTF8.GetString(group));
                entry = await walk.Seek(Behind(group), cancel);
            }
            else
            {
                files.Add(file.File);
                entry = await walk.Next(cancel);
            }
        }
        return new(files, groups, false);
    }

    // the first that begins otherwise; no byte of UTF-8 is 255
    static byte[] Behind(byte[] start)
    {
        if (start.Length == 0) return [255];
        var behind = (byte[])start.Clone();
        behind[^1]++;
        return behind;
    }

    async Task<List<TreeNodeRef>> Leaves(Digest tree, CancellationToken cancel)
    {
        if (_leaves.TryGetValue(tree, out var known)) return known;
        var leaves = await new TreeReader(store.Reader).Leaves(ContentId.From(tree), cancel);
        if (_leaves.Count >= MostTrees) _leaves.Clear();
        return _leaves[tree] = leaves;
    }

    sealed class Walk(DatasetFiles of, List<TreeNodeRef> leaves)
    {
        int _leaf = -1, _file;
        List<TreeEntry> _files = [];

        /// <summary>The first at or behind a path.</summary>
        public async ValueTask<TreeEntry?> Seek(byte[] path, CancellationToken cancel)
        {
            var (low, high) = (0, leaves.Count);
            while (low < high)
            {
                var middle = (low + high) >>> 1;
                if (TreeEntry.Compare(leaves[middle].Last, path) < 0) low = middle + 1;
                else high = middle;
            }
            if (!await Load(low, cancel)) return null;
            (low, high) = (0, _files.Count);
            while (low < high)
            {
                var middle = (low + high) >>> 1;
                if (TreeEntry.Compare(_files[middle].Path, path) < 0) low = middle + 1;
                else high = middle;
            }
            _file = low;
            return _files[low]; // the leaf's last is not before it
        }

        public async ValueTask<TreeEntry?> Next(CancellationToken cancel)
        {
            if (++_file < _files.Count) return _files[_file];
            return await Load(_leaf + 1, cancel) ? _files[_file] : null;
        }

        async ValueTask<bool> Load(int leaf, CancellationToken cancel)
        {
            if (leaf >= leaves.Count) return false;
            if (leaf != _leaf) _files = await new TreeReader(of.Reader).Leaf(leaves[leaf].Id, cancel);
            (_leaf, _file) = (leaf, 0);
            return true;
        }
    }

    BlobReader Reader => store.Reader;
}
