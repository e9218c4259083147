using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Takt.Data.Trees;
using Takt.Data.WorkTrees;
using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Data.Dvc;

/// <summary>Every version that the pointers in git's history name becomes a version of a dataset, with the author, time and subject of the git commit that brought it.</summary>
/// <remarks>The same history gives the same versions: done twice, it adds nothing. Where a dataset has grown by itself meanwhile, the history goes to its branch <c>dvc</c>.</remarks>
sealed class DvcHistory(WorkTree tree, Database database, PackStore store, TimeProvider time, DvcStore content, DvcObjects objects)
{
    const string Aside = "dvc";

    sealed record GitCommit(string Id, string Author, DateTimeOffset Time, string Subject);

    readonly record struct Version(DvcOutput Output, GitCommit Commit);

    public async Task<DvcImported> Run(Action<DvcTaken>? told, CancellationToken cancel)
    {
        var (left, faults, taken) = (new List<string>(), new List<string>(), new List<DvcTaken>());
        var versions = await Versions(left, faults, cancel);
        var names = DvcImport.DatasetNames(versions.Select(version => version.Output.Path));
        await using var writer = await store.Begin("import DVC's history");
        foreach (var group in versions.GroupBy(version => version.Output.Path))
        {
            var chain = new List<DatasetCommit>();
            foreach (var (output, commit) in group)
            {
                try
                {
                    var root = await content.Bring(writer, output, workTree: false, cancel);
                    if (!output.IsFolder) root = OneFile(writer, output.Path, root);
                    if (chain.Count > 0 && chain[^1].Tree == root.Id.Digest) continue;
                    chain.Add(new DatasetCommit(names[group.Key], root.Id.Digest, chain.Count == 0 ? [] : [chain[^1].Id], commit.Author, commit.Time, $"{commit.Subject} (git {commit.Id[..10]})", output.Path, root.Files, root.Bytes, null, null));
                }
                catch (TaktException e) when (e.Error is TaktError.NotFound or TaktError.Invalid)
                {
                    faults.AddRange(e.Faults.Select(fault => $"git {commit.Id[..10]}, {fault}"));
                }
            }
            await Add(writer, group.First().Output.Pointer, chain, taken, told, cancel);
        }
        return new DvcImported(taken, left, [.. faults, .. objects.Away], content.Moved.Files, content.Moved.Bytes);
    }

    async Task Add(StoreWriter writer, string pointer, List<DatasetCommit> chain, List<DvcTaken> taken, Action<DvcTaken>? told, CancellationToken cancel)
    {
        if (chain.Count == 0) return;
        var dataset = chain[0].Dataset;
        DatasetReference.CheckName(dataset);
        var known = database.Read(session => DatasetTable.All(session, dataset)).Select(commit => commit.Id).ToHashSet();
        var main = database.Read(session => DatasetTable.Tip(session, dataset, DatasetReference.Main));
        var branch = main is null || chain.Any(commit => commit.Id == main) ? DatasetReference.Main : Aside;
        var tip = branch == DatasetReference.Main ? main : database.Read(session => DatasetTable.Tip(session, dataset, branch));
        foreach (var commit in chain) writer.Add(commit.Json());
        await writer.Commit(session =>
        {
            var now = time.GetUtcNow();
            foreach (var commit in chain) DatasetTable.Insert(session, commit, now, partial: false);
            if (DatasetTable.Tip(session, dataset, branch) != tip) throw TaktException.Conflict($"somebody else moved {dataset}@{branch} meanwhile; import again");
            if (tip != chain[^1].Id) DatasetTable.Move(session, dataset, branch, tip, chain[^1].Id, now, "import of DVC's history");
        }, cancel);
        foreach (var commit in chain)
        {
            var done = new DvcTaken(pointer, commit.Source, !known.Contains(commit.Id), commit, commit.Bytes);
            taken.Add(done);
            told?.Invoke(done);
        }
    }

    static TreeNodeRef OneFile(StoreWriter writer, string path, TreeNodeRef file)
    {
        var builder = new TreeBuilder(node => writer.Add(node));
        builder.Add(new TreeEntry(Encoding.UTF8.GetBytes(Path.GetFileName(path)), TreeFileMode.File, file.Bytes, file.Id));
        return builder.Finish();
    }

    // what each commit changed of what pointers name, the oldest first
    async Task<List<Version>> Versions(List<string> left, List<string> faults, CancellationToken cancel)
    {
        var log = await Git(cancel, "log", "--reverse", "--topo-order", "--format=%H%x1f%an%x1f%at%x1f%s", "HEAD", "--", ":(glob)**/*.dvc", ":(glob)**/dvc.lock");
        var (versions, seen) = (new List<Version>(), new HashSet<(string, string, string?)>());
        foreach (var line in log.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.Split('\x1f') is not [var id, var author, var at, var subject]) continue;
            var commit = new GitCommit(id, author, DateTimeOffset.FromUnixTimeSeconds(long.Parse(at, CultureInfo.InvariantCulture)), subject);
            var blobs = (await Git(cancel, "ls-tree", "-r", "-z", "--full-tree", id)).Split('\0', StringSplitOptions.RemoveEmptyEntries)
                .Select(entry => entry.Split('\t', 2)).Where(entry => entry.Length == 2).ToDictionary(entry => entry[1], entry => entry[0].Split(' ')[2], StringComparer.Ordinal);
            foreach (var (path, blob) in blobs.Where(one => DvcFiles.IsPointer(one.Key)).OrderBy(one => one.Key, StringComparer.Ordinal))
            {
                var stages = Path.GetFileName(path) == DvcFiles.Lock ? blobs.GetValueOrDefault(Path.Combine(Path.GetDirectoryName(path)!, "dvc.yaml")) : null;
                if (!seen.Add((path, blob, stages))) continue;
                try
                {
                    var (outputs, leftHere) = DvcFiles.Read(path, await Git(cancel, "cat-file", "blob", blob), stages is null ? null : await Git(cancel, "cat-file", "blob", stages));
                    versions.AddRange(outputs.Select(output => new Version(output, commit)));
                    foreach (var one in leftHere)
                        if (!left.Contains(one)) left.Add(one);
                }
                catch (TaktException e) when (e.Error == TaktError.Invalid)
                {
                    faults.Add($"git {id[..10]}, {e.Message}");
                }
            }
        }
        return versions;
    }

    async Task<string> Git(CancellationToken cancel, params string[] args)
    {
        try
        {
            using var git = Process.Start(new ProcessStartInfo("git", ["-C", tree.Root, .. args]) { RedirectStandardOutput = true, RedirectStandardError = true, StandardOutputEncoding = Encoding.UTF8 })!;
            var error = git.StandardError.ReadToEndAsync(cancel);
            var output = await git.StandardOutput.ReadToEndAsync(cancel);
            await git.WaitForExitAsync(cancel);
            return git.ExitCode == 0 ? output : throw TaktException.NotFound($"git's history in '{tree.Root}' can't be read: {(await error).Trim()}");
        }
        catch (Win32Exception e)
        {
            throw new TaktException(TaktError.NotFound, "the history is git's, and there is no program 'git' here; install it", e);
        }
    }
}
