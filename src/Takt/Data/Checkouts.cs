using System.Security.Cryptography;
using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Data;

/// <summary>Trees onto the disk.</summary>
static class Checkouts
{
    /// <summary>Makes the folder hold the tree and nothing else, swapped in one step.</summary>
    public static async Task Folder(PackStore blobs, DatasetTree tree, string folder, CancellationToken cancel)
    {
        folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        if (Directory.Exists(folder))
        {
            if (await Holds(folder, tree, cancel)) return;
            await RefuseToLose(blobs, folder, cancel);
        }
        var parent = Path.GetDirectoryName(folder)!;
        Directory.CreateDirectory(parent);
        var tmp = Path.Combine(parent, $".{Path.GetFileName(folder)}.{Guid.NewGuid():N}.tmp");
        try
        {
            await Fill(blobs.Reader, tree, tmp, cancel);
            if (Directory.Exists(folder)) Files.Exchange(tmp, folder); // tmp is the old one now
            else Directory.Move(tmp, folder);
            Files.SyncFolder(parent);
        }
        finally
        {
            if (Directory.Exists(tmp)) Directory.Delete(tmp, recursive: true);
        }
    }

    /// <exception cref="TaktException">Invalid: the tree has not exactly one file.</exception>
    public static async Task SingleFile(PackStore blobs, DatasetTree tree, string path, CancellationToken cancel)
    {
        if (tree.Files.Count != 1)
            throw TaktException.Invalid($"'{path}' would be a file, and the version has {tree.Files.Count} files; end the path with '/' to make it a folder");
        path = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        if (File.Exists(path) && await blobs.Length(await Hash(path, cancel), cancel) is null) throw Lost(path);
        var tmp = $"{path}.{Guid.NewGuid():N}.tmp";
        Place(blobs.Reader, tree.Files[0], tmp);
        File.Move(tmp, path, overwrite: true);
        Files.SyncFolder(Path.GetDirectoryName(path)!);
        // rename(2) of two links to one file does nothing and leaves both
        File.Delete(tmp);
    }

    const int MostFaults = 20;

    /// <summary>Makes every file of the tree in a new folder, on all cores.</summary>
    /// <exception cref="TaktException">NotFound, Invalid: files that the store lacks or holds damaged; they are named, the others were made. Unavailable: the disk is full.</exception>
    public static async Task Fill(BlobReader blobs, DatasetTree tree, string folder, CancellationToken cancel)
    {
        Directory.CreateDirectory(folder);
        string? last = null;
        foreach (var file in tree.Files)
            if (Path.GetDirectoryName(file.Path) is { Length: > 0 } below && below != last) Directory.CreateDirectory(Path.Combine(folder, last = below));
        WorkProgress.ToDo(tree.Files.Count, tree.Files.Sum(file => file.Size));
        var faults = new List<(string Path, TaktException Fault)>();
        await Parallel.ForEachAsync(tree.Files, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = cancel }, (file, _) =>
        {
            try
            {
                Place(blobs, file, Path.Combine(folder, file.Path));
            }
            catch (TaktException e) when (e.Error is TaktError.NotFound or TaktError.Invalid)
            {
                lock (faults) faults.Add((file.Path, e));
            }
            return ValueTask.CompletedTask;
        });
        if (faults.Count == 0) return;
        faults.Sort((a, b) => string.CompareOrdinal(a.Path, b.Path));
        var shown = faults.Take(MostFaults).Select(one => one.Fault.Message);
        throw new TaktException(faults[0].Fault.Error, faults.Count > MostFaults ? [.. shown, $"and {faults.Count - MostFaults:N0} more files"] : [.. shown]);
    }

    static void Place(BlobReader blobs, TreeFile file, string path)
    {
        var id = ContentId.From(file.Digest);
        try
        {
            if (file.Mode == TreeFileMode.Link) File.CreateSymbolicLink(path, System.Text.Encoding.UTF8.GetString(blobs.Bytes(id).GetAwaiter().GetResult()));
            else blobs.Place(id, path, file.Mode == TreeFileMode.Executable);
            WorkProgress.Done(1, file.Size);
        }
        catch (TaktException e) when (e.Error is TaktError.NotFound or TaktError.Invalid)
        {
            throw new TaktException(e.Error, $"'{file.Path}': {e.Message}", e);
        }
    }

    static async Task<bool> Holds(string folder, DatasetTree tree, CancellationToken cancel)
    {
        var there = Directory.GetFiles(folder, "*", SearchOption.AllDirectories);
        if (there.Length != tree.Files.Count) return false;
        foreach (var file in tree.Files)
        {
            var path = Path.Combine(folder, file.Path);
            if (FileStat.OfLink(path) is not { } stat || (stat.Size != file.Size && stat.Kind == FileKind.File) || await Hash(path, cancel) != file.Digest) return false;
        }
        return true;
    }

    // what is about to be replaced must be in the store, or somebody's work would be gone
    static async Task RefuseToLose(PackStore blobs, string folder, CancellationToken cancel)
    {
        foreach (var path in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
            if (await blobs.Length(await Hash(path, cancel), cancel) is null) throw Lost(path);
    }

    static TaktException Lost(string path) =>
        TaktException.Conflict($"'{path}' is in no version of the data and would be lost; move it away, or collect it, and try again");

    static async Task<Digest> Hash(string path, CancellationToken cancel)
    {
        if (new FileInfo(path).LinkTarget is { } target) return Digest.Of(System.Text.Encoding.UTF8.GetBytes(target));
        await using var content = File.OpenRead(path);
        return Digest.FromHash(await SHA256.HashDataAsync(content, cancel));
    }
}
