using Takt.Data.WorkTrees;
using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Data.Remotes;

/// <summary>The files of one version out of a remote, as somebody wants them who has no project and keeps no store: some at a time, so that they take their room once.</summary>
/// <param name="store">One of its own, on the file system that the files are to be on: it is emptied on the way.</param>
public sealed class VersionDownload(Database database, PackStore store, Datasets datasets, TimeProvider time)
{
    /// <summary>So much is in the store at most beside the files that are made already, in bytes; or the largest file.</summary>
    public long Batch { get; init; } = 256 << 20;

    /// <summary>Makes a folder of the version's files, which are the user's own to change.</summary>
    /// <param name="version">NAME, NAME@REF, NAME@v3, NAME@sha256:….</param>
    /// <param name="only">A path or glob within; null: all.</param>
    /// <param name="folder">Not there yet, or left by one that was cut off: what is right in it stays.</param>
    /// <exception cref="TaktException">NotFound: the remote has no such dataset, version or content, or no file is meant by <paramref name="only"/>. And as <see cref="Fetch.Content"/>.</exception>
    public async Task<DatasetCommit> Run(Remote remote, string version, string? only, string folder, Action<string>? progress = null, CancellationToken cancel = default)
    {
        var fetch = new Fetch(database, store, time);
        await fetch.Refs(remote, RemoteList.Default, DatasetReference.Parse(version).Dataset, [], cancel);
        var commit = datasets.Show(version);
        await fetch.Content(remote, [commit], Fetch.NoFile, null, cancel);
        var files = (await datasets.Tree(commit, cancel)).Files.Where(file => only is null || WorkTree.IsChosen(only, file.Path)).ToList();
        if (only is not null && files.Count == 0) throw TaktException.NotFound($"{commit.Reference} has no file that '{only}' means; it has {commit.Files:N0} in all");
        Directory.CreateDirectory(folder);
        var (chosen, bytes, done, total) = (new List<TreeFile>(), 0L, 0L, files.Sum(file => file.Size));
        foreach (var same in files.GroupBy(file => file.Digest)) // equal files come once
        {
            var left = new List<TreeFile>();
            foreach (var file in same)
                if (!await IsThere(Path.Combine(folder, file.Path), file, cancel)) left.Add(file);
            done += same.Sum(file => file.Size) - left.Sum(file => file.Size);
            if (left.Count == 0) continue;
            if (chosen.Count > 0 && bytes + left[0].Size > Batch) await Some();
            chosen.AddRange(left);
            bytes += left[0].Size;
        }
        await Some();
        return commit;

        async Task Some()
        {
            if (chosen.Count == 0) return;
            progress?.Invoke($"{done >> 20:N0} of {total >> 20:N0} MiB");
            await fetch.Files(remote, chosen.Select(file => (file.Digest, file.Path)).ToList(), null, cancel);
            await datasets.Export(chosen, folder, cancel);
            if (!OperatingSystem.IsWindows())
                foreach (var file in chosen.Select(file => new FileInfo(Path.Combine(folder, file.Path))))
                    if (file.LinkTarget is null) file.UnixFileMode |= UnixFileMode.UserWrite;
            done += chosen.Sum(file => file.Size);
            await Empty(chosen, cancel);
            (chosen, bytes) = ([], 0);
        }
    }

    // one that was cut off leaves files that are right, and perhaps one that is not
    static async Task<bool> IsThere(string path, TreeFile file, CancellationToken cancel)
    {
        if (FileStat.OfLink(path) is not { } stat) return false;
        if (stat.Kind == FileKind.File && file.Mode != TreeFileMode.Link && stat.Size == file.Size && stat.Executable == (file.Mode == TreeFileMode.Executable))
        {
            await using var content = File.OpenRead(path);
            if (Digest.FromHash(await System.Security.Cryptography.SHA256.HashDataAsync(content, cancel)) == file.Digest) return true;
        }
        File.Delete(path);
        return false;
    }

    async Task Empty(List<TreeFile> made, CancellationToken cancel)
    {
        var packs = store.Packs();
        await database.Write(session => session.Execute($"delete from pack"));
        store.Refresh();
        foreach (var pack in packs)
        {
            pack.Dispose();
            await store.Objects.Remove(PackFormat.IndexName(pack.Id), cancel);
            await store.Objects.Remove(PackFormat.PackName(pack.Id), cancel);
        }
        foreach (var file in made) await store.Whole.Delete(file.Digest, cancel); // its name: the bytes are the folder's
    }
}
