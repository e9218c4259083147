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

    /// <summary>What its pointers name, versions and single files: gc keeps it.</summary>
    public IEnumerable<Digest> Needed() => Tracked().Select(tracked => tracked.Commit ?? tracked.Content.Digest);

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
        var part = PartOfFolder.Read(PartFile(tracked.Path));
        foreach (var file in Found(tracked.Path))
        {
            while (hasKnown && TreeEntry.Compare(known.Current.Path, file.Path) < 0) hasKnown = known.MoveNext();
            var isKnown = hasKnown && known.Current.Path.AsSpan().SequenceEqual(file.Path) && known.Current.Stat == file.Stat;
            while (hasWanted && TreeEntry.Compare(should.Current.Path, file.Path) < 0)
            {
                if (part?.Holds(should.Current.Path) != false) yield return Of("removed", should.Current.Path);
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
        for (; hasWanted; hasWanted = should.MoveNext())
            if (part?.Holds(should.Current.Path) != false) yield return Of("removed", should.Current.Path);
        if (seen.Count > 0 && sameTree) TryRenew(tracked, seen);

        PathChange Of(string what, byte[] path) => new(what, $"{tracked.Path}/{Encoding.UTF8.GetString(path)}");
    }

    /// <summary>Files and bytes below a path, for who wants to know how much <see cref="Take"/> has before it; what can't be looked into counts as nothing.</summary>
    public (long Files, long Bytes) Size(string path, CancellationToken cancel)
    {
        var (files, bytes) = (0L, 0L);
        try
        {
            if (!Directory.Exists(Full(path))) return FileStat.OfLink(Full(path)) is { } stat ? (1, stat.Size) : (0, 0);
            foreach (var file in Found(path))
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
    /// <returns>The root of its tree, or the file; with the number of files and bytes, and of a folder the tables in it, one more than <see cref="VersionProfile.MostTables"/> at most.</returns>
    /// <param name="doubtful">Told each table or archive, newly taken, that is damaged or cut off: it is stored as it is.</param>
    internal (TreeNodeRef Root, bool IsFolder, IReadOnlyList<TreeFile> Tables) Take(StoreWriter writer, string path, Action<string> doubtful)
    {
        var full = Full(path);
        var stat = FileStat.OfLink(full) ?? throw TaktException.NotFound($"no file or folder '{full}'");
        if (stat.Kind == FileKind.Link) throw TaktException.Invalid($"'{full}' is a link; add what it points to");
        if (stat.Kind != FileKind.Folder)
        {
            TakenFile file = default;
            var one = new FileIntake<bool>(writer, (_, taken) => file = taken, HashStates);
            one.Add(full, stat, true, File.Exists(full + Ending) ? TrackedPath.Read(Root, full + Ending).Content : default);
            one.Finish();
            Archives.Doubt(full, path, doubtful);
            return (new TreeNodeRef([], 1, file.Stat.Size, file.Id), false, []);
        }
        var builder = new TreeBuilder(node => writer.Add(node));
        var tables = new List<TreeFile>();
        using var index = new StatIndex.Writer(IndexFile(path));
        using var known = (StatIndex.Read(IndexFile(path))?.Files ?? []).GetEnumerator();
        var hasKnown = known.MoveNext();
        var intake = new FileIntake<byte[]>(writer, (path, taken) => Have(new StatEntry(path, taken.Stat, taken.Id), taken.ReadAt), HashStates);
        foreach (var file in Found(path))
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
        return (root, true, tables);

        void Have(in StatEntry entry, long? readAt)
        {
            var file = new TreeEntry(entry.Path, entry.Mode, entry.Stat.Size, entry.Id);
            builder.Add(file);
            if (tables.Count <= VersionProfile.MostTables && VersionProfile.IsTable(file)) tables.Add(file.File);
            index.Add(entry, readAt);
        }
    }

    // the files of a tracked folder that are data
    IEnumerable<FoundFile> Found(string path)
    {
        var rules = IgnoreRules.Of(Root);
        return FolderScan.Files(Full(path), ignored: rules.IsEmpty ? null : (below, isFolder) => rules.Ignores($"{path}/{below}", isFolder));
    }

    /// <summary>Whether a path within a tracked folder is meant by a path, a folder's path or a glob.</summary>
    public static bool IsChosen(string only, string path) => path == only || path.StartsWith(only.TrimEnd('/') + "/", StringComparison.Ordinal) || Glob.Matches(only, path);

    /// <summary>Writes the pointer and sees that git ignores what it stands for.</summary>
    internal void Point(string path, DatasetCommit? commit, TreeNodeRef root)
    {
        var full = Full(path);
        if (commit is not null) DatasetPointer.Of(commit).Write(full + Ending);
        else Files.WriteAtomically(full + Ending, TrackedPath.LfsPointer(root.Id, root.Bytes));
        var ignore = Path.Combine(Path.GetDirectoryName(full)!, ".gitignore");
        var line = "/" + Escaped(Path.GetFileName(full)) + (commit is null ? "" : "/");
        var old = File.Exists(ignore) ? File.ReadAllText(ignore) : "";
        if (!old.Split('\n').Any(known => known == line || known == line.TrimEnd('/'))) Files.WriteAtomically(ignore, old + (old.Length > 0 && old[^1] != '\n' ? "\n" : "") + line + "\n");
        var own = Path.Combine(State, ".gitignore");
        if (Path.GetFileName(State) == Ending && !File.Exists(own)) Files.WriteAtomically(own, "*\n");
    }

    /// <summary>A dataset's name for a path: its last part, what is not allowed in a name replaced.</summary>
    public static string DatasetName(string path)
    {
        var name = new string(Path.GetFileName(path.TrimEnd('/')).Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' ? c : '-').ToArray()).TrimStart('.', '-', '_');
        return name.Length == 0 ? "data" : name[..Math.Min(name.Length, 100)];
    }

    /// <summary>Whether a path lies below the root.</summary>
    public bool Holds(string path) => Path.GetFullPath(path).StartsWith(Root.TrimEnd('/') + "/", StringComparison.Ordinal) && Path.GetFullPath(path).TrimEnd('/') != Root;

    /// <exception cref="TaktException">Invalid: outside the root, or the root itself.</exception>
    public string Relative(string path)
    {
        var full = Path.GetFullPath(path.EndsWith(Ending, StringComparison.Ordinal) && File.Exists(path) ? path[..^Ending.Length] : path).TrimEnd('/');
        var relative = Path.GetRelativePath(Root, full).Replace('\\', '/');
        if (!Holds(full)) throw TaktException.Invalid($"'{path}' is not inside '{Root}'; add a folder or file below it");
        return relative;
    }

    /// <exception cref="TaktException">Invalid: it is git's or Takt's own, or lies in a folder that is tracked as a whole.</exception>
    internal void RequireApart(string path)
    {
        if (path.Split('/').FirstOrDefault(part => part is ".git" or Ending) is { } own || (State + "/").StartsWith(Full(path) + "/", StringComparison.Ordinal))
            throw TaktException.Invalid($"'{path}' is no data: it holds what {(path.Split('/').Contains(".git") ? "git" : "Takt")} keeps there");
        for (var above = Path.GetDirectoryName(path); above is { Length: > 0 }; above = Path.GetDirectoryName(above))
            if (Directory.Exists(Full(above)) && File.Exists(Full(above) + Ending))
                throw TaktException.Invalid($"'{path}' lies in '{above}', which is under version control as a whole; 'takt data commit {above}' takes it in");
    }

    // who may not write here may look all the same
    void TryRenew(TrackedPath tracked, List<StatEntry> seen)
    {
        try
        {
            Renew(tracked, seen);
        }
        catch (Exception e) when (StorageFaults.Of(e, State) is not null)
        {
            // it is a cache
        }
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

    internal static ContentId Content(FoundFile file) => file.Stat.Kind switch
    {
        FileKind.Link => ContentId.Of(Encoding.UTF8.GetBytes(new FileInfo(file.FullPath).LinkTarget ?? "")),
        FileKind.File => Content(file.FullPath),
        _ => default,
    };

    internal static ContentId Content(string file)
    {
        using var content = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 0);
        return ContentId.Read(SHA256.HashData(content));
    }

    static string Escaped(string name) => string.Concat(name.Select(c => c is '*' or '?' or '[' or '\\' or '!' or '#' or ' ' ? $"\\{c}" : $"{c}"));

    internal string Full(string path) => Root + "/" + path;

    internal string IndexFile(string path) => Path.Combine(State, "index", XxHash64.HashToUInt64(Encoding.UTF8.GetBytes(path)).ToString("x16"));

    /// <summary>The file that says which part of a folder was checked out.</summary>
    internal string PartFile(string path) => IndexFile(path) + ".part";

    string HashStates => Path.Combine(State, "index", "sha256");

    internal static long Now() => (TimeProvider.System.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100;
}
