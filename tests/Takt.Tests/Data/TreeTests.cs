using System.Text;
using CsCheck;
using Takt.Data;
using Takt.Data.Trees;
using Takt.Storage;
using Takt.Storage.FileSystem;
using Takt.Storage.Packs;
using Takt.Storage.Sqlite;

namespace Takt.Tests.Data;

public sealed class TreeTests : IAsyncLifetime
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;
    Database _database = null!;
    PackStore _store = null!;
    StoreWriter _writer = null!;

    public async ValueTask InitializeAsync()
    {
        _database = SqliteFile.Open(Path.Combine(_folder, "takt.db"));
        _store = new PackStore(new FolderBlobStore(Path.Combine(_folder, "store")), _database, TimeProvider.System);
        _writer = await _store.Begin("test");
    }

    public async ValueTask DisposeAsync()
    {
        await _writer.DisposeAsync();
        _store.Dispose();
        await _database.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    ContentId Store(byte[] node) => _writer.Add(node);

    TreeReader Trees => new(_writer.Reader);

    static TreeEntry File(int number, int content) => new(Encoding.UTF8.GetBytes($"part-{number / 100:D4}/file-{number:D7}.csv"), TreeFileMode.File, content, ContentId.Of(BitConverter.GetBytes(content)));

    TreeNodeRef Build(IEnumerable<TreeEntry> files)
    {
        var builder = new TreeBuilder(Store);
        foreach (var file in files) builder.Add(file);
        return builder.Finish();
    }

    [Fact]
    public async Task A_tree_that_was_changed_is_the_tree_built_anew_and_its_differences_are_the_changes()
    {
        var random = new Random(5);
        var files = Enumerable.Range(0, 60_000).Select(i => File(i, i)).ToDictionary(file => Encoding.UTF8.GetString(file.Path));
        var root = Build(files.Values.OrderBy(file => file.Path, Comparer<byte[]>.Create((a, b) => TreeEntry.Compare(a, b))));
        Assert.Equal(60_000, root.Files);
        for (var round = 0; round < 15; round++)
        {
            var changes = new SortedDictionary<string, TreeChange>(StringComparer.Ordinal);
            for (var i = random.Next(1, 40); i > 0; i--)
            {
                var file = File(random.Next(70_000), random.Next());
                var path = Encoding.UTF8.GetString(file.Path);
                var before = files.TryGetValue(path, out var old) ? old : (TreeEntry?)null;
                if (random.Next(3) > 0) changes[path] = new TreeChange(before, file);
                else if (before is not null) changes[path] = new TreeChange(before, null);
            }
            foreach (var (path, change) in changes)
            {
                if (change.After is { } after) files[path] = after;
                else files.Remove(path);
            }
            var changed = await Trees.Apply(root.Id, [.. changes.Values], Store);
            Assert.Equal(Build(files.Values.OrderBy(file => Encoding.UTF8.GetString(file.Path), StringComparer.Ordinal)).Id, changed.Id);
            Assert.Equal(files.Values.Sum(file => file.Size), changed.Bytes);
            var found = new List<string>();
            await foreach (var change in Trees.Changes(root.Id, changed.Id)) found.Add(Encoding.UTF8.GetString(change.Path));
            Assert.Equal(changes.Keys, found);
            root = changed;
        }
    }

    [Fact]
    public async Task One_changed_file_among_many_writes_one_leaf_and_the_nodes_above_it()
    {
        var root = Build(Enumerable.Range(0, 200_000).Select(i => File(i, i)));
        var written = new List<int>();
        var changed = await Trees.Apply(root.Id, [new TreeChange(null, File(100_000, -1) with { Size = 1 })], node =>
        {
            var known = _writer.Reader.Length(ContentId.Of(node)).GetAwaiter().GetResult() is not null;
            if (!known) written.Add(node.Length);
            return Store(node);
        });
        Assert.NotEqual(root.Id, changed.Id);
        Assert.InRange(written.Count, 1, 3);
        Assert.InRange(written.Sum(), 1, 2 << 20);
    }

    [Fact]
    public async Task Merging_takes_both_sides_and_names_every_conflict()
    {
        var from = Build(Enumerable.Range(0, 10).Select(i => File(i, i)));
        var ours = await Trees.Apply(from.Id, [new(File(1, 1), File(1, 100)), new(File(2, 2), null), new(File(5, 5), File(5, 50))], Store);
        var theirs = await Trees.Apply(from.Id, [new(File(3, 3), File(3, 300)), new(File(5, 5), File(5, 50)), new(null, File(20, 20))], Store);
        var merged = await TreeMerge.Of(Trees, from.Id, ours.Id, theirs.Id, Store, default);
        Assert.Equal(Build([File(0, 0), File(1, 100), File(3, 300), File(4, 4), File(5, 50), File(6, 6), File(7, 7), File(8, 8), File(9, 9), File(20, 20)]).Id, merged.Id);

        theirs = await Trees.Apply(from.Id, [new(File(1, 1), null), new(File(2, 2), File(2, 22))], Store);
        var e = await Assert.ThrowsAsync<TaktException>(() => TreeMerge.Of(Trees, from.Id, ours.Id, theirs.Id, Store, default));
        Assert.Equal(TaktError.Conflict, e.Error);
        Assert.Equal(["'part-0000/file-0000001.csv' was changed here and removed there", "'part-0000/file-0000002.csv' was removed here and changed there"], e.Faults);
    }

    [Fact]
    public void A_damaged_node_is_refused_and_never_crashes()
    {
        var node = TreeNode.Leaf(Enumerable.Range(0, 50).Select(i => File(i, i)).ToList());
        var branch = TreeNode.Branch([new("a"u8.ToArray(), 1, 2, default), new("b"u8.ToArray(), 3, 4, default)], 1);
        Gen.Select(Gen.Bool, Gen.Int[0, node.Length - 1], Gen.Byte).Sample(t =>
        {
            var bytes = (t.Item1 ? node : branch).ToArray();
            bytes[t.Item2 % bytes.Length] = t.Item3;
            try
            {
                if (t.Item1) TreeNode.Files(bytes, default);
                else TreeNode.Nodes(bytes, default);
            }
            catch (TaktException e)
            {
                return e.Error == TaktError.Invalid;
            }
            return true;
        }, iter: 20_000);
    }

    /// <summary>Run by <c>bench/data/tree.sh</c>: prints, asserts only that the work was done.</summary>
    [Fact(Explicit = true)]
    public async Task Ten_million_files_of_which_one_changes()
    {
        const int Count = 10_000_000;
        var watch = System.Diagnostics.Stopwatch.StartNew();
        var root = Build(Enumerable.Range(0, Count).Select(i => new TreeEntry(Encoding.UTF8.GetBytes($"part-{i / 100:D6}/file-{i:D8}.bin"), TreeFileMode.File, i, ContentId.Of(BitConverter.GetBytes(i)))));
        var first = new DatasetCommit("many", root.Id.Digest, [], "bench", DateTimeOffset.UnixEpoch, "", "", root.Files, root.Bytes, null, null);
        _writer.Add(first.Json());
        await _writer.Commit(session => DatasetTable.Add(session, first, DatasetReference.Main, null, DateTimeOffset.UnixEpoch, ""));
        Tell("tree of 10,000,000 files made");
        var datasets = new Datasets(_database, _store, TimeProvider.System, Path.Combine(_folder, "scratch"));
        var source = Path.Combine(_folder, "new");
        System.IO.File.WriteAllText(source, "new");
        watch.Restart();
        var second = (await datasets.Commit(new NewVersion("many", new Dictionary<string, string> { ["part-050000/file-05000000.new"] = source }) { KeepOthers = true })).Commit;
        Tell("one file more committed");
        var diff = await new DatasetDiffs(datasets).Between(first.Reference, second.Reference);
        Tell("the two versions compared");
        Assert.Equal((Count + 1, 1, Count), ((int)second.Files, diff.Files.Count, (int)diff.SameFiles));

        void Tell(string what)
        {
            TestContext.Current.TestOutputHelper?.WriteLine($"{what}: {watch.Elapsed.TotalSeconds:F2} s, {Environment.WorkingSet >> 20} MiB of memory");
            watch.Restart();
        }
    }
}
