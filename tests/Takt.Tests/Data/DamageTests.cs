#pragma warning disable CA1416 // modes of files: the tests run on Linux
using Takt.Data;
using Takt.Data.WorkTrees;
using Takt.Storage;
using Takt.Storage.FileSystem;
using Takt.Storage.Packs;
using Takt.Storage.Sqlite;
using Takt.Storage.Tests;

namespace Takt.Tests.Data;

/// <summary>What happens to a whole project when its bytes are damaged, its disk is full, or two write at once.</summary>
public sealed class DamageTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    sealed class Project(string folder) : IAsyncDisposable
    {
        public string Folder { get; } = folder;
        public WorkTree Tree { get; } = new(folder, Path.Combine(folder, ".takt"));
        public Database Database { get; } = SqliteFile.Open(Path.Combine(folder, ".takt/takt.db"));
        public PackStore Store => field ??= new PackStore(new FolderBlobStore(Path.Combine(Folder, ".takt/store")), Database, TimeProvider.System);
        public VersionedPaths Paths => new(Tree, Database, Store, TimeProvider.System);
        public Datasets Datasets => new(Database, Store, TimeProvider.System, Store.Scratch);

        public void Write(string path, byte[] content)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(Folder, path))!);
            File.WriteAllBytes(Path.Combine(Folder, path), content);
        }

        public async Task<DatasetCommit> Add(string path = "data") => (await Paths.Add(path, null, "main", "")).Commit!;

        public Task<(long, long)> Checkout() => Paths.Checkout(Tree.Named(Path.Combine(Folder, "data")), only: null, force: false);

        public async Task<List<string>> Verify() => [.. await DatasetCheck.Of(Database, Store, data: true), .. await Paths.Lost()];

        public async ValueTask DisposeAsync()
        {
            Store.Dispose();
            await Database.DisposeAsync();
        }
    }

    static byte[] Noise(int length, int seed)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    [Fact]
    public async Task A_journal_cut_short_anywhere_leaves_the_version_before_or_after_whole_and_the_pointer_tells_which_is_lost()
    {
        var (state, files) = (Path.Combine(_folder, ".takt"), new Dictionary<string, byte[]>());
        Digest first, second;
        await using (var project = new Project(_folder))
        {
            project.Write("data/a.txt", "one"u8.ToArray());
            first = (await project.Add()).Id;
        }
        await using (var project = new Project(_folder))
        {
            project.Write("data/a.txt", "two"u8.ToArray());
            second = (await project.Add()).Id;
            foreach (var name in (string[])["takt.db", "takt.db-wal"]) files[name] = await File.ReadAllBytesAsync(Path.Combine(state, name), TestContext.Current.CancellationToken);
        }
        var journal = files["takt.db-wal"];
        const int Head = 32, Frame = 24 + 4096;
        Assert.Equal(0, (journal.Length - Head) % Frame);
        // every byte of the head and of the last frame's head, and every 509th: what lies within a page makes no difference
        var cuts = Enumerable.Range(0, Head + 24).Concat(Enumerable.Range(journal.Length - Frame - 2, 28)).Concat(Enumerable.Range(0, journal.Length / 509).Select(i => i * 509)).Append(journal.Length).Distinct().Order();
        var (before, after) = (0, 0);
        foreach (var length in cuts)
        {
            await File.WriteAllBytesAsync(Path.Combine(state, "takt.db"), files["takt.db"], TestContext.Current.CancellationToken);
            await File.WriteAllBytesAsync(Path.Combine(state, "takt.db-wal"), journal[..length], TestContext.Current.CancellationToken);
            File.Delete(Path.Combine(state, "takt.db-shm"));
            await using var project = new Project(_folder);
            Assert.Empty(await DatasetCheck.Of(project.Database, project.Store, data: true, TestContext.Current.CancellationToken));
            var log = project.Datasets.Log("data").Select(version => version.Id).ToList();
            if (log.Count == 2)
            {
                after++;
                Assert.Equal([second, first], log);
                Assert.Empty(await project.Paths.Lost(TestContext.Current.CancellationToken));
            }
            else
            {
                before++;
                Assert.Equal([first], log);
                Assert.Contains($"'data.takt' names the version {second}, which this store does not have", Assert.Single(await project.Verify()));
            }
        }
        Assert.True(before > 0 && after > 0);
    }

    [Fact]
    public async Task A_full_disk_is_told_the_pointer_stays_and_with_room_it_goes_on()
    {
        using var disk = SmallDisk.Mount(12);
        await using (var project = new Project(disk.Folder))
        {
            project.Write("data/a.txt", "a"u8.ToArray());
            var first = await project.Add();
            project.Write("data/large.bin", Noise(6 << 20, 1));
            project.Write("data/b.txt", "b"u8.ToArray());
            for (var i = 0; i < 2; i++)
            {
                var e = await Assert.ThrowsAsync<TaktException>(() => project.Add());
                Assert.Equal(TaktError.Unavailable, e.Error);
                Assert.Contains("disk full", e.Message);
                Assert.Equal(first.Id, DatasetPointer.Read(Path.Combine(disk.Folder, "data.takt")).Commit);
                Assert.Empty(await project.Verify());
            }
            File.Delete(Path.Combine(disk.Folder, "data/large.bin"));
            Assert.Equal(2, (await project.Add()).Files);
            Assert.Empty(await project.Verify());
        }
    }

    [Theory]
    [InlineData(0.3)] // in the records
    [InlineData(1.0)] // the last byte, of the footer
    public async Task A_changed_byte_fails_what_needs_it_alone_and_a_repair_and_an_add_bring_it_back(double where)
    {
        await using var project = new Project(_folder);
        for (var i = 0; i < 40; i++) project.Write($"data/{i}.bin", Noise(3000, i));
        project.Write("data/large.bin", Noise(3_000_000, 99));
        var commit = await project.Add();
        var pack = Assert.Single(Directory.GetFiles(Path.Combine(_folder, ".takt/store/packs"), "*.pack", SearchOption.AllDirectories));
        File.SetUnixFileMode(pack, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        using (var file = File.OpenHandle(pack, FileMode.Open, FileAccess.ReadWrite))
        {
            var at = (long)(where * (RandomAccess.GetLength(file) - 1));
            var one = new byte[1];
            RandomAccess.Read(file, one, at);
            one[0] ^= 0x55;
            RandomAccess.Write(file, one, at);
        }
        Assert.Contains(await project.Verify(), fault => fault.Contains(Path.GetFileName(pack), StringComparison.Ordinal));
        if (where < 1)
        {
            Directory.Move(Path.Combine(_folder, "data"), Path.Combine(_folder, "kept"));
            var e = await Assert.ThrowsAsync<TaktException>(project.Checkout);
            Assert.Contains("is damaged", e.Message);
            var written = Directory.GetFiles(Path.Combine(_folder, "data")).Length;
            Assert.Equal($"the other {written:N0} files were written", e.Faults[^1]);
            Assert.True(written is > 0 and < 41);
            Directory.Delete(Path.Combine(_folder, "data"), recursive: true);
            Directory.Move(Path.Combine(_folder, "kept"), Path.Combine(_folder, "data"));
        }
        Assert.NotEmpty(await DatasetCheck.Repair(project.Store, TestContext.Current.CancellationToken));
        Assert.Equal(where < 1, (await project.Verify()).Count > 0);
        Assert.Empty(await DatasetCheck.Repair(project.Store, TestContext.Current.CancellationToken));
        Assert.Equal(commit.Id, (await project.Add()).Id);
        Assert.Empty(await project.Verify());
        Directory.Delete(Path.Combine(_folder, "data"), recursive: true);
        await project.Checkout();
        for (var i = 0; i < 40; i++) Assert.Equal(Noise(3000, i), await File.ReadAllBytesAsync(Path.Combine(_folder, $"data/{i}.bin"), TestContext.Current.CancellationToken));
        Assert.Equal(Noise(3_000_000, 99), await File.ReadAllBytesAsync(Path.Combine(_folder, "data/large.bin"), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Two_that_add_to_one_dataset_at_once_both_have_their_version()
    {
        await using var one = new Project(_folder);
        await using var two = new Project(_folder);
        one.Write("left/data/a.bin", Noise(200_000, 1));
        one.Write("right/data/b.bin", Noise(200_000, 2));
        one.Write("left/data/same.bin", Noise(200_000, 3));
        one.Write("right/data/same.bin", Noise(200_000, 3));
        await Task.WhenAll(Task.Run(() => one.Add("left/data")), Task.Run(() => two.Add("right/data")));
        Assert.Equal(2, one.Datasets.Log("data").Count);
        Assert.Empty(await one.Verify());
    }
}
