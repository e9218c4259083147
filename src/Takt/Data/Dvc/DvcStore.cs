using System.Text;
using System.Text.Json;
using Takt.Data.Trees;
using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Data.Dvc;

/// <summary>Brings outputs of DVC's into the store: what the store has already stays where it is, the rest comes from DVC's cache, the work tree or DVC's remotes, each compared with its MD5.</summary>
/// <param name="root">Of the work tree.</param>
sealed class DvcStore(string root, PackStore store, Database database, DvcObjects objects)
{
    /// <summary>Files that are brought in together; what came of them survives when the rest does not come.</summary>
    const int Batch = 256;

    const int FetchesAtOnce = 8;
    const long LargestFolderList = 1L << 30;

    readonly Md5Names _names = new(database);

    /// <summary>What came from somewhere else than the store, in files and bytes.</summary>
    public (long Files, long Bytes) Moved { get; private set; }

    /// <summary>The root of an output's tree, or the file; all of it is in the store.</summary>
    /// <param name="workTree">Its files may come from the work tree.</param>
    /// <exception cref="TaktException">NotFound: content that is nowhere, or damaged; all is named. What was there is in the store.</exception>
    public async Task<TreeNodeRef> Bring(StoreWriter writer, DvcOutput output, bool workTree, CancellationToken cancel)
    {
        if (output.Md5 is { } md5 && _names.Find(md5, output.Legacy) is { } known && await Whole(writer, known, output.IsFolder, cancel) is { } there) return there;
        var faults = new List<string>();
        var files = output.IsFolder ? output.Files ?? await List(output, faults, cancel) : [new DvcFile("", output.Md5!, output.Cloud)];
        foreach (var file in output.IsFolder ? files : [])
            if (!DatasetTree.IsPath(file.Path)) faults.Add($"{output.Pointer}: the list of the files of '{output.Path}' is damaged: '{file.Path}' is no path inside it");
        if (faults.Count > 0) files = [];
        var entries = files.Select(file => (Path: Encoding.UTF8.GetBytes(file.Path), File: file)).OrderBy(entry => entry.Path, PathBytes).ToList();
        var builder = new TreeBuilder(node => writer.Add(node));
        TreeNodeRef root = default;
        foreach (var batch in entries.Chunk(Batch))
        {
            var found = await Take(writer, output, batch.Select(entry => entry.File).ToList(), workTree, faults, cancel);
            for (var i = 0; i < batch.Length && faults.Count == 0; i++)
            {
                if (output.IsFolder) builder.Add(new TreeEntry(batch[i].Path, found[i].Mode, found[i].Size, found[i].Id));
                else root = new TreeNodeRef([], 1, found[i].Size, found[i].Id);
            }
        }
        if (faults.Count > 0) throw new TaktException(TaktError.NotFound, faults.Count <= 20 ? faults : [.. faults.Take(20), $"{output.Pointer}: and {faults.Count - 20:N0} more of '{output.Path}'"]);
        if (!output.IsFolder) return root;
        root = builder.Finish();
        if (output.Md5 is not null) await writer.Commit(session => Md5Names.Add(session, output.Md5, output.Legacy, root.Id), cancel);
        return root;
    }

    static readonly Comparer<byte[]> PathBytes = Comparer<byte[]>.Create((a, b) => TreeEntry.Compare(a, b));

    async Task<TreeNodeRef?> Whole(StoreWriter writer, ContentId id, bool isFolder, CancellationToken cancel)
    {
        if (!writer.Has(id)) return null;
        if (!isFolder) return new TreeNodeRef([], 1, (await store.Length(id.Digest, cancel))!.Value, id);
        var (files, bytes) = (0L, 0L);
        try
        {
            await foreach (var file in new TreeReader(store.Reader).Files(id, cancel))
            {
                if (!writer.Has(file.Id)) return null;
                (files, bytes) = (files + 1, bytes + file.Size);
            }
        }
        catch (TaktException e) when (e.Error is TaktError.NotFound or TaktError.Invalid)
        {
            return null; // part of it is gone: it is brought in again
        }
        return new TreeNodeRef([], files, bytes, id);
    }

    // each file's id and size; a fault for each that is nowhere
    async Task<(ContentId Id, long Size, TreeFileMode Mode)[]> Take(StoreWriter writer, DvcOutput output, List<DvcFile> files, bool workTree, List<string> faults, CancellationToken cancel)
    {
        var found = new (ContentId Id, long Size, TreeFileMode Mode)[files.Count];
        var scratch = Path.Combine(store.Scratch, Guid.NewGuid().ToString("N"));
        Directory.CreateDirectory(scratch);
        try
        {
            var places = new (string? File, string? Fault)[files.Count];
            await Parallel.ForEachAsync(Enumerable.Range(0, files.Count), new ParallelOptions { MaxDegreeOfParallelism = FetchesAtOnce, CancellationToken = cancel }, async (i, token) =>
            {
                if (_names.Find(files[i].Md5, output.Legacy) is { } id && await store.Length(id.Digest, token) is { } length) found[i] = (id, length, default);
                else places[i] = await Place(output, files[i], workTree, Path.Combine(scratch, $"{i}"), token);
            });
            var fresh = new List<(string Md5, ContentId Id)>();
            var intake = new FileIntake<int>(writer, (i, taken) => Have(i, taken.Id, taken.Stat.Size));
            for (var i = 0; i < files.Count; i++)
            {
                if (places[i].Fault is { } fault) faults.Add(fault);
                if (places[i].File is not { } file)
                {
                    if (found[i].Id != default && !writer.Has(found[i].Id)) faults.Add($"{output.Pointer}: '{Full(output, files[i])}' was removed from the store meanwhile; try again");
                    continue;
                }
                var stat = FileStat.Of(file)!.Value;
                if (!FileIntake<int>.IsWeight(files[i].Path.Length == 0 ? output.Path : files[i].Path, stat.Size, writer.Config)) intake.Add(file, stat, i);
                else
                {
                    await using var content = File.OpenRead(file);
                    Have(i, ContentId.From((await writer.AddLoose(content, cancel)).Id), stat.Size); // what caches it has no ending that would tell
                }
            }
            intake.Finish();
            if (fresh.Count > 0)
                await writer.Commit(session =>
                {
                    foreach (var (md5, id) in fresh) Md5Names.Add(session, md5, output.Legacy, id);
                }, cancel);
            for (var i = 0; i < files.Count; i++)
                if (workTree && output.IsFolder && FileStat.OfLink(Path.Combine(root, Full(output, files[i]))) is { Kind: FileKind.File, Executable: true }) found[i].Mode = TreeFileMode.Executable;
            return found;

            void Have(int i, ContentId id, long size)
            {
                found[i] = (id, size, default);
                fresh.Add((files[i].Md5, id));
                Moved = (Moved.Files + 1, Moved.Bytes + size);
            }
        }
        finally
        {
            Directory.Delete(scratch, recursive: true);
        }
    }

    // a file with the content, verified
    async Task<(string? File, string? Fault)> Place(DvcOutput output, DvcFile file, bool workTree, string scratch, CancellationToken cancel)
    {
        var path = Full(output, file);
        var here = Path.Combine(root, path);
        if (!DvcMd5.IsId(file.Md5)) return (null, $"{output.Pointer}: '{path}' is said to be '{file.Md5}', which is no MD5");
        var cached = objects.Cached(file.Md5);
        if (cached is not null && DvcMd5.Is(cached, file.Md5, output.Legacy)) return (cached, null);
        if (workTree && FileStat.OfLink(here) is { Kind: FileKind.File } && DvcMd5.Is(here, file.Md5, output.Legacy)) return (here, null);
        if (await objects.Fetch(file.Md5, path, file.Cloud, output.Remote, scratch, cancel) is { } from)
            return DvcMd5.Is(scratch, file.Md5, output.Legacy) ? (scratch, null) : (null, $"{output.Pointer}: '{path}' is damaged at the remote {from}: it is other content than its name {file.Md5} says");
        return (null, cached is not null ? $"{output.Pointer}: '{path}' is damaged in DVC's cache: '{cached}' is other content than its name says; remove it, and 'dvc fetch' brings it again"
            : $"{output.Pointer}: '{path}' ({file.Md5}) is neither in DVC's cache nor in the work tree nor at a remote that could be asked");
    }

    async Task<IReadOnlyList<DvcFile>> List(DvcOutput output, List<string> faults, CancellationToken cancel)
    {
        var scratch = Path.Combine(store.Scratch, Guid.NewGuid().ToString("N"));
        try
        {
            var list = DvcMd5.IsId(output.Md5!) ? objects.Cached(output.Md5!) : null;
            if (list is null && await objects.Fetch(output.Md5!, output.Path, null, output.Remote, scratch, cancel) is not null) list = scratch;
            if (list is null)
            {
                faults.Add($"{output.Pointer}: the list of the files of '{output.Path}' ({output.Md5}) is neither in DVC's cache nor at a remote that could be asked; 'dvc fetch' brings it");
                return [];
            }
            if (new FileInfo(list).Length > LargestFolderList) throw new JsonException("it is too long");
            var bytes = await File.ReadAllBytesAsync(list, cancel);
            if (DvcMd5.Of(bytes) + ".dir" != output.Md5) throw new JsonException("it is other content than its name says");
            using var json = JsonDocument.Parse(bytes);
            var files = json.RootElement.EnumerateArray().Select(entry => new DvcFile(entry.GetProperty("relpath").GetString()!, entry.GetProperty("md5").GetString()!, null)).ToList();
            return files;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException || e is TaktException { Error: TaktError.Invalid })
        {
            faults.Add($"{output.Pointer}: the list of the files of '{output.Path}' ({output.Md5}) is damaged: {e.Message}");
            return [];
        }
        finally
        {
            File.Delete(scratch);
        }
    }

    static string Full(DvcOutput output, DvcFile file) => file.Path.Length == 0 ? output.Path : $"{output.Path}/{file.Path}";
}
