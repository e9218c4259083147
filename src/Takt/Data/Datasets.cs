using System.Collections.Concurrent;
using System.Text;
using Takt.Data.Trees;
using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Data;

/// <summary>Named, versioned data: commits of files, refs that point to them, folders checked out of them.</summary>
/// <remarks>
/// A commit writes packs first, durable, then all rows in one transaction: killed at any point, a dataset has its old version or the new
/// one, never half of one. Two collects of one dataset at once: the second to finish builds on the first one's version.
/// </remarks>
/// <param name="scratch">A folder for work in flight, on the file system of the store so that files can be linked.</param>
public sealed class Datasets(Database database, IBlobStore blobs, TimeProvider time, string scratch)
{
    const int Attempts = 5;

    readonly PackStore _store = blobs as PackStore ?? new PackStore(blobs, database, time);

    // a profile never changes: the dashboard asks for the same ones again and again
    readonly ConcurrentDictionary<Digest, TableProfile> _profiles = new();

    /// <summary>Makes a new version of the files and moves the ref to it; when the tip already holds exactly these files, nothing happens.</summary>
    /// <exception cref="TaktException">
    /// NotFound: a file is not there. Invalid: an expectation is not met or a table can't be read; nothing was committed.
    /// Unavailable: the disk is full.
    /// </exception>
    public async Task<Committed> Commit(NewVersion version, CancellationToken cancel = default)
    {
        DatasetReference.CheckName(version.Dataset);
        if (version.Files.Count == 0 && !version.KeepOthers && version.Without.Count == 0) throw TaktException.Invalid($"{version.Dataset}: no files to commit");
        await using var writer = await _store.Begin($"commit {version.Dataset}");
        var files = Store(writer, version.Files);
        for (var attempt = 1; ; attempt++)
        {
            var tip = Tip(version.Dataset, version.Ref);
            if (version.On is { Only: true } on && tip?.Id != on.Tip)
                throw TaktException.Conflict($"somebody else moved {version.Dataset}@{version.Ref} to {tip?.Id.ToString() ?? "nothing"} meanwhile; collect again");
            try
            {
                return await Commit(writer, version, files, tip, cancel);
            }
            catch (TaktException e) when (e.Error == TaktError.Conflict && attempt < Attempts)
            {
                // somebody else's commit came between: build on theirs
            }
        }
    }

    /// <summary>
    /// Brings in the files that match: new and changed ones are added to the tip's, those that have vanished from the source stay.
    /// </summary>
    /// <param name="root">What a relative pattern starts from.</param>
    /// <param name="sources">Globs, files or folders. Paths in the dataset are relative to each one's fixed part (<c>incoming/*.csv</c>: to <c>incoming/</c>).</param>
    /// <exception cref="TaktException">NotFound: nothing matches and there is no version yet. Else as <see cref="Commit(NewVersion, CancellationToken)"/>.</exception>
    public Task<Committed> Collect(string dataset, string root, IReadOnlyList<string> sources, Expectations? expect = null, string message = "", CancellationToken cancel = default)
    {
        var files = Sources(root, sources);
        if (files.Count == 0 && Tip(dataset, DatasetReference.Main) is null)
            throw TaktException.NotFound($"{dataset}: no file matches {string.Join(", ", sources)} in {root}");
        var from = string.Join(", ", sources);
        return Commit(new NewVersion(dataset, files) { KeepOthers = true, Expect = expect, Source = from, Message = message.Length > 0 ? message : $"collect {from}" }, cancel);
    }

    /// <summary>The id of the tree that <see cref="Collect"/> would commit now. Reads every source file and writes nothing.</summary>
    public async Task<Digest> CollectedTree(string dataset, string root, IReadOnlyList<string> sources, CancellationToken cancel = default)
    {
        var files = new List<TreeFile>();
        foreach (var (path, file) in Sources(root, sources)) files.Add(await Hashed(path, file, cancel));
        return (await Grown(Tip(dataset, DatasetReference.Main), files, true, [], node => ContentId.Of(node), cancel)).Root.Id.Digest;
    }

    /// <summary>Makes an earlier version the newest again: what was collected since stays, and the reflog names it.</summary>
    /// <exception cref="TaktException">NotFound: no such version.</exception>
    public Task Reset(string reference)
    {
        var commit = Show(reference).RequireKept();
        return database.Write(session => DatasetTable.Move(
            session, commit.Dataset, DatasetReference.Main, DatasetTable.Tip(session, commit.Dataset, DatasetReference.Main), commit.Id, time.GetUtcNow(), "reset"));
    }

    /// <summary>Every dataset, by name.</summary>
    public IReadOnlyList<DatasetSummary> List() => database.Read(session => DatasetTable.Names(session).Select(name =>
    {
        var refs = DatasetTable.Refs(session, name);
        var tip = refs.FirstOrDefault(r => r.Name == DatasetReference.Main) ?? refs[0];
        return new DatasetSummary(name, DatasetTable.Find(session, name, tip.Target)!, refs, DatasetTable.Commits(session, name));
    }).ToList());

    /// <summary>The commit that a reference means.</summary>
    /// <exception cref="TaktException">NotFound. Invalid: several commits begin with the digits given.</exception>
    public DatasetCommit Show(string reference)
    {
        var wanted = DatasetReference.Parse(reference);
        return database.Read(session => Resolve(session, wanted));
    }

    /// <summary>A version by its whole id; null when it is not known.</summary>
    public DatasetCommit? Find(string dataset, Digest id) => database.Read(session => DatasetTable.Find(session, dataset, id));

    /// <summary>Every version of a dataset, in the order they came.</summary>
    public IReadOnlyList<DatasetCommit> All(string dataset) => database.Read(session => DatasetTable.All(session, dataset));

    /// <summary>The commit and those before it, newest first, along first parents; at most <paramref name="most"/>.</summary>
    public IReadOnlyList<DatasetCommit> Log(string reference, int most = int.MaxValue)
    {
        var wanted = DatasetReference.Parse(reference);
        return database.Read(session => History(session, Resolve(session, wanted), most));
    }

    /// <summary>The number of each version, that of <c>NAME@v3</c>, by its id.</summary>
    public IReadOnlyDictionary<Digest, long> Numbers(string dataset) => database.Read(session => DatasetTable.Numbers(session, dataset));

    /// <summary>The tip of a ref, or null when the dataset or the ref is not there.</summary>
    public DatasetCommit? Tip(string dataset, string name = DatasetReference.Main) => database.Read(session =>
        DatasetTable.Tip(session, dataset, name) is { } target ? DatasetTable.Find(session, dataset, target) : null);

    public async Task<DatasetTree> Tree(DatasetCommit commit, CancellationToken cancel = default) =>
        await Tree(_store.Reader, Root(commit), cancel);

    /// <summary>The files one by one, by path: for trees of millions.</summary>
    public async IAsyncEnumerable<TreeFile> Files(DatasetCommit commit, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancel = default)
    {
        await foreach (var file in new TreeReader(_store.Reader).Files(Root(commit), cancel)) yield return file.File;
    }

    /// <summary>The files that differ, by path; parts of the trees that are equal are not read.</summary>
    internal IAsyncEnumerable<TreeChange> Changes(DatasetCommit before, DatasetCommit now, CancellationToken cancel = default) =>
        new TreeReader(_store.Reader).Changes(Root(before), Root(now), cancel);

    // what was dropped can be read as long as it is there
    ContentId Root(DatasetCommit commit) => _store.TryFind(ContentId.From(commit.Tree)) is null ? ContentId.From(commit.RequireKept().Tree) : ContentId.From(commit.Tree);

    /// <summary>The profile of all tables in the version; null when it holds none.</summary>
    public async Task<TableProfile?> Profile(DatasetCommit commit, CancellationToken cancel = default)
    {
        if (commit.Profile is not { } id) return null;
        if (_profiles.TryGetValue(id, out var known)) return known;
        var profile = TableProfile.Parse(Encoding.UTF8.GetString(await Bytes(id, cancel)));
        if (_profiles.Count > 256) _profiles.Clear();
        return _profiles[id] = profile;
    }

    /// <summary>
    /// Makes a folder (or, for a path without a <c>/</c> at its end, a single file) hold exactly this version and writes the pointer beside it.
    /// Files are read-only and share their bytes with the store; the folder is swapped as a whole.
    /// </summary>
    /// <exception cref="TaktException">Conflict: the folder holds a file that the store does not have; nothing was touched.</exception>
    public async Task Checkout(DatasetCommit commit, string path, CancellationToken cancel = default)
    {
        await Partly.Guard(commit, async () => await (Path.EndsInDirectorySeparator(path) ? Checkouts.Folder(_store, await Tree(commit, cancel), path, cancel) : Checkouts.SingleFile(_store, await Tree(commit, cancel), path, cancel)));
        DatasetPointer.Of(commit).Write(DatasetPointer.PathFor(path));
    }

    /// <summary>A version's files into a new folder, to be read and removed again: they are read-only and share their bytes with the store.</summary>
    /// <param name="wanted">Which, by their path in the dataset; null: all.</param>
    public Task Export(DatasetCommit commit, string folder, Func<string, bool>? wanted = null, CancellationToken cancel = default) => Partly.Guard(commit, async () =>
    {
        var tree = await Tree(commit, cancel);
        await Checkouts.Fill(_store.Reader, wanted is null ? tree : new DatasetTree(tree.Files.Where(file => wanted(file.Path))), folder, cancel);
    });

    internal BlobReader Content => _store.Reader;

    internal PartlyFetched Partly { get; } = new(database);

    internal Task Export(IEnumerable<TreeFile> files, string folder, CancellationToken cancel) => Checkouts.Fill(_store.Reader, new DatasetTree(files), folder, cancel);

    /// <summary>A new path for files in flight, on the file system of the store; whoever asks makes it and removes it.</summary>
    public string Scratch() => Path.Combine(scratch, Guid.NewGuid().ToString("N"));

    async Task<Committed> Commit(StoreWriter writer, NewVersion version, IReadOnlyList<TreeFile> files, DatasetCommit? tip, CancellationToken cancel)
    {
        var (root, before) = await Grown(tip, files, version.KeepOthers, version.Without, node => writer.Add(node), cancel);
        if (tip is not null && root.Id.Digest == tip.Tree)
        {
            var again = (await Examine(writer.Reader, root.Id, version, tip, tip, cancel)).Report;
            return new Committed(tip, false, 0, 0) { Report = again };
        }
        var (profile, report) = await Examine(writer.Reader, root.Id, version, null, tip, cancel);
        Digest? profileId = profile is null ? null : writer.Add(Encoding.UTF8.GetBytes(profile.ToJson())).Digest;
        var now = time.GetUtcNow();
        var commit = new DatasetCommit(version.Dataset, root.Id.Digest, tip is null ? [] : [tip.Id], version.Author, DateTimeOffset.FromUnixTimeMilliseconds(now.ToUnixTimeMilliseconds()),
            version.Message, version.Source, root.Files, root.Bytes, profile?.Rows, profileId)
        { Cursor = version.Cursor ?? tip?.Cursor };
        writer.Add(commit.Json());
        await writer.Commit(session =>
        {
            DatasetTable.Add(session, commit, version.Ref, tip?.Id, now, version.Message);
            if (report is not null) CheckTable.Add(session, version.Dataset, commit.Id, root.Id.Digest, now, report);
        }, cancel);
        var (added, changed) = (0, 0);
        await foreach (var change in new TreeReader(_store.Reader).Changes(before, root.Id, cancel))
        {
            if (change.Before is null) added++;
            else if (change.After is not null) changed++;
        }
        return new Committed(commit, true, added, changed) { Report = report };
    }

    // the tip's tree with the files in it, and the tip's own
    async Task<(TreeNodeRef Root, ContentId Before)> Grown(
        DatasetCommit? tip, IReadOnlyList<TreeFile> files, bool keepOthers, IEnumerable<string> without, Func<byte[], ContentId> store, CancellationToken cancel)
    {
        var before = tip is null ? new DatasetTree([]).Build(store).Id : ContentId.From(tip.Tree);
        var named = new HashSet<string>(StringComparer.Ordinal);
        foreach (var file in files)
        {
            DatasetTree.CheckPath(file.Path);
            named.Add(file.Path);
        }
        var changes = files.Select(file => new TreeChange(null, TreeEntry.Of(file))).ToList();
        if (keepOthers)
            foreach (var path in without)
                if (!named.Contains(path)) changes.Add(new TreeChange(TreeEntry.Of(new TreeFile(path, default(ContentId).Digest, 0)), null));
        changes.Sort((a, b) => TreeEntry.Compare(a.Path, b.Path));
        if (keepOthers && tip is not null) return (await new TreeReader(_store.Reader).Apply(before, changes, store, cancel), before);
        var builder = new TreeBuilder(store);
        foreach (var change in changes)
            if (change.After is { } file) builder.Add(file);
        return (builder.Finish(), before);
    }

    static async Task<DatasetTree> Tree(BlobReader reader, ContentId root, CancellationToken cancel)
    {
        var files = new List<TreeFile>();
        long bytes = 0;
        await foreach (var file in new TreeReader(reader).Files(root, cancel))
        {
            files.Add(file.File);
            bytes += file.Size;
        }
        return new DatasetTree(files, new TreeNodeRef([], files.Count, bytes, root));
    }

    // checks the very bytes that are committed, under their own names, not the source files that somebody may be writing to
    async Task<(TableProfile? Profile, CheckReport? Report)> Examine(BlobReader reader, ContentId root, NewVersion version, DatasetCommit? known, DatasetCommit? tip, CancellationToken cancel)
    {
        if (known is not null && version.Expect is null) return default;
        // a tip without a profile holds no table (or was added as it is): millions of names need not be read to learn that again
        if (version.Expect is null && version.KeepOthers && tip is { Profile: null } && !version.Files.Keys.Any(DuckDb.CanRead)) return default;
        var tree = await Tree(reader, root, cancel);
        if (!tree.Files.Any(file => DuckDb.CanRead(file.Path)))
            return version.Expect is null ? default : throw TaktException.Invalid($"{version.Dataset}: expectations need tables, and none of its files is one");
        var folder = Scratch();
        try
        {
            await Checkouts.Fill(reader, tree, folder, cancel);
            CheckReport? report = null;
            if (version.Expect is { } expect)
            {
                // a version that is there already is held against the one before it, not against itself
                var before = known is null ? tip : known.Parents.Count == 0 ? null : Show($"{known.Dataset}@{known.Parents[0]}");
                report = await Checked(version.Dataset, expect, folder, before, cancel);
                if (report.Failed > 0 && known is null)
                    await database.Write(session => CheckTable.Add(session, version.Dataset, null, tree.Id, time.GetUtcNow(), report));
                report.Require(version.Dataset);
            }
            return (known is null ? Profiler.Profile([folder], cancel) : null, report);
        }
        catch (TaktException e)
        {
            throw e.Without(folder + "/"); // the user knows files by their path in the dataset
        }
        finally
        {
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Holds a version to expectations and keeps what came of it with the version. Nothing is refused: the report tells.</summary>
    /// <exception cref="TaktException">NotFound: no such version, or one that an expectation names. Invalid: it holds no table, or one can't be read.</exception>
    public async Task<(DatasetCommit Commit, CheckReport Report)> Check(string reference, Expectations expect, CancellationToken cancel = default)
    {
        var commit = Show(reference);
        var folder = Scratch();
        try
        {
            await Export(commit, folder, DuckDb.CanRead, cancel);
            if (!Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Any()) throw TaktException.Invalid($"{reference}: expectations need tables, and none of the {commit.Files} files is one");
            var before = commit.Parents.Count == 0 ? null : Show($"{commit.Dataset}@{commit.Parents[0]}");
            var report = await Checked(commit.Dataset, expect, folder, before, cancel);
            await database.Write(session => CheckTable.Add(session, commit.Dataset, commit.Id, commit.Tree, time.GetUtcNow(), report));
            return (commit, report);
        }
        catch (TaktException e)
        {
            throw e.Without(folder + "/"); // the user knows files by their path in the dataset
        }
        finally
        {
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>What checks of a dataset found, the newest first; those of one commit, or of all and of versions that were refused.</summary>
    public IReadOnlyList<StoredCheck> Checks(string dataset, Digest? commit = null, int most = 20) => database.Read(session => CheckTable.Newest(session, dataset, commit?.ToString(), most));

    async Task<CheckReport> Checked(string dataset, Expectations expect, string folder, DatasetCommit? before, CancellationToken cancel)
    {
        var others = Scratch();
        try
        {
            var context = await CheckContext.Load(this, expect, dataset, before, others, time.GetUtcNow(), cancel);
            var report = await Task.Run(() => expect.Check([folder], context, cancel), cancel);
            return report with
            {
                Kinds = report.Kinds?.Select(kind => kind with { First = kind.First.Replace(folder + "/", "", StringComparison.Ordinal) }).ToList(),
                Results = report.Results.Select(result => result with { Message = result.Message.Replace(folder + "/", "", StringComparison.Ordinal), Rows = result.Rows.Select(row => row.Replace(folder + "/", "", StringComparison.Ordinal)).ToList() }).ToList(),
            };
        }
        finally
        {
            if (Directory.Exists(others)) Directory.Delete(others, recursive: true);
        }
    }

    static List<TreeFile> Store(StoreWriter writer, IReadOnlyDictionary<string, string> files)
    {
        var stored = new List<TreeFile>(files.Count);
        var intake = new FileIntake<string>(writer, (path, file) => stored.Add(new TreeFile(path, file.Id.Digest, file.Stat.Size, file.Stat.Executable ? TreeFileMode.Executable : TreeFileMode.File)));
        foreach (var (path, file) in files)
        {
            var real = FileStat.OfLink(file)?.Kind == FileKind.Link ? File.ResolveLinkTarget(file, returnFinalTarget: true)!.FullName : file;
            intake.Add(real, FileStat.OfLink(real) ?? throw TaktException.NotFound($"no file '{file}'"), path);
        }
        intake.Finish();
        return stored;
    }

    static async Task<TreeFile> Hashed(string path, string file, CancellationToken cancel)
    {
        try
        {
            await using var content = File.OpenRead(file);
            var digest = Digest.FromHash(await System.Security.Cryptography.SHA256.HashDataAsync(content, cancel));
            return new TreeFile(path, digest, content.Length, FileStat.Of(file) is { Executable: true } ? TreeFileMode.Executable : TreeFileMode.File);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw TaktException.NotFound($"no file '{file}'");
        }
        catch (UnauthorizedAccessException)
        {
            throw new TaktException(TaktError.Denied, $"'{file}' can't be read; check its permissions");
        }
    }

    static Dictionary<string, string> Sources(string root, IReadOnlyList<string> sources)
    {
        var files = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var source in sources)
        {
            var start = Path.GetFullPath(Path.Combine(root, Directory.Exists(Path.Combine(root, source)) ? source : Glob.FixedFolder(source)));
            foreach (var file in Glob.Find(root, source))
            {
                var path = Path.GetRelativePath(start, file).Replace('\\', '/');
                if (!files.TryAdd(path, file) && files[path] != file)
                    throw TaktException.Invalid($"'{files[path]}' and '{file}' would both be '{path}' in the dataset; collect from one folder, or rename one");
            }
        }
        return files;
    }

    Task<byte[]> Bytes(Digest id, CancellationToken cancel) => _store.Reader.Bytes(ContentId.From(id), cancel);

    static List<DatasetCommit> History(SqlSession session, DatasetCommit commit, int most)
    {
        var log = new List<DatasetCommit> { commit };
        while (log.Count < most && log[^1].Parents.Count > 0 && DatasetTable.Find(session, commit.Dataset, log[^1].Parents[0]) is { } parent) log.Add(parent);
        return log;
    }

    static DatasetCommit Resolve(SqlSession session, DatasetReference wanted)
    {
        var refs = DatasetTable.Refs(session, wanted.Dataset);
        if (refs.Count == 0)
        {
            var names = DatasetTable.Names(session);
            throw TaktException.NotFound($"no dataset '{wanted.Dataset}'; " + (names.Count == 0 ? "there is none yet, 'takt data add FOLDER' or 'takt data collect' makes one" : $"there are: {string.Join(", ", names)}"));
        }
        if (wanted.Ref is not null)
            return DatasetTable.Tip(session, wanted.Dataset, wanted.Ref) is { } target ? DatasetTable.Find(session, wanted.Dataset, target)!
                : DatasetReference.Version(wanted.Ref) is { } number && DatasetTable.Numbered(session, wanted.Dataset, number) is { } version ? version
                : throw TaktException.NotFound($"dataset '{wanted.Dataset}' has no ref '{wanted.Ref}'; it has: {string.Join(", ", refs.Select(r => r.Name))} and the versions v1 to v{DatasetTable.Commits(session, wanted.Dataset)}");
        var commits = DatasetTable.StartingWith(session, wanted.Dataset, wanted.Commit!);
        return commits.Count switch
        {
            1 => commits[0],
            0 => throw TaktException.NotFound($"dataset '{wanted.Dataset}' has no commit {wanted.Commit}; see 'takt data log {wanted.Dataset}'"),
            _ => throw TaktException.Invalid($"several commits of '{wanted.Dataset}' begin with {wanted.Commit}; give more digits"),
        };
    }
}
