using System.IO.Hashing;
using System.Security.Cryptography;
using System.Text;
using Takt.Data.Trees;
using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Data.WorkTrees;

/// <summary>The folders and files of a project or git repository whose versions are in the store: <c>data/</c> with the pointer <c>data.takt</c> beside it, which git keeps in its place.</summary>
/// <param name="Root">Absolute.</param>
/// <param name="State">The folder <c>.takt</c>; absolute.</param>
public sealed record WorkTree(string Root, string State)
{
    const string Ending = ".takt";
    const int MostFaults = 20;

    /// <summary>The nearest takt project, git repository or folder with a <c>.takt/</c> at or above <paramref name="start"/>; else that folder itself.</summary>
    public static WorkTree Find(string start)
    {
        start = Path.GetFullPath(start);
        string? root = TaktFolder.Find(start)?.Root;
        for (var dir = new DirectoryInfo(start); root is null && dir is not null; dir = dir.Parent)
            if (Path.Exists(Path.Combine(dir.FullName, ".git")) || Directory.Exists(Path.Combine(dir.FullName, Ending))) root = dir.FullName;
        var folder = TaktFolder.At(root ?? start);
        return new WorkTree(folder.Root, folder.State);
    }

    /// <summary>All pointers below the root, without looking into the folders they stand for, hidden ones and <c>node_modules</c>.</summary>
    public IReadOnlyList<TrackedPath> Tracked()
    {
        var found = new List<TrackedPath>();
        Look(Root);
        return found;

        void Look(string folder)
        {
            var folders = new List<string>();
            var pointers = new HashSet<string>(StringComparer.Ordinal);
            foreach (var entry in new DirectoryInfo(folder).EnumerateFileSystemInfos())
            {
                if (entry.Name[0] == '.' || entry.LinkTarget is not null) continue;
                if (entry is DirectoryInfo) folders.Add(entry.FullName);
                else if (entry.Name.EndsWith(Ending, StringComparison.Ordinal)) pointers.Add(entry.FullName);
            }
            foreach (var pointer in pointers.Order(StringComparer.Ordinal))
                if (TrackedPath.Read(Root, pointer) is var tracked && !(tracked.IsFolder && File.Exists(Full(tracked.Path)))) found.Add(tracked); // a step's single file is the pipeline's
            foreach (var below in folders.Order(StringComparer.Ordinal))
                if (!pointers.Contains(below + Ending) && !below.EndsWith("/node_modules", StringComparison.Ordinal)) Look(below);
        }
    }

    /// <summary>The pointer of a path that the user named: itself, its pointer, or either with a <c>/</c>.</summary>
    /// <exception cref="TaktException">NotFound. Invalid: outside the root.</exception>
    public TrackedPath Named(string path) => TrackedPath.Read(Root, Full(Relative(path)) + Ending);

    /// <summary>How the files differ from what the pointer says. Reads only files whose stat has changed, and what it learned is kept.</summary>
    /// <param name="tree">Asked only when the last index is not of the pointer's tree: for the files that the pointer's tree has.</param>
    public IEnumerable<PathChange> Status(TrackedPath tracked, Func<IEnumerable<(byte[] Path, TreeFileMode Mode, ContentId Id)>> tree)
    {
        var full = Full(tracked.Path);
        if (!tracked.IsFolder)
        {
            if (!File.Exists(full)) yield return new PathChange("removed", tracked.Path);
            else if (FileStat.Of(full)!.Value.Size != tracked.Bytes || Content(full) != tracked.Content) yield return new PathChange("changed", tracked.Path);
            yield break;
        }
        if (!Directory.Exists(full))
        {
            yield return new PathChange("removed", tracked.Path + "/");
            yield break;
        }
        var index = StatIndex.Read(IndexFile(tracked.Path));
        var sameTree = index?.Tree == tracked.Content;
        var wanted = sameTree ? index!.Value.Files.Select(entry => (entry.Path, entry.Mode, entry.Id)) : tree();
        using var known = (index?.Files ?? []).GetEnumerator();
        using var should = wanted.GetEnumerator();
        var (hasKnown, hasWanted) = (known.MoveNext(), should.MoveNext());
        var seen = new List<StatEntry>();
        foreach (var file in FolderScan.Files(full))
        {
            while (hasKnown && TreeEntry.Compare(known.Current.Path, file.Path) < 0) hasKnown = known.MoveNext();
            var isKnown = hasKnown && known.Current.Path.AsSpan().SequenceEqual(file.Path) && known.Current.Stat == file.Stat;
            while (hasWanted && TreeEntry.Compare(should.Current.Path, file.Path) < 0)
            {
                yield return Of("removed", should.Current.Path);
                hasWanted = should.MoveNext();
            }
            var there = hasWanted && should.Current.Path.AsSpan().SequenceEqual(file.Path);
            var entry = isKnown ? known.Current : new StatEntry(file.Path, file.Stat, there ? Content(file) : default);
            if (!there) yield return Of("added", file.Path);
            else
            {
                if (entry.Id != should.Current.Id || entry.Mode != should.Current.Mode) yield return Of("changed", file.Path);
                else if (!isKnown) seen.Add(entry);
                hasWanted = should.MoveNext();
            }
        }
        for (; hasWanted; hasWanted = should.MoveNext()) yield return Of("removed", should.Current.Path);
        if (seen.Count > 0 && sameTree) Renew(tracked, seen);

        PathChange Of(string what, byte[] path) => new(what, $"{tracked.Path}/{Encoding.UTF8.GetString(path)}");
    }

    /// <summary>Files and bytes below a path, for who wants to know how much <see cref="Take"/> has before it; what can't be looked into counts as nothing.</summary>
    public (long Files, long Bytes) Size(string path, CancellationToken cancel)
    {
        var (files, bytes) = (0L, 0L);
        try
        {
            if (!Directory.Exists(Full(path))) return FileStat.OfLink(Full(path)) is { } stat ? (1, stat.Size) : (0, 0);
            foreach (var file in FolderScan.Files(Full(path)))
            {
                cancel.ThrowIfCancellationRequested();
                (files, bytes) = (files + 1, bytes + file.Stat.Size);
            }
        }
        catch (Exception e) when (e is TaktException or IOException or UnauthorizedAccessException or OperationCanceledException)
        {
            // the one that takes them tells what is wrong
        }
        return (files, bytes);
    }

    /// <summary>Brings a folder or file into the store as it is now. Files whose stat is noted are not read.</summary>
    /// <returns>The root of its tree, or the file; with the number of files and bytes.</returns>
    /// <param name="doubtful">Told each table or archive, newly taken, that is damaged or cut off: it is stored as it is.</param>
    internal (TreeNodeRef Root, bool IsFolder) Take(StoreWriter writer, string path, Action<string> doubtful)
    {
        var full = Full(path);
        var stat = FileStat.OfLink(full) ?? throw TaktException.NotFound($"no file or folder '{full}'");
        if (stat.Kind == FileKind.Link) throw TaktException.Invalid($"'{full}' is a link; add what it points to");
        if (stat.Kind != FileKind.Folder)
        {
            TakenFile file = default;
            var one = new FileIntake<bool>(writer, (_, taken) => file = taken);
            one.Add(full, stat, true);
            one.Finish();
            Archives.Doubt(full, path, doubtful);
            return (new TreeNodeRef([], 1, file.Stat.Size, file.Id), false);
        }
        var builder = new TreeBuilder(node => writer.Add(node));
        using var index = new StatIndex.Writer(IndexFile(path));
        using var known = (StatIndex.Read(IndexFile(path))?.Files ?? []).GetEnumerator();
        var hasKnown = known.MoveNext();
        var intake = new FileIntake<byte[]>(writer, (path, taken) => Have(new StatEntry(path, taken.Stat, taken.Id), taken.ReadAt));
        foreach (var file in FolderScan.Files(full))
        {
            while (hasKnown && TreeEntry.Compare(known.Current.Path, file.Path) < 0) hasKnown = known.MoveNext();
            if (hasKnown && known.Current.Path.AsSpan().SequenceEqual(file.Path) && known.Current.Stat == file.Stat && writer.Has(known.Current.Id))
                intake.Skip(file.Path, new TakenFile(known.Current.Id, file.Stat, null)); // keeps its place in the order
            else
            {
                intake.Add(file.FullPath, file.Stat, file.Path, hasKnown && known.Current.Path.AsSpan().SequenceEqual(file.Path) ? known.Current.Id : default);
                if (file.Stat.Kind == FileKind.File) Archives.Doubt(file.FullPath, file.FullPath[(Root.Length + 1)..], doubtful);
            }
        }
        intake.Finish();
        var root = builder.Finish();
        index.Finish(root.Id);
        return (root, true);

        void Have(in StatEntry entry, long? readAt)
        {
            builder.Add(new TreeEntry(entry.Path, entry.Mode, entry.Stat.Size, entry.Id));
            index.Add(entry, readAt);
        }
    }

    /// <summary>Makes the folder or file what its pointer says. Files that are so already stay as they are.</summary>
    /// <param name="only">A path or glob within it; null: all.</param>
    /// <returns>How many files were written and removed.</returns>
    /// <exception cref="TaktException">Conflict: files hold something that the store does not have; nothing was touched unless forced. All are named.</exception>
    internal async Task<(long Written, long Removed)> Checkout(TrackedPath tracked, PackStore store, string? only, bool force, CancellationToken cancel)
    {
        var full = Full(tracked.Path);
        if (!tracked.IsFolder)
        {
            if (File.Exists(full))
            {
                if (new FileInfo(full).Length == tracked.Bytes && Content(full) == tracked.Content) return (0, 0);
                if (!force && await store.Length(Content(full).Digest, cancel) is null) throw Lost([tracked.Path]);
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
        var index = StatIndex.Read(IndexFile(tracked.Path));
        using var known = (index?.Files ?? []).GetEnumerator();
        var hasKnown = known.MoveNext();
        var at = 0;
        var kept = new Dictionary<int, FileStat>();
        foreach (var found in Directory.Exists(full) ? FolderScan.Files(full, leftover: InFlight.Remove) : [])
        {
            while (hasKnown && TreeEntry.Compare(known.Current.Path, found.Path) < 0) hasKnown = known.MoveNext();
            for (; at < files.Count && TreeEntry.Compare(files[at].Path, found.Path) < 0; at++) wanted.Add(files[at]);
            var current = hasKnown && known.Current.Path.AsSpan().SequenceEqual(found.Path) && known.Current.Stat == found.Stat ? known.Current.Id : Content(found);
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
        wanted.RemoveAll(file => !Chosen(file.Path));
        foreach (var file in gone) File.Delete(file.FullPath);
        var faults = await Write(full, wanted, store.Reader, cancel);
        if (wanted.Count == 0) Directory.CreateDirectory(full);
        if (faults.Count > 0)
            throw new TaktException(TaktError.Invalid, [.. faults.Take(MostFaults), .. faults.Count > MostFaults ? [$"and {faults.Count - MostFaults:N0} more"] : Array.Empty<string>(), $"the other {wanted.Count - faults.Count:N0} files were written"]);
        if (only is null) Note(tracked, files);
        return (wanted.Count, gone.Count);

        bool Chosen(byte[] path) => only is null || IsChosen(only, Encoding.UTF8.GetString(path));
    }

    /// <summary>Whether a path within a tracked folder is meant by a path, a folder's path or a glob.</summary>
    internal static bool IsChosen(string only, string path) => path == only || path.StartsWith(only.TrimEnd('/') + "/", StringComparison.Ordinal) || Glob.Matches(only, path);

    /// <summary>
    /// Writes files on all cores. Folders that are not there yet are filled aside and renamed once: half the system calls, and killed half-way none of it is seen.
    /// What the store can't give fails for itself alone.
    /// </summary>
    /// <returns>The faults.</returns>
    static async Task<List<string>> Write(string full, List<TreeEntry> wanted, BlobReader blobs, CancellationToken cancel)
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
            return faults;
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

    /// <summary>Writes the pointer and sees that git ignores what it stands for.</summary>
    internal void Point(string path, DatasetCommit? commit, TreeNodeRef root)
    {
        var full = Full(path);
        if (commit is not null) DatasetPointer.Of(commit).Write(full + Ending);
        else Files.WriteAtomically(full + Ending, TrackedPath.LfsPointer(root.Id, root.Bytes));
        var ignore = Path.Combine(Path.GetDirectoryName(full)!, ".gitignore");
        var line = "/" + Escaped(Path.GetFileName(full)) + (commit is null ? "" : "/");
        var old = File.Exists(ignore) ? File.ReadAllText(ignore) : "";
        if (!old.Split('\n').Contains(line)) Files.WriteAtomically(ignore, old + (old.Length > 0 && old[^1] != '\n' ? "\n" : "") + line + "\n");
        var own = Path.Combine(State, ".gitignore");
        if (Path.GetFileName(State) == Ending && !File.Exists(own)) Files.WriteAtomically(own, "*\n");
    }

    /// <summary>A dataset's name for a path: its last part, what is not allowed in a name replaced.</summary>
    public static string DatasetName(string path)
    {
        var name = new string(Path.GetFileName(path.TrimEnd('/')).Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' ? c : '-').ToArray()).TrimStart('.', '-', '_');
        return name.Length == 0 ? "data" : name[..Math.Min(name.Length, 100)];
    }

    /// <exception cref="TaktException">Invalid: outside the root, or the root itself.</exception>
    public string Relative(string path)
    {
        var full = Path.GetFullPath(path.EndsWith(Ending, StringComparison.Ordinal) && File.Exists(path) ? path[..^Ending.Length] : path).TrimEnd('/');
        var relative = Path.GetRelativePath(Root, full).Replace('\\', '/');
        if (relative == "." || relative.StartsWith("../", StringComparison.Ordinal) || relative == "..") throw TaktException.Invalid($"'{path}' is not inside '{Root}'; add a folder or file below it");
        return relative;
    }

    // files as they were just written: what is on disk is what the store has
    void Note(TrackedPath tracked, List<TreeEntry> files)
    {
        using var index = new StatIndex.Writer(IndexFile(tracked.Path));
        foreach (var file in files)
            if (FileStat.OfLink(Full(tracked.Path) + "/" + Encoding.UTF8.GetString(file.Path)) is { } stat) index.Add(new StatEntry(file.Path, stat, file.Id), Now());
        index.Finish(tracked.Content);
    }

    void Renew(TrackedPath tracked, List<StatEntry> seen)
    {
        var old = StatIndex.Read(IndexFile(tracked.Path))!.Value;
        using var index = new StatIndex.Writer(IndexFile(tracked.Path));
        var at = 0;
        foreach (var entry in old.Files)
        {
            if (at < seen.Count && seen[at].Path.AsSpan().SequenceEqual(entry.Path)) index.Add(seen[at++], Now());
            else index.Add(entry, null);
        }
        index.Finish(old.Tree);
    }

    static void Put(BlobReader blobs, TreeEntry file, string path)
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

    static ContentId Content(FoundFile file) => file.Stat.Kind switch
    {
        FileKind.Link => ContentId.Of(Encoding.UTF8.GetBytes(new FileInfo(file.FullPath).LinkTarget ?? "")),
        FileKind.File => Content(file.FullPath),
        _ => default,
    };

    static ContentId Content(string file)
    {
        using var content = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 0);
        return ContentId.Read(SHA256.HashData(content));
    }

    static TaktException Lost(List<string> paths) => new(TaktError.Conflict,
        [.. paths.Take(10).Select(path => $"'{path}' holds something that the store does not have and would be lost"), .. paths.Count > 10 ? [$"and {paths.Count - 10:N0} more"] : Array.Empty<string>(),
            "'takt data add' keeps it, '--force' throws it away"]);

    static string Escaped(string name) => string.Concat(name.Select(c => c is '*' or '?' or '[' or '\\' or '!' or '#' or ' ' ? $"\\{c}" : $"{c}"));

    string Full(string path) => Root + "/" + path;

    string IndexFile(string path) => Path.Combine(State, "index", XxHash64.HashToUInt64(Encoding.UTF8.GetBytes(path)).ToString("x16"));

    internal static long Now() => (TimeProvider.System.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100;
}
