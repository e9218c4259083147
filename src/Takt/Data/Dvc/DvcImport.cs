using Takt.Data.Trees;
using Takt.Data.WorkTrees;
using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Data.Dvc;

/// <summary>
/// Takes over what DVC tracks in a work tree: outputs of <c>.dvc</c> files and of the stages in <c>dvc.lock</c>, of DVC 2 and 3, from its cache, the work tree or its remotes.
/// Nothing of DVC's is changed, and files of the work tree that differ from what DVC has stay as they are.
/// </summary>
public sealed class DvcImport : IDisposable
{
    readonly WorkTree _tree;
    readonly Database _database;
    readonly PackStore _store;
    readonly TimeProvider _time;
    readonly DvcObjects _objects;
    readonly DvcStore _content;

    /// <param name="open">Opens an object of a remote in a bucket, by its name below the remote's address and, where one is meant, its version; null: it is not there.</param>
    /// <param name="remote">The only remote that is asked; null: all, the default one first.</param>
    /// <exception cref="TaktException">NotFound: it is no DVC project, or has no such remote.</exception>
    public DvcImport(WorkTree tree, Database database, PackStore store, TimeProvider time, Func<DvcRemote, string, string?, CancellationToken, Task<Stream?>> open, string? remote = null)
    {
        (_tree, _database, _store, _time) = (tree, database, store, time);
        var state = Path.Combine(tree.Root, ".dvc");
        if (!Directory.Exists(state)) throw TaktException.NotFound($"'{tree.Root}' has no .dvc folder: it is no DVC project");
        var config = new DvcConfig(state);
        if (remote is not null && config.Remotes.All(one => one.Name != remote))
            throw TaktException.NotFound($"DVC has no remote '{remote}' here; " + (config.Remotes.Count == 0 ? "it has none" : $"there are: {string.Join(", ", config.Remotes.Select(one => one.Name))}"));
        _objects = new DvcObjects(config, open, time) { Only = remote };
        _content = new DvcStore(tree.Root, store, database, _objects);
    }

    /// <summary>All <c>.dvc</c> files and <c>dvc.lock</c>s of the work tree, in order, from its root.</summary>
    public IReadOnlyList<string> Find()
    {
        var found = new List<string>();
        var todo = new Stack<string>([_tree.Root]);
        while (todo.TryPop(out var folder))
        {
            found.AddRange(Directory.EnumerateFiles(folder).Where(DvcFiles.IsPointer).Select(file => Path.GetRelativePath(_tree.Root, file)));
            foreach (var below in new DirectoryInfo(folder).EnumerateDirectories())
                if (below.Name is not (".dvc" or ".git" or ".takt" or "node_modules") && below.LinkTarget is null) todo.Push(below.FullName);
        }
        found.Sort(StringComparer.Ordinal);
        return found;
    }

    /// <summary>Makes versions of what pointers name, and the files in the work tree that are missing there.</summary>
    /// <param name="pointers">From the root.</param>
    /// <param name="told">Told each output that is taken over.</param>
    public async Task<DvcImported> Run(IReadOnlyList<string> pointers, Action<DvcTaken>? told = null, CancellationToken cancel = default)
    {
        var (outputs, left, faults, taken) = (new List<DvcOutput>(), new List<string>(), new List<string>(), new List<DvcTaken>());
        foreach (var pointer in pointers)
        {
            try
            {
                var beside = Path.Combine(_tree.Root, Path.GetDirectoryName(pointer)!, "dvc.yaml");
                var (found, leftHere) = DvcFiles.Read(pointer, await File.ReadAllTextAsync(Path.Combine(_tree.Root, pointer), cancel), File.Exists(beside) ? await File.ReadAllTextAsync(beside, cancel) : null);
                outputs.AddRange(found);
                left.AddRange(leftHere);
            }
            catch (Exception e) when (e is TaktException { Error: TaktError.Invalid } or IOException)
            {
                faults.Add(e is TaktException ? e.Message : $"'{pointer}' can't be read: {e.Message}");
            }
        }
        var names = DatasetNames(outputs.Select(output => output.Path));
        await using var writer = await _store.Begin("import from DVC");
        foreach (var output in outputs)
        {
            try
            {
                var root = await _content.Bring(writer, output, workTree: true, cancel);
                var done = output.IsFolder ? await Folder(writer, output, names[output.Path], root, left, cancel) : await Single(writer, output, root, left, cancel);
                taken.Add(done);
                told?.Invoke(done);
            }
            catch (TaktException e) when (e.Error is TaktError.NotFound or TaktError.Invalid)
            {
                faults.AddRange(e.Faults); // the others are taken over all the same
            }
        }
        return new DvcImported(taken, left, [.. faults, .. _objects.Away], _content.Moved.Files, _content.Moved.Bytes);
    }

    /// <summary>What pointers named in each commit of git's history, the oldest first, as versions of datasets: of a folder, and of a file as a dataset of that one file.</summary>
    /// <exception cref="TaktException">NotFound: no git repository, or no git.</exception>
    public Task<DvcImported> History(Action<DvcTaken>? told = null, CancellationToken cancel = default) => new DvcHistory(_tree, _database, _store, _time, _content, _objects).Run(told, cancel);

    public void Dispose() => _objects.Dispose();

    /// <summary>A dataset for each path: the path's last part; all of it where several end alike.</summary>
    internal static Dictionary<string, string> DatasetNames(IEnumerable<string> paths) => paths.Distinct().GroupBy(WorkTree.DatasetName)
        .SelectMany(group => group.Select(path => (path, Name: group.Count() == 1 ? group.Key : WorkTree.DatasetName(path.Replace('/', '-'))))).ToDictionary(one => one.path, one => one.Name, StringComparer.Ordinal);

    async Task<DvcTaken> Folder(StoreWriter writer, DvcOutput output, string dataset, TreeNodeRef root, List<string> left, CancellationToken cancel)
    {
        var pointer = _tree.Root + "/" + output.Path + ".takt";
        if (File.Exists(pointer) && TrackedPath.Read(_tree.Root, pointer).Dataset is { } named) dataset = named;
        var (tip, isNew) = await Version(writer, dataset, DatasetReference.Main, root, output.Path, $"import {output.Pointer}", cancel);
        _tree.Point(output.Path, tip, root);
        await Files(output.Path, root.Id, left, cancel);
        return new DvcTaken(output.Pointer, output.Path, isNew, tip, root.Bytes);
    }

    async Task<(DatasetCommit Tip, bool IsNew)> Version(StoreWriter writer, string dataset, string branch, TreeNodeRef root, string path, string message, CancellationToken cancel)
    {
        for (var attempt = 1; ; attempt++)
        {
            var tip = _database.Read(session => DatasetTable.Tip(session, dataset, branch) is { } target ? DatasetTable.Find(session, dataset, target) : null);
            if (tip is not null && tip.Tree == root.Id.Digest)
            {
                await writer.Commit(_ => { }, cancel);
                return (tip, false);
            }
            var now = DateTimeOffset.FromUnixTimeMilliseconds(_time.GetUtcNow().ToUnixTimeMilliseconds());
            var commit = new DatasetCommit(dataset, root.Id.Digest, tip is null ? [] : [tip.Id], Environment.UserName, now, message, path, root.Files, root.Bytes, null, null);
            writer.Add(commit.Json());
            try
            {
                await writer.Commit(session => DatasetTable.Add(session, commit, branch, tip?.Id, now, message), cancel);
                return (commit, true);
            }
            catch (TaktException e) when (e.Error == TaktError.Conflict && attempt < 5)
            {
                // somebody else's version came between: build on theirs
            }
        }
    }

    async Task<DvcTaken> Single(StoreWriter writer, DvcOutput output, TreeNodeRef root, List<string> left, CancellationToken cancel)
    {
        var pointer = _tree.Root + "/" + output.Path + ".takt";
        var isNew = !File.Exists(pointer) || TrackedPath.Read(_tree.Root, pointer).Content != root.Id;
        await writer.Commit(session => session.Execute($"insert into dataset_pin(tree, path, pinned) values({root.Id.Digest}, {output.Path}, {_time.GetUtcNow()}) on conflict do nothing"), cancel);
        Put(output.Path, new TreeEntry([], TreeFileMode.File, root.Bytes, root.Id), left);
        _tree.Point(output.Path, null, root);
        return new DvcTaken(output.Pointer, output.Path, isNew, null, root.Bytes);
    }

    async Task Files(string path, ContentId root, List<string> left, CancellationToken cancel)
    {
        await foreach (var file in new TreeReader(_store.Reader).Files(root, cancel)) Put($"{path}/{file.File.Path}", file, left);
    }

    // what is missing, or a link into DVC's cache, which may go one day
    void Put(string path, in TreeEntry file, List<string> left)
    {
        var full = Path.Combine(_tree.Root, path);
        if (Directory.Exists(full) && new FileInfo(full).LinkTarget is null)
        {
            left.Add($"'{path}' is a folder, and a file at DVC: left as it is");
            return;
        }
        if (FileStat.OfLink(full) is { } there)
        {
            if (there.Kind != FileKind.Link || !_objects.IsCache(Path.GetFullPath(new FileInfo(full).LinkTarget!, Path.GetDirectoryName(full)!))) return;
            File.Delete(full);
        }
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        WorkTreeCheckout.Put(_store.Reader, file, full);
    }
}
