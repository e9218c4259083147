using System.Security.Cryptography;
using Takt.Storage;

namespace Takt.Data;

/// <summary>Trees onto the disk.</summary>
static class Checkouts
{
    /// <summary>Makes the folder hold the tree and nothing else, swapped in one step.</summary>
    public static async Task Folder(IBlobStore blobs, DatasetTree tree, string folder, CancellationToken cancel)
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
            await Fill(blobs, tree, tmp, cancel);
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
    public static async Task SingleFile(IBlobStore blobs, DatasetTree tree, string path, CancellationToken cancel)
    {
        if (tree.Files.Count != 1)
            throw TaktException.Invalid($"'{path}' would be a file, and the version has {tree.Files.Count} files; end the path with '/' to make it a folder");
        path = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        if (File.Exists(path) && await blobs.Length(await Hash(path, cancel), cancel) is null) throw Lost(path);
        var tmp = $"{path}.{Guid.NewGuid():N}.tmp";
        Files.LinkOrCopy(await blobs.LocalFile(tree.Files[0].Digest, cancel), tmp);
        File.Move(tmp, path, overwrite: true);
        Files.SyncFolder(Path.GetDirectoryName(path)!);
        // rename(2) of two links to one file does nothing and leaves both
        File.Delete(tmp);
    }

    /// <summary>Links every file of the tree into a new folder.</summary>
    public static async Task Fill(IBlobStore blobs, DatasetTree tree, string folder, CancellationToken cancel)
    {
        Directory.CreateDirectory(folder);
        foreach (var file in tree.Files)
        {
            var path = Path.Combine(folder, file.Path);
            if (file.Path.Contains('/')) Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            Files.LinkOrCopy(await blobs.LocalFile(file.Digest, cancel), path);
        }
    }

    static async Task<bool> Holds(string folder, DatasetTree tree, CancellationToken cancel)
    {
        var there = Directory.GetFiles(folder, "*", SearchOption.AllDirectories);
        if (there.Length != tree.Files.Count) return false;
        foreach (var file in tree.Files)
        {
            var path = Path.Combine(folder, file.Path);
            if (!File.Exists(path) || new FileInfo(path).Length != file.Size || await Hash(path, cancel) != file.Digest) return false;
        }
        return true;
    }

    // what is about to be replaced must be in the store, or somebody's work would be gone
    static async Task RefuseToLose(IBlobStore blobs, string folder, CancellationToken cancel)
    {
        foreach (var path in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
            if (await blobs.Length(await Hash(path, cancel), cancel) is null) throw Lost(path);
    }

    static TaktException Lost(string path) =>
        TaktException.Conflict($"'{path}' is in no version of the data and would be lost; move it away, or collect it, and try again");

    static async Task<Digest> Hash(string path, CancellationToken cancel)
    {
        await using var content = File.OpenRead(path);
        return Digest.FromHash(await SHA256.HashDataAsync(content, cancel));
    }
}
