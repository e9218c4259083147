using System.Text;
using Takt.Data.Trees;
using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Data.WorkTrees;

/// <summary>Brings folders and files of a work tree to what their pointers say.</summary>
sealed class WorkTreeCheckout(WorkTree tree, PackStore store)
{
    const int MostFaults = 20;

    /// <summary>Makes the folder or file what its pointer says. Files that are so already stay as they are.</summary>
    /// <param name="only">A path or glob within it; null: all.</param>
    /// <returns>How many files were written and removed.</returns>
    /// <exception cref="TaktException">Conflict: files hold something that the store does not have; nothing was touched unless forced. All are named.</exception>
    public async Task<(long Written, long Removed)> Run(TrackedPath tracked, string? only, bool force, CancellationToken cancel)
    {
        var full = tree.Full(tracked.Path);
        if (!tracked.IsFolder)
        {
            if (File.Exists(full))
            {
                if (new FileInfo(full).Length == tracked.Bytes && WorkTree.Content(full) == tracked.Content) return (0, 0);
                if (!force && await store.Length(WorkTree.Content(full).Digest, cancel) is null) throw Lost([tracked.Path]);
            }
            Put(store.Reader, new TreeEntry([], TreeFileMode.File, 0, tracked.Content), full);
            return (1, 0);
        }
        var files = new List<TreeEntry>();
        await foreach (var file in new TreeReader(store.Reader).Files(tracked.Content, cancel)) files.Add(file);
        var wanted = new List<TreeEntry>();
        var gone = new List<FoundFile>();
        var lost = new List<string>();
        foreach (var left in Directory.Exists(Path.GetDirectoryName(full)) ? Directory.EnumerateFileSystemEntries(Path.GetDirectoryName(full)!, ".takt-*.tmp").ToList() : [])
            if (InFlight.IsDead(Path.GetFileName(left))) InFlight.Remove(left);
        var index = StatIndex.Read(tree.IndexFile(tracked.Path));
        using var known = (index?.Files ?? []).GetEnumerator();
        var hasKnown = known.MoveNext();
        var at = 0;
        var ignored = IgnoreRules.Of(tree.Root);
        var kept = new Dictionary<int, FileStat>();
        var fresh = true;
        foreach (var found in Directory.Exists(full) ? FolderScan.Files(full, leftover: InFlight.Remove) : [])
        {
            fresh = false;
            while (hasKnown && TreeEntry.Compare(known.Current.Path, found.Path) < 0) hasKnown = known.MoveNext();
            for (; at < files.Count && TreeEntry.Compare(files[at].Path, found.Path) < 0; at++) wanted.Add(files[at]);
            if (!ignored.IsEmpty && !(at < files.Count && files[at].Path.AsSpan().SequenceEqual(found.Path)) && ignored.IgnoresFile($"{tracked.Path}/{Encoding.UTF8.GetString(found.Path)}")) continue; // no data, and nobody's to remove
            var current = hasKnown && known.Current.Path.AsSpan().SequenceEqual(found.Path) && known.Current.Stat == found.Stat ? known.Current.Id : WorkTree.Content(found);
            var there = at < files.Count && files[at].Path.AsSpan().SequenceEqual(found.Path);
            if (there && files[at].Id == current && files[at].Mode == new StatEntry(found.Path, found.Stat, current).Mode)
            {
                kept[at++] = found.Stat;
                continue;
            }
            if (!Chosen(found.Path)) { if (there) at++; continue; }
            if (!force && store.TryFind(current) is null && await store.Length(current.Digest, cancel) is null) lost.Add($"{tracked.Path}/{Encoding.UTF8.GetString(found.Path)}");
            if (there) wanted.Add(files[at++]);
            else gone.Add(found);
        }
        for (; at < files.Count; at++) wanted.Add(files[at]);
        if (lost.Count > 0) throw Lost(lost);
        var absent = wanted.RemoveAll(file => !Chosen(file.Path)); // not there, and not to be
        foreach (var file in gone) Remove(file.FullPath, full);
        var (written, faults) = await Write(full, wanted, store.Reader, cancel);
        if (wanted.Count == 0) Directory.CreateDirectory(full);
        if (faults.Count > 0)
            throw new TaktException(TaktError.Invalid, [.. faults.Take(MostFaults), .. faults.Count > MostFaults ? [$"and {faults.Count - MostFaults:N0} more"] : Array.Empty<string>(), faults.Count == wanted.Count ? "no file was written" : $"the other {wanted.Count - faults.Count:N0} files were written"]);
        var part = tree.PartFile(tracked.Path);
        if (only is null) Note(tracked, files, kept, written);
        if (absent == 0) PartOfFolder.Forget(part);
        else if (fresh) new PartOfFolder([only!]).Write(part);
        else PartOfFolder.Read(part)?.And(only!).Write(part); // what lacks in a folder that was whole was removed by its user
        return (wanted.Count, gone.Count);

        bool Chosen(byte[] path) => only is null || WorkTree.IsChosen(only, Encoding.UTF8.GetString(path));
    }

    /// <summary>
    /// Writes files on all cores. Folders that are not there yet are filled aside and renamed once: half the system calls, and killed half-way none of it is seen.
    /// What the store can't give fails for itself alone.
    /// </summary>
    /// <returns>What each file was like just after it had been written, and the faults.</returns>
    static async Task<(FileStat?[] Written, List<string> Faults)> Write(string full, List<TreeEntry> wanted, BlobReader blobs, CancellationToken cancel)
    {
        const int MostInRun = 256; // files of one folder one core after another: two that write into it at once wait for each other
        var targets = new Dictionary<string, string>(StringComparer.Ordinal);
        var aside = new List<(string From, string To)>();
        var runs = new List<(string Folder, bool Fresh, int Start, int Count)>();
        string? last = null;
        for (var i = 0; i < wanted.Count; i++)
        {
            var folder = Path.GetDirectoryName(full + "/" + Encoding.UTF8.GetString(wanted[i].Path))!;
            if (folder == last && runs[^1].Count < MostInRun) runs[^1] = runs[^1] with { Count = runs[^1].Count + 1 };
            else runs.Add((Target(folder), Target(folder) != folder, i, 1));
            last = folder;
        }
        var written = new FileStat?[wanted.Count];
        var faults = new List<string>();
        WorkProgress.ToDo(wanted.Count, wanted.Sum(file => file.Size));
        try
        {
            await Parallel.ForEachAsync(runs, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = cancel }, (run, _) =>
            {
                if (run.Fresh) Directory.CreateDirectory(run.Folder);
                for (var i = run.Start; i < run.Start + run.Count; i++)
                {
                    var path = run.Folder + "/" + Path.GetFileName(Encoding.UTF8.GetString(wanted[i].Path));
                    try
                    {
                        if (run.Fresh) Make(blobs, wanted[i], path);
                        else Put(blobs, wanted[i], path);
                        written[i] = FileStat.OfLink(path); // stays so when its folder gets its name
                        WorkProgress.Done(1, wanted[i].Size);
                    }
                    catch (TaktException e) when (e.Error is TaktError.NotFound or TaktError.Invalid)
                    {
                        lock (faults) faults.Add($"'{Path.GetFileName(full)}/{Encoding.UTF8.GetString(wanted[i].Path)}': {e.Message}");
                    }
                }
                return ValueTask.CompletedTask;
            });
            CrashPoint.Pass("checkout.filled");
            foreach (var (from, to) in aside)
                if (Directory.Exists(from)) Directory.Move(from, to);
            return (written, faults);
        }
        catch (IOException e) when (StorageFaults.Of(e, full) is null && aside.Any(folder => Directory.Exists(folder.From) && Directory.Exists(folder.To)))
        {
            throw new TaktException(TaktError.Conflict, $"somebody else made '{aside.First(folder => Directory.Exists(folder.From) && Directory.Exists(folder.To)).To}' meanwhile; check out again", e);
        }
        finally
        {
            foreach (var (from, _) in aside)
                if (Directory.Exists(from)) Directory.Delete(from, recursive: true);
        }

        string Target(string folder)
        {
            if (targets.TryGetValue(folder, out var target)) return target;
            var parent = Path.GetDirectoryName(folder)!;
            if (Directory.Exists(folder)) target = folder;
            else if (folder != full && Target(parent) is var above && above != parent) target = above + "/" + Path.GetFileName(folder);
            else
            {
                target = $"{parent}/{InFlight.Name()}";
                aside.Add((target, folder));
            }
            return targets[folder] = target;
        }
    }

    // files as they were when they were looked at or written, not as they are now: who changed one meanwhile is to be seen
    void Note(TrackedPath tracked, List<TreeEntry> files, Dictionary<int, FileStat> kept, FileStat?[] written)
    {
        using var index = new StatIndex.Writer(tree.IndexFile(tracked.Path));
        var next = 0;
        for (var i = 0; i < files.Count; i++)
            if ((kept.TryGetValue(i, out var stat) ? stat : written[next++]) is { } then) index.Add(new StatEntry(files[i].Path, then, files[i].Id), WorkTree.Now());
        index.Finish(tracked.Content);
    }

    /// <summary>Writes one file beside its place and renames it.</summary>
    public static void Put(BlobReader blobs, TreeEntry file, string path)
    {
        var tmp = $"{Path.GetDirectoryName(path)}/{InFlight.Name()}";
        try
        {
            Make(blobs, file, tmp);
            File.Move(tmp, path, overwrite: true);
        }
        catch
        {
            File.Delete(tmp);
            throw;
        }
    }

    static void Make(BlobReader blobs, TreeEntry file, string path)
    {
        if (file.Mode == TreeFileMode.Link) File.CreateSymbolicLink(path, Encoding.UTF8.GetString(blobs.Bytes(file.Id).GetAwaiter().GetResult()));
        else blobs.Place(file.Id, path, file.Mode == TreeFileMode.Executable, readOnly: false);
    }

    // with the folders that it leaves empty: they are no data, and a file of their name may be to come
    static void Remove(string file, string root)
    {
        File.Delete(file);
        for (var folder = Path.GetDirectoryName(file)!; folder.Length > root.Length && !Directory.EnumerateFileSystemEntries(folder).Any(); folder = Path.GetDirectoryName(folder)!) Directory.Delete(folder);
    }

    static TaktException Lost(List<string> paths) => new(TaktError.Conflict,
        [.. paths.Take(10).Select(path => $"'{path}' holds something that the store does not have and would be lost"), .. paths.Count > 10 ? [$"and {paths.Count - 10:N0} more"] : Array.Empty<string>(),
            "'takt data add' keeps it, '--force' throws it away"]);
}
