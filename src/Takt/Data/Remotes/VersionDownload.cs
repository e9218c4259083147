using Takt.Data.WorkTrees;
using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Data.Remotes;

/// <summary>The files of one version out of a remote, as somebody wants them who has no project and keeps no store: the store is only on the way.</summary>
/// <param name="store">On the file system that the files are to be on; whole files are moved rather than copied then. What is in it need not come again.</param>
public sealed class VersionDownload(Database database, PackStore store, Datasets datasets, TimeProvider time)
{
    /// <summary>Makes a folder of the version's files, which are the user's own to change.</summary>
    /// <param name="version">NAME, NAME@REF, NAME@v3, NAME@sha256:….</param>
    /// <param name="only">A path or glob within; null: all.</param>
    /// <param name="folder">Not there yet, or left by one that was cut off.</param>
    /// <exception cref="TaktException">NotFound: the remote has no such dataset, version or content, or no file is meant by <paramref name="only"/>. And as <see cref="Fetch.Content"/>.</exception>
    public async Task<DatasetCommit> Run(Remote remote, string version, string? only, string folder, Action<string>? progress = null, CancellationToken cancel = default)
    {
        var fetch = new Fetch(database, store, time);
        await fetch.Refs(remote, RemoteList.Default, DatasetReference.Parse(version).Dataset, [], cancel);
        var commit = datasets.Show(version);
        await fetch.Content(remote, [commit], only, progress, cancel);
        if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        await datasets.Export(commit, folder, only is null ? null : path => WorkTree.IsChosen(only, path), cancel);
        if (only is not null && !Directory.EnumerateFileSystemEntries(folder).Any()) throw TaktException.NotFound($"{commit.Reference} has no file that '{only}' means; it has {commit.Files:N0} in all");
        if (!OperatingSystem.IsWindows())
            foreach (var file in new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories))
                if (file.LinkTarget is null) file.UnixFileMode |= UnixFileMode.UserWrite;
        return commit;
    }
}
