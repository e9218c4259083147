#pragma warning disable CA1416 // modes of files: the tests run on Linux
using Microsoft.Data.Sqlite;
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
    public async Task A_journal_cut_short_at_any_byte_leaves_the_version_before_or_after_whole_and_the_pointer_tells_which_is_lost()
    {
        var (state, cancel) = (Path.Combine(_folder, ".takt"), TestContext.Current.CancellationToken);
        var (rows, wal) = (Path.Combine(state, "takt.db"), Path.Combine(state, "takt.db-wal"));
        Digest first, second;
        byte[] database, journal;
        Directory.CreateDirectory(state);
        using (var small = new SqliteConnection($"Data Source={rows};Pooling=false"))
        {
            // the smallest pages: a journal of few bytes, so that each can be the last
            small.Open();
            using var pages = small.CreateCommand();
            pages.CommandText = "pragma page_size=512; vacuum";
            pages.ExecuteNonQuery();
        }
        await using (var project = new Project(_folder))
        {
            project.Write("data/a.txt", "one"u8.ToArray());
            first = (await project.Add()).Id;
        }
        await using (var project = new Project(_folder))
        {
            project.Write("data/a.txt", "two"u8.ToArray());
            second = (await project.Add()).Id;
            (database, journal) = (await File.ReadAllBytesAsync(rows, cancel), await File.ReadAllBytesAsync(wal, cancel));
        }
        const int Head = 32, Frame = 24 + 512;
        // zeros are written ahead of the log: what is cut is what stands before them
        var written = journal.AsSpan().LastIndexOfAnyExcept((byte)0) + 1;
        journal = journal[..(Head + ((written - Head + Frame - 1) / Frame * Frame))];
        // what each cut leaves, page by page; and then every such state in depth, at the first and the last byte that leaves it
        var states = new List<(string Rows, int From, int To)>();
        var shallow = Path.Combine(_folder, "cut.db");
        await File.WriteAllBytesAsync(shallow, database, cancel);
        await File.WriteAllBytesAsync(shallow + "-wal", journal, cancel);
        for (var length = journal.Length; length >= 0; length--)
        {
            using (var cut = File.OpenHandle(shallow + "-wal", FileMode.OpenOrCreate, FileAccess.Write)) RandomAccess.SetLength(cut, length);
            var left = Left(shallow);
            if (states.Count > 0 && states[^1].Rows == left) states[^1] = states[^1] with { From = length };
            else states.Add((left, length, length));
        }
        Assert.Equal(states.Count, states.Select(s => s.Rows).Distinct().Count()); // never back to what was before
        var (before, after) = (0, 0);
        foreach (var length in states.SelectMany(s => (int[])[s.From, s.To]).Distinct())
        {
            await File.WriteAllBytesAsync(rows, database, cancel);
            await File.WriteAllBytesAsync(wal, journal[..length], cancel);
            File.Delete(Path.Combine(state, "takt.db-shm"));
            await using var project = new Project(_folder);
            Assert.Empty(await DatasetCheck.Of(project.Database, project.Store, data: true, cancel));
            var log = project.Datasets.Log("data").Select(version => version.Id).ToList();
            if (log.Count == 2)
            {
                after++;
                Assert.Equal([second, first], log);
                Assert.Empty(await project.Paths.Lost(cancel));
            }
            else
            {
                before++;
                Assert.Equal([first], log);
                Assert.Contains($"'data.takt' names the version {second}, which this store does not have", Assert.Single(await project.Verify()));
            }
        }
        Assert.True(before > 0 && after > 0);

        // every page as SQLite sees it; a connection that only reads leaves the journal as it is
        static string Left(string path)
        {
            Assert.Equal(SQLitePCL.raw.SQLITE_OK, SQLitePCL.raw.sqlite3_open_v2(path, out var connection, SQLitePCL.raw.SQLITE_OPEN_READONLY, null));
            using (connection)
            {
                var pages = SQLitePCL.raw.sqlite3_serialize(connection, "main", out var length, 0);
                Assert.NotEqual(IntPtr.Zero, pages);
                var bytes = new byte[length];
                System.Runtime.InteropServices.Marshal.Copy(pages, bytes, 0, bytes.Length);
                SQLitePCL.raw.sqlite3_free(pages);
                return Digest.Of(bytes).Hex;
            }
        }
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
