#pragma warning disable CA1416 // modes of files: the tests run on Linux
using Takt.Data;
using Takt.Data.Remotes;
using Takt.Data.WorkTrees;
using Takt.Storage.FileSystem;
using Takt.Storage.Packs;

namespace Takt.Storage.Tests;

public sealed class FolderRemoteTests : RemoteContract
{
    // where thousands of small files that are synced cost little
    readonly string _memory = Directory.Exists("/dev/shm") ? Path.Combine("/dev/shm", $"takt-{Guid.NewGuid():N}") : Directory.CreateTempSubdirectory("takt").FullName;

    public override void Dispose()
    {
        if (Directory.Exists(_memory)) Directory.Delete(_memory, recursive: true);
        base.Dispose();
        GC.SuppressFinalize(this);
    }

    string Place => Path.Combine(Folder, "remote");

    protected override Remote Open() => new ObjectRemote(new FolderBlobStore(Place), Place);

    protected override Task DamagePack()
    {
        var pack = Directory.EnumerateFiles(Place, "*.pack", SearchOption.AllDirectories).First();
        File.SetUnixFileMode(pack, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        using var file = File.OpenWrite(pack);
        file.Position = file.Length / 2;
        file.Write(new byte[16]);
        return Task.CompletedTask;
    }

    protected override Task LosePack(bool cut)
    {
        var pack = new DirectoryInfo(Place).EnumerateFiles("*.pack", SearchOption.AllDirectories).MaxBy(file => file.Length)!;
        File.SetUnixFileMode(pack.FullName, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        if (!cut) pack.Delete();
        else using (var file = pack.OpenWrite()) file.SetLength(file.Length / 2);
        return Task.CompletedTask;
    }

    [Fact]
    public async Task A_pack_that_is_gone_with_its_index_is_missed_by_whoever_saw_it_and_by_whoever_never_looked()
    {
        await using var a = At("a");
        await using var b = At("b");
        a.Write("data/1.bin", Noise(100_000, 1));
        await a.Add();
        Remote Known() => new ObjectRemote(new FolderBlobStore(Place), Place, Path.Combine(Folder, "memory"));
        await using (var remote = Known()) Assert.Equal(1, (await a.Push(remote)).Versions);
        await using (var remote = Known()) Assert.Equal((0, 0), ((await a.Push(remote)).Records, (await a.Push(remote)).Lost.Count));
        foreach (var seen in (bool[])[true, false])
        {
            foreach (var file in Directory.GetFiles(Path.Combine(Place, "packs"), "*", SearchOption.AllDirectories)) File.Delete(file);
            await using var remote = seen ? Known() : Open();
            var report = await a.Push(remote);
            Assert.Equal(seen ? 2 : 0, report.Lost.Count);
            Assert.True(report.Mended > 0);
        }
        await using (var remote = Known()) await b.Fetch(remote);
        Assert.Equal(Noise(100_000, 1), await b.Read("1.bin"));
    }

    [Fact]
    public async Task Fetched_versions_have_the_numbers_of_the_order_in_which_they_were_made_though_their_branches_come_in_another()
    {
        await using var a = At("a");
        await using var b = At("b");
        var branches = new DatasetBranches(a.Database, a.Store, a.Datasets, TimeProvider.System);
        a.Write("data/x", [1]);
        await a.Add();
        await branches.Create("zebra", "data", tag: false);
        for (var i = 2; i < 8; i++)
        {
            a.Write("data/x", [(byte)i]);
            if (i % 2 == 0) await a.Paths.Checkout(new TrackedPath("data", true, default, "data", null, 0), a.Datasets.Show(i < 4 ? "data@v1" : "data@zebra"), force: true);
            else await a.Paths.Checkout(new TrackedPath("data", true, default, "data", null, 0), a.Datasets.Show("data"), force: true);
            a.Write("data/x", [(byte)i]);
            await a.Paths.Add("data", null, i % 2 == 0 ? "zebra" : "main", "");
            await Task.Delay(2, TestContext.Current.CancellationToken); // times are whole milliseconds
        }
        await using var remote = Open();
        await new Push(a.Database, a.Store).Run(remote, [("data", "zebra"), ("data", "main")], [], force: false);
        await b.Fetch(remote);
        Assert.Equal(a.Datasets.Numbers("data").OrderBy(one => one.Value), b.Datasets.Numbers("data").OrderBy(one => one.Value));
        Assert.Equal(7, b.Datasets.Numbers("data").Count);
    }

    [Fact]
    public async Task An_index_that_can_not_be_read_is_made_anew_by_a_push()
    {
        await using var a = At("a");
        await using var b = At("b");
        a.Write("data/1.bin", Noise(100_000, 1));
        await a.Add();
        await using (var remote = Open()) await a.Push(remote);
        var index = Directory.GetFiles(Place, "*.idx", SearchOption.AllDirectories).Single();
        File.SetUnixFileMode(index, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.WriteAllBytes(index, [1, 2, 3]);
        await using (var remote = Open()) Assert.Contains("too short", Assert.Single((await a.Push(remote)).Lost));
        await using (var remote = Open()) await b.Fetch(remote);
        Assert.Equal(Noise(100_000, 1), await b.Read("1.bin"));
    }

    [Fact]
    public async Task What_a_comparison_lacks_of_a_version_is_told_with_the_command_that_brings_it()
    {
        await using var a = At("a");
        await using var b = At("b");
        a.Write("data/1.csv", "id\n1\n"u8.ToArray());
        var first = await a.Add();
        a.Write("data/1.csv", "id\n2\n"u8.ToArray());
        await a.Add();
        await using var remote = Open();
        await a.Push(remote);
        await b.Fetch(remote, only: "none");
        var told = await Assert.ThrowsAsync<TaktException>(() => new DatasetDiffs(b.Datasets).Between("data@v1", "data@v2"));
        Assert.Contains($"'takt data fetch data@sha256:{first.Id.Hex[..12]}'", told.Message);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_pack_cut_short_at_any_byte_or_lost_is_named_and_what_it_held_comes_back_from_a_remote_even_without_its_index(bool index)
    {
        var cancel = TestContext.Current.CancellationToken;
        await using var a = new RemoteMachine(Path.Combine(_memory, "a"));
        a.Write("data/a.txt", "a"u8.ToArray());
        a.Write("data/b.bin", Noise(9, 1));
        await a.Add();
        await using var remote = Open();
        await a.Push(remote);
        var pack = Assert.Single(a.Store.Packs()).Id;
        var held = a.Store.List(cancel).ToBlockingEnumerable(cancel).Select(blob => blob.Id.Hex).ToHashSet();
        string[] names = [PackFormat.PackName(pack), PackFormat.IndexName(pack)];
        var files = names.Select(name => Path.Combine(a.Root, ".takt/store", name)).ToArray();
        var whole = files.Select(File.ReadAllBytes).ToArray();
        var seen = new HashSet<string>();
        for (var length = whole[0].Length - 1; length >= -1; length--)
        {
            // the store as it was, in one pack, and that one cut; -1 is lost
            foreach (var file in Directory.GetFiles(Path.Combine(a.Root, ".takt/store/packs"), "*", SearchOption.AllDirectories)) File.Delete(file);
            await a.Database.Write(session => session.Execute($"delete from pack where id <> {pack.Digest}"));
            await a.Database.Write(session => PackTable.Add(session, new SealedPack(pack, "", "", whole[0].Length, held.Count), DateTimeOffset.UnixEpoch));
            if (length >= 0) await File.WriteAllBytesAsync(files[0], whole[0][..length], cancel);
            if (index) await File.WriteAllBytesAsync(files[1], whole[1], cancel);
            using var store = new PackStore(new FolderBlobStore(Path.Combine(a.Root, ".takt/store")), a.Database, TimeProvider.System);
            Assert.Contains(await DatasetCheck.Of(a.Database, store, data: true, cancel), fault => fault.Contains(names[0], StringComparison.Ordinal));
            Assert.NotEmpty(await DatasetCheck.Repair(store, cancel));
            var left = string.Join(' ', store.List(cancel).ToBlockingEnumerable(cancel).Select(blob => blob.Id.Hex).Where(held.Contains).Order(StringComparer.Ordinal));
            if (!seen.Add(left)) continue; // what a repair leaves does not depend on where a record was cut
            await new Fetch(a.Database, store, TimeProvider.System).Content(remote, [a.Datasets.Show("data")], only: null, null, cancel);
            Assert.Empty(await DatasetCheck.Of(a.Database, store, data: true, cancel));
            Assert.Equal(Noise(9, 1), await store.Reader.Bytes(ContentId.Of(Noise(9, 1)), cancel));
        }
        Assert.Equal(index ? held.Count + 1 : 1, seen.Count); // as many records as were whole before the cut; without an index none is found again
    }

    [Theory]
    [InlineData(3, true)]
    [InlineData(1_000, false)]
    public async Task A_line_that_breaks_again_and_again_is_borne_while_it_brings_something(int every, bool arrives)
    {
        await using var a = At("a");
        a.Write("data/model.onnx", Noise(20 << 20, 3));
        await a.Add();
        await using (var remote = Open()) await a.Push(remote);
        await using var b = At("b");
        var line = new BreakingStore(new FolderBlobStore(Place), every);
        await using var bad = new ObjectRemote(line, Place);
        if (arrives)
        {
            Assert.InRange((await b.Fetch(bad)).Bytes, 20 << 20, 21 << 20); // no byte twice
            Assert.Equal(Noise(20 << 20, 3), await b.Read("model.onnx"));
        }
        else
        {
            var e = await Assert.ThrowsAsync<TaktException>(() => b.Fetch(bad));
            Assert.Equal(TaktError.Unavailable, e.Error);
            Assert.Contains("try again, it goes on from there", e.Message);
        }
        Assert.True(line.Breaks > 4);
    }

    [Fact]
    public async Task A_remote_that_can_not_be_written_can_be_read_and_says_so_to_a_push()
    {
        await using var a = At("a");
        a.Write("data/x", "x"u8.ToArray());
        await a.Add();
        await using (var remote = Open()) await a.Push(remote);
        await using var b = At("b");
        await using (var remote = new ObjectRemote(FolderBlobStore.ForReading(Place), Place))
        {
            Assert.Equal(1, (await b.Fetch(remote)).Versions);
            a.Write("data/y", "y"u8.ToArray());
            await a.Add();
            Assert.Equal(TaktError.Denied, (await Assert.ThrowsAsync<TaktException>(() => a.Push(remote))).Error);
        }
    }
}
