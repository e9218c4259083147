using Takt.Data.Trees;
using Takt.Storage.Packs;

namespace Takt.Data;

/// <summary>The files of one version of a dataset, by path in the order of their UTF-8 bytes, whole in memory. Equal trees have equal ids.</summary>
public sealed class DatasetTree
{
    readonly Lazy<TreeNodeRef> _root;

    /// <exception cref="TaktException">Invalid: a path twice, or one that would leave the folder.</exception>
    public DatasetTree(IEnumerable<TreeFile> files)
    {
        var entries = files.Select(file => (File: file, Entry: TreeEntry.Of(file))).ToList();
        entries.Sort((a, b) => TreeEntry.Compare(a.Entry.Path, b.Entry.Path));
        Files = entries.ConvertAll(entry => entry.File);
        for (var i = 0; i < Files.Count; i++)
        {
            CheckPath(Files[i].Path);
            if (i > 0 && Files[i - 1].Path == Files[i].Path) throw TaktException.Invalid($"two files would be '{Files[i].Path}' in the dataset; collect from one folder, or rename one");
        }
        _root = new Lazy<TreeNodeRef>(() => Build(node => ContentId.Of(node)));
    }

    /// <summary>A tree that was read.</summary>
    internal DatasetTree(IReadOnlyList<TreeFile> files, TreeNodeRef root) => (Files, _root) = (files, new Lazy<TreeNodeRef>(root));

    public IReadOnlyList<TreeFile> Files { get; }

    /// <summary>Of its root node.</summary>
    public Digest Id => _root.Value.Id.Digest;

    /// <summary>In bytes.</summary>
    public long Size => Files.Sum(file => file.Size);

    /// <summary>These files in place of those of the same path; the others stay.</summary>
    public DatasetTree With(IEnumerable<TreeFile> files)
    {
        var all = Files.ToDictionary(file => file.Path, StringComparer.Ordinal);
        foreach (var file in files) all[file.Path] = file;
        return new DatasetTree(all.Values);
    }

    /// <exception cref="TaktException">Invalid: it is absolute, empty, or has an empty part, <c>.</c> or <c>..</c>.</exception>
    public static void CheckPath(string path)
    {
        if (!IsPath(path))
            throw TaktException.Invalid($"'{path}' is not a path inside a dataset");
    }

    internal static bool IsPath(string path) => path.Length > 0 && path[0] != '/' && !path.Contains('\0') && !path.Split('/').Any(part => part is "" or "." or "..");

    internal TreeNodeRef Build(Func<byte[], ContentId> store)
    {
        var builder = new TreeBuilder(store);
        foreach (var file in Files) builder.Add(TreeEntry.Of(file));
        return builder.Finish();
    }
}
