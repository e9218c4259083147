using System.Collections.Concurrent;
using System.Text;
using Takt.Storage;

namespace Takt.Data;

/// <summary>Named, versioned data: commits of files, refs that point to them, folders checked out of them.</summary>
/// <remarks>
/// A commit writes its blobs first, each durable, then all rows in one transaction: killed at any point, a dataset has its old version or the new
/// one, never half of one. Two collects of one dataset at once: the second to finish builds on the first one's version.
/// </remarks>
/// <param name="scratch">A folder for work in flight, on the file system of the store so that files can be linked.</param>
public sealed class Datasets(Database database, IBlobStore blobs, TimeProvider time, string scratch)
{
    const int Attempts = 5;

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
        var files = await Store(version.Files, cancel);
        for (var attempt = 1; ; attempt++)
        {
            var tip = Tip(version.Dataset, version.Ref);
            if (version.On is { Only: true } on && tip?.Id != on.Tip)
                throw TaktException.Conflict($"somebody else moved {version.Dataset}@{version.Ref} to {tip?.Id.ToString() ?? "nothing"} meanwhile; collect again");
            try
            {
                return await Commit(version, files, tip, cancel);
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
        var tip = Tip(dataset, DatasetReference.Main);
        return (tip is null ? new DatasetTree(files) : (await Tree(tip, cancel)).With(files)).Id;
    }

    /// <summary>Makes an earlier version the newest again: what was collected since stays, and the reflog names it.</summary>
    /// <exception cref="TaktException">NotFound: no such version.</exception>
    public Task Reset(string reference)
    {
        var commit = Show(reference);
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

    /// <summary>The commit and those before it, newest first, along first parents; at most <paramref name="most"/>.</summary>
    public IReadOnlyList<DatasetCommit> Log(string reference, int most = int.MaxValue)
    {
        var wanted = DatasetReference.Parse(reference);
        return database.Read(session => History(session, Resolve(session, wanted), most));
    }

    /// <summary>The tip of a ref, or null when the dataset or the ref is not there.</summary>
    public DatasetCommit? Tip(string dataset, string name = DatasetReference.Main) => database.Read(session =>
        DatasetTable.Tip(session, dataset, name) is { } target ? DatasetTable.Find(session, dataset, target) : null);

    public async Task<DatasetTree> Tree(DatasetCommit commit, CancellationToken cancel = default) =>
        DatasetTree.Parse(await Bytes(commit.Tree, cancel));

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
        var tree = await Tree(commit, cancel);
        if (Path.EndsInDirectorySeparator(path)) await Checkouts.Folder(blobs, tree, path, cancel);
        else await Checkouts.SingleFile(blobs, tree, path, cancel);
        DatasetPointer.Of(commit).Write(DatasetPointer.PathFor(path));
    }

    /// <summary>A version's files into a new folder, to be read and removed again: they are read-only and share their bytes with the store.</summary>
    /// <param name="wanted">Which, by their path in the dataset; null: all.</param>
    public async Task Export(DatasetCommit commit, string folder, Func<string, bool>? wanted = null, CancellationToken cancel = default)
    {
        var tree = await Tree(commit, cancel);
        await Checkouts.Fill(blobs, wanted is null ? tree : new DatasetTree(tree.Files.Where(file => wanted(file.Path))), folder, cancel);
    }

    /// <summary>A new path for files in flight, on the file system of the store; whoever asks makes it and removes it.</summary>
    public string Scratch() => Path.Combine(scratch, Guid.NewGuid().ToString("N"));

    async Task<Committed> Commit(NewVersion version, IReadOnlyList<TreeFile> files, DatasetCommit? tip, CancellationToken cancel)
    {
        var before = tip is null ? new DatasetTree([]) : await Tree(tip, cancel);
        var kept = version.Without.Count == 0 ? before : new DatasetTree(before.Files.Where(file => !version.Without.Contains(file.Path)));
        var tree = version.KeepOthers ? kept.With(files) : new DatasetTree(files);
        if (tip is not null && tree.Id == tip.Tree)
        {
            var again = (await Examine(tree, version, tip, tip, cancel)).Report;
            return new Committed(tip, false, 0, 0) { Report = again };
        }
        var (profile, report) = await Examine(tree, version, null, tip, cancel);
        await blobs.Put(new MemoryStream(tree.Json.ToArray()), cancel);
        Digest? profileId = profile is null ? null : (await blobs.Put(new MemoryStream(Encoding.UTF8.GetBytes(profile.ToJson())), cancel)).Id;
        var now = time.GetUtcNow();
        var commit = new DatasetCommit(version.Dataset, tree.Id, tip is null ? [] : [tip.Id], version.Author, DateTimeOffset.FromUnixTimeMilliseconds(now.ToUnixTimeMilliseconds()),
            version.Message, version.Source, tree.Files.Count, tree.Size, profile?.Rows, profileId) { Cursor = version.Cursor ?? tip?.Cursor };
        await blobs.Put(new MemoryStream(commit.Json()), cancel);
        await database.Write(session =>
        {
            DatasetTable.Add(session, commit, version.Ref, tip?.Id, now, version.Message);
            if (report is not null) CheckTable.Add(session, version.Dataset, commit.Id, tree.Id, now, report);
        });
        var known = before.Files.ToDictionary(file => file.Path, file => file.Digest);
        return new Committed(commit, true,
            Added: tree.Files.Count(file => !known.ContainsKey(file.Path)),
            Changed: tree.Files.Count(file => known.TryGetValue(file.Path, out var old) && old != file.Digest)) { Report = report };
    }

    // checks the very bytes that are committed, under their own names, not the source files that somebody may be writing to
    async Task<(TableProfile? Profile, CheckReport? Report)> Examine(DatasetTree tree, NewVersion version, DatasetCommit? known, DatasetCommit? tip, CancellationToken cancel)
    {
        if (known is not null && version.Expect is null) return default;
        if (!tree.Files.Any(file => DuckDb.CanRead(file.Path)))
            return version.Expect is null ? default : throw TaktException.Invalid($"{version.Dataset}: expectations need tables, and none of the {tree.Files.Count} files is one");
        var folder = Scratch();
        try
        {
            await Checkouts.Fill(blobs, tree, folder, cancel);
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
            return (known is null ? Profiler.Profile([folder]) : null, report);
        }
        catch (TaktException e)
        {
            throw InDataset(e, folder);
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
            throw InDataset(e, folder);
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
            return report with { Results = report.Results.Select(result => result with { Message = result.Message.Replace(folder + "/", "", StringComparison.Ordinal), Rows = result.Rows.Select(row => row.Replace(folder + "/", "", StringComparison.Ordinal)).ToList() }).ToList() };
        }
        finally
        {
            if (Directory.Exists(others)) Directory.Delete(others, recursive: true);
        }
    }

    // the reader names the files in the scratch folder; the user knows them by their path in the dataset
    static TaktException InDataset(TaktException e, string folder) => new(e.Error, e.Faults.Select(fault => fault.Replace(folder + "/", "", StringComparison.Ordinal)).ToList());

    async Task<IReadOnlyList<TreeFile>> Store(IReadOnlyDictionary<string, string> files, CancellationToken cancel)
    {
        var stored = new List<TreeFile>(files.Count);
        foreach (var (path, file) in files)
        {
            var hashed = await Hashed(path, file, cancel);
            if (await blobs.Length(hashed.Digest, cancel) is null)
            {
                await using var content = File.OpenRead(file);
                var blob = await blobs.Put(content, cancel);
                hashed = new TreeFile(path, blob.Id, blob.Length); // what was stored counts, should the file have changed since
            }
            stored.Add(hashed);
        }
        return stored;
    }

    static async Task<TreeFile> Hashed(string path, string file, CancellationToken cancel)
    {
        try
        {
            await using var content = File.OpenRead(file);
            var digest = Digest.FromHash(await System.Security.Cryptography.SHA256.HashDataAsync(content, cancel));
            return new TreeFile(path, digest, content.Length);
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

    async Task<byte[]> Bytes(Digest id, CancellationToken cancel)
    {
        await using var content = await blobs.Open(id, cancel);
        var bytes = new byte[content.Length];
        await content.ReadExactlyAsync(bytes, cancel);
        return bytes;
    }

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
            throw TaktException.NotFound($"no dataset '{wanted.Dataset}'; " + (names.Count == 0 ? "there is none yet, 'takt data collect' makes one" : $"there are: {string.Join(", ", names)}"));
        }
        if (wanted.Ref is not null)
            return DatasetTable.Tip(session, wanted.Dataset, wanted.Ref) is { } target ? DatasetTable.Find(session, wanted.Dataset, target)!
                : throw TaktException.NotFound($"dataset '{wanted.Dataset}' has no ref '{wanted.Ref}'; it has: {string.Join(", ", refs.Select(r => r.Name))}");
        var commits = DatasetTable.StartingWith(session, wanted.Dataset, wanted.Commit!);
        return commits.Count switch
        {
            1 => commits[0],
            0 => throw TaktException.NotFound($"dataset '{wanted.Dataset}' has no commit {wanted.Commit}; see 'takt data log {wanted.Dataset}'"),
            _ => throw TaktException.Invalid($"several commits of '{wanted.Dataset}' begin with {wanted.Commit}; give more digits"),
        };
    }
}
