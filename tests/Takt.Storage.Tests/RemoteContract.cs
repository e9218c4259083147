#pragma warning disable CA1416 // modes of files: the tests run on Linux
using Takt.Data;
using Takt.Data.Remotes;
using Takt.Data.WorkTrees;
using Takt.Storage.FileSystem;
using Takt.Storage.Packs;
using Takt.Storage.Sqlite;

namespace Takt.Storage.Tests;

/// <summary>What every remote does, whatever it is made of.</summary>
public abstract class RemoteContract : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;

    protected string Folder => _folder;

    protected abstract Remote Open();

    /// <summary>Changes the bytes of one pack at the remote.</summary>
    protected abstract Task DamagePack();

    /// <summary>Takes away the pack that is the largest at the remote.</summary>
    /// <param name="cut">Leaves its first half, where a file can be cut.</param>
    protected abstract Task LosePack(bool cut);

    public virtual void Dispose()
    {
        if (!Directory.Exists(_folder)) return;
        foreach (var file in Directory.EnumerateFiles(_folder, "*", SearchOption.AllDirectories)) File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Directory.Delete(_folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    protected RemoteMachine At(string name) => new(Path.Combine(_folder, name));

    protected static byte[] Noise(int length, int seed)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    static void Fill(RemoteMachine machine, bool weights = false)
    {
        for (var i = 0; i < 100; i++) machine.Write($"data/small/{i}.bin", Noise(700 + i, i));
        machine.Write("data/large.bin", Noise(5_000_000, 1000));
        machine.Write("data/empty", []);
        machine.Write("data/names with ünïcode\n.txt", "text "u8.ToArray());
        if (weights) machine.Write("data/weights.onnx", Noise(16 << 20, 1001));
    }

    [Fact]
    public async Task What_one_machine_pushes_another_fetches_whole_and_nothing_goes_twice()
    {
        await using var a = At("a");
        await using var b = At("b");
        Fill(a, weights: true);
        var first = await a.Add();
        await using (var remote = Open())
        {
            var sent = await a.Push(remote);
            Assert.Equal(1, sent.Versions);
            Assert.InRange(sent.Bytes, 21_000_000, 24_000_000);
        }
        await using (var remote = Open())
        {
            var again = await a.Push(remote);
            Assert.Equal((0, 0, 0), (again.Records, again.Packs, again.Moved.Count));
            var got = await b.Fetch(remote);
            Assert.Equal(["data@main"], got.Moved);
            Assert.Equal(first.Id, b.Datasets.Show("data").Id);
            Assert.Equal(0, (await b.Fetch(remote)).Records);
        }
        Assert.Equal(Noise(5_000_000, 1000), await b.Read("large.bin"));
        Assert.Equal(Noise(16 << 20, 1001), await b.Read("weights.onnx"));
        Assert.Empty(await DatasetCheck.Of(b.Database, b.Store, data: true));

        // a change of a few bytes in the middle of a large file is a few chunks on the way, and its history comes with it
        var changed = Noise(5_000_000, 1000);
        changed[2_500_000] ^= 1;
        a.Write("data/large.bin", changed);
        var second = await a.Add();
        await using (var remote = Open())
        {
            Assert.InRange((await a.Push(remote)).Bytes, 1, 1_500_000);
            Assert.InRange((await b.Fetch(remote)).Bytes, 1, 1_500_000);
        }
        Assert.Equal([second.Id, first.Id], b.Datasets.Log("data").Select(commit => commit.Id));
        Assert.Equal(changed, await b.Read("large.bin"));
        Assert.Empty(await DatasetCheck.Of(b.Database, b.Store, data: true));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_a_remote_has_lost_is_noticed_by_the_next_push_and_sent_again_though_no_version_is_new(bool cut)
    {
        await using var a = At("a");
        await using var b = At("b");
        Fill(a);
        await a.Add();
        await using (var remote = Open()) await a.Push(remote);
        await using (var remote = Open()) Assert.Empty(await new RemoteCheck(a.Store, remote).Run());
        await LosePack(cut);
        await using (var remote = Open())
        {
            var faults = await new RemoteCheck(a.Store, remote).Run();
            Assert.Contains(faults, fault => fault.Contains(".pack'", StringComparison.Ordinal));
            Assert.Contains(faults, fault => fault.Contains("'large.bin'", StringComparison.Ordinal));
            await Assert.ThrowsAsync<TaktException>(() => b.Fetch(remote));
        }
        await using (var remote = Open())
        {
            var report = await a.Push(remote);
            Assert.NotEmpty(report.Lost);
            Assert.True(report.Mended > 0);
            Assert.Empty(report.Moved);
            Assert.InRange(report.Bytes, 4_000_000, 6_000_000);
        }
        await using (var remote = Open())
        {
            Assert.Empty(await new RemoteCheck(a.Store, remote).Run());
            var again = await a.Push(remote);
            Assert.Equal((0, 0), (again.Records, again.Lost.Count));
            await b.Fetch(remote);
        }
        Assert.Equal(Noise(5_000_000, 1000), await b.Read("large.bin"));
        Assert.Empty(await DatasetCheck.Of(b.Database, b.Store, data: true));
    }

    [Fact]
    public async Task What_a_remote_has_lost_and_this_store_can_not_give_is_named()
    {
        await using var a = At("a");
        await using var b = At("b");
        Fill(a);
        await a.Add();
        await using (var remote = Open()) await a.Push(remote);
        await using (var remote = Open()) await b.Fetch(remote);
        await LosePack(cut: false);
        await b.Store.Delete(Digest.Of(Noise(701, 1)), TestContext.Current.CancellationToken);
        await using (var remote = Open())
        {
            var report = await b.Push(remote);
            Assert.Contains(Digest.Of(Noise(701, 1)).ToString(), Assert.Single(report.Lacking));
            // who looks from elsewhere, with nothing of it at hand, is told the path
            await using var c = At("c");
            Assert.Contains(await new RemoteCheck(c.Store, remote).Run(), fault => fault.Contains("'small/1.bin'", StringComparison.Ordinal) || fault.Contains("list of files", StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task Of_two_who_push_at_once_one_is_told_and_a_merge_brings_both_together()
    {
        await using var a = At("a");
        await using var b = At("b");
        a.Write("data/base", "base"u8.ToArray());
        await a.Add();
        await using var remote = Open();
        await a.Push(remote);
        await b.Fetch(remote);
        await b.Paths.Checkout(new TrackedPath("data", true, ContentId.From(b.Datasets.Show("data").Tree), "data", b.Datasets.Show("data").Id, 0), (string?)null, false);
        a.Write("data/of a", "a"u8.ToArray());
        b.Write("data/of b", "b"u8.ToArray());
        await a.Add();
        await b.Add();
        await using var other = Open();
        var results = await Task.WhenAll(Try(a.Push(remote)), Try(b.Push(other)));
        Assert.Single(results, error => error is null);
        Assert.Equal(TaktError.Conflict, Assert.Single(results, error => error is not null)!.Error);
        var late = results[0] is null ? b : a;
        var fetched = await late.Fetch(remote);
        Assert.Equal(["data@main"], fetched.Diverged);
        var theirs = late.Datasets.Show("data@origin.main");
        await new Fetch(late.Database, late.Store, TimeProvider.System).Content(remote, [theirs], null);
        var merged = await new DatasetBranches(late.Database, late.Store, late.Datasets, TimeProvider.System).Merge("data@origin.main");
        Assert.Equal(3, merged.Files);
        await late.Push(remote);
        Assert.Equal(merged.Id, Assert.Single(await remote.Refs("data", default)).Target);
        // what had been put aside goes when it is part of one's own
        await late.Fetch(remote);
        Assert.Throws<TaktException>(() => late.Datasets.Show("data@origin.main"));
    }

    static async Task<TaktException?> Try(Task<PushReport> push)
    {
        try
        {
            await push;
            return null;
        }
        catch (TaktException e)
        {
            return e;
        }
    }

    [Fact]
    public async Task A_push_that_would_leave_versions_of_others_behind_needs_force()
    {
        await using var a = At("a");
        await using var b = At("b");
        a.Write("data/x", "a"u8.ToArray());
        b.Write("data/x", "b"u8.ToArray());
        await a.Add();
        var theirs = await b.Add();
        await using var remote = Open();
        await a.Push(remote);
        Assert.Contains("--force", (await Assert.ThrowsAsync<TaktException>(() => b.Push(remote))).Message);
        await b.Push(remote, force: true);
        Assert.Equal(theirs.Id, Assert.Single(await remote.Refs("data", default)).Target);
    }

    [Fact]
    public async Task Part_of_a_version_can_be_fetched_and_the_rest_later_and_gc_and_verify_know()
    {
        await using var a = At("a");
        await using var b = At("b");
        Fill(a);
        await a.Add();
        await using var remote = Open();
        await a.Push(remote);
        Assert.InRange((await b.Fetch(remote, "small/1*.bin")).Records, 11, 16);
        Assert.Equal(Noise(701, 1), await b.Read("small/1.bin"));
        await Assert.ThrowsAsync<TaktException>(() => b.Read("large.bin"));
        Assert.Empty(await DatasetCheck.Of(b.Database, b.Store, data: true));
        Assert.Empty((await new GarbageCollection(b.Database, b.Store, TimeProvider.System).Plan(TimeSpan.Zero, TimeSpan.Zero)).Steps);
        Assert.Contains($"'takt data fetch data@sha256:{b.Datasets.Show("data").Id.Hex[..12]}'", (await Assert.ThrowsAsync<TaktException>(() => b.Datasets.Export(b.Datasets.Show("data"), Path.Combine(Folder, "part")))).Message);
        Assert.Contains("neither whole here", (await Assert.ThrowsAsync<TaktException>(() => b.Push(new ObjectRemote(new FolderBlobStore(Path.Combine(Folder, "third")), "third")))).Message);
        await b.Fetch(remote);
        Assert.Equal(Noise(5_000_000, 1000), await b.Read("large.bin"));
    }

    [Fact]
    public async Task The_files_of_a_version_come_straight_out_of_a_remote_and_are_ones_own_and_what_had_come_does_not_come_again()
    {
        await using var a = At("a");
        await using var b = At("b");
        Fill(a);
        await a.Add();
        await using var remote = Open();
        await a.Push(remote);
        var download = new VersionDownload(b.Database, b.Store, b.Datasets, TimeProvider.System);
        Assert.Contains("'none/*'", (await Assert.ThrowsAsync<TaktException>(() => download.Run(remote, "data", "none/*", Path.Combine(Folder, "got")))).Message);
        await Assert.ThrowsAsync<TaktException>(() => download.Run(remote, "other", null, Path.Combine(Folder, "got")));
        await download.Run(remote, "data@v1", "small/*.bin", Path.Combine(Folder, "got"));
        Assert.Equal(["small"], Directory.GetFileSystemEntries(Path.Combine(Folder, "got")).Select(Path.GetFileName));
        await download.Run(remote, "data", null, Path.Combine(Folder, "got"));
        foreach (var file in Directory.GetFiles(Path.Combine(a.Root, "data"), "*", SearchOption.AllDirectories))
        {
            var got = Path.Combine(Folder, "got", Path.GetRelativePath(Path.Combine(a.Root, "data"), file));
            Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(got));
            Assert.True(File.GetUnixFileMode(got).HasFlag(UnixFileMode.UserWrite));
        }
        // what is there and right does not come again, and what is not right does
        var lines = new List<string>();
        await download.Run(remote, "data", null, Path.Combine(Folder, "got"), lines.Add);
        Assert.Empty(lines);
        File.WriteAllBytes(Path.Combine(Folder, "got/small/7.bin"), Noise(707, 8));
        File.Delete(Path.Combine(Folder, "got/large.bin"));
        await download.Run(remote, "data", null, Path.Combine(Folder, "got"), lines.Add);
        Assert.Single(lines);
        Assert.Equal(Noise(707, 7), File.ReadAllBytes(Path.Combine(Folder, "got/small/7.bin")));
        Assert.Equal(Noise(5_000_000, 1000), File.ReadAllBytes(Path.Combine(Folder, "got/large.bin")));
    }

    [Fact]
    public async Task A_version_that_is_got_takes_its_room_once()
    {
        await using var a = At("a");
        await using var b = At("b");
        for (var i = 0; i < 8; i++) a.Write($"data/{i}.bin", Noise(3 << 20, i));
        a.Write("data/copy of 0.bin", Noise(3 << 20, 0));
        a.Write("data/model.onnx", Noise(17 << 20, 100));
        await a.Add();
        await using var remote = Open();
        await a.Push(remote);
        var most = 0L;
        var stored = new List<long>();
        await new VersionDownload(b.Database, b.Store, b.Datasets, TimeProvider.System) { Batch = 6 << 20 }.Run(remote, "data", null, Path.Combine(Folder, "got"), _ => stored.Add(most = Math.Max(most, Bytes(Path.Combine(b.Root, ".takt/store")))));
        Assert.InRange(stored.Count, 5, 7); // equal files come together, and one that is larger than a batch by itself
        Assert.InRange(most, 0, 100_000); // before each batch the store is empty but for lists of files
        Assert.InRange(Bytes(Path.Combine(b.Root, ".takt/store")), 0, 100_000);
        Assert.Equal(10, Directory.GetFiles(Path.Combine(Folder, "got")).Length);
        foreach (var file in Directory.GetFiles(Path.Combine(a.Root, "data"))) Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(Path.Combine(Folder, "got", Path.GetFileName(file))));

        static long Bytes(string folder) => new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length);
    }

    [Fact]
    public async Task What_was_dropped_is_not_sent_and_what_was_damaged_here_comes_back_from_there()
    {
        await using var a = At("a");
        await using var b = At("b");
        Fill(a, weights: false);
        await a.Add();
        a.Write("data/small.txt", "second"u8.ToArray());
        var second = await a.Add();
        await new DatasetRetention(a.Database, TimeProvider.System).Set(new("data", 1, null));
        var gc = new GarbageCollection(a.Database, a.Store, TimeProvider.System);
        for (var i = 0; i < 3; i++) await gc.Apply(await gc.Plan(TimeSpan.Zero, TimeSpan.Zero));
        await using var remote = Open();
        Assert.Equal(1, (await a.Push(remote)).Versions);
        await b.Fetch(remote);
        Assert.Equal(second.Id, Assert.Single(b.Datasets.Log("data")).Id);
        var pack = Directory.GetFiles(Path.Combine(b.Root, ".takt/store/packs"), "*.pack", SearchOption.AllDirectories).MaxBy(file => new FileInfo(file).Length)!;
        File.SetUnixFileMode(pack, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        using (var file = File.OpenHandle(pack, FileMode.Open, FileAccess.Write)) RandomAccess.Write(file, new byte[64], RandomAccess.GetLength(file) / 2);
        Assert.NotEmpty(await DatasetCheck.Of(b.Database, b.Store, data: true));
        Assert.NotEmpty(await DatasetCheck.Repair(b.Store));
        Assert.NotEmpty(await DatasetCheck.Of(b.Database, b.Store, data: true));
        Assert.InRange((await b.Fetch(remote)).Bytes, 1, 3_000_000);
        Assert.Empty(await DatasetCheck.Of(b.Database, b.Store, data: true));
        Assert.Equal(Noise(5_000_000, 1000), await b.Read("large.bin"));
    }

    [Fact]
    public async Task What_arrived_before_a_push_was_cut_off_is_not_sent_again()
    {
        await using var a = At("a");
        for (var i = 0; i < 5; i++) a.Write($"data/{i}.bin", Noise(4 << 20, i));
        await a.Add();
        using var cut = new CancellationTokenSource();
        await using (var remote = Open())
        {
            var push = new Push(a.Database, a.Store) { PackSize = 4 << 20 }.Run(remote, [("data", "main")], [], false, text => { if (text.StartsWith("16 MiB", StringComparison.Ordinal)) cut.Cancel(); }, cut.Token);
            await Assert.ThrowsAnyAsync<Exception>(() => push);
        }
        await using (var remote = Open())
        {
            Assert.Empty(await remote.Refs(null, default));
            Assert.InRange((await a.Push(remote)).Bytes, 1, (20 << 20) - (7 << 20));
        }
        await using var b = At("b");
        await using (var remote = Open()) await b.Fetch(remote);
        Assert.Empty(await DatasetCheck.Of(b.Database, b.Store, data: true));
        Assert.Equal(Noise(4 << 20, 4), await b.Read("4.bin"));
    }

    [Fact]
    public async Task A_large_whole_file_that_was_cut_goes_on_where_it_was_and_is_compared_at_the_end()
    {
        const int Size = 40 << 20;
        await using var a = At("a");
        a.Write("data/model.safetensors", Noise(Size, 7));
        a.Write("data/readme", "x"u8.ToArray());
        await a.Add();
        await using (var remote = Open()) await a.Push(remote);
        await using var b = At("b");
        Assert.InRange((await FetchCut(b, 24)).Bytes, 1, Size - (16 << 20));
        Assert.Equal(Noise(Size, 7), await b.Read("model.safetensors"));
        Assert.Empty(Directory.GetFiles(b.Store.Objects.Partial));

        // what was left is no beginning of it, or longer than it: it comes anew
        foreach (var left in (byte[][])[Noise(3 << 20, 8), Noise(Size + 1, 9), Noise(Size, 10), Noise(Size, 7)])
        {
            await using var c = At($"c{left.Length}{left[0]}");
            File.WriteAllBytes(Path.Combine(c.Store.Objects.Partial, Digest.Of(Noise(Size, 7)).Hex), left);
            await using (var remote = Open()) await c.Fetch(remote);
            Assert.Equal(Noise(Size, 7), await c.Read("model.safetensors"));
            Assert.Empty(Directory.GetFiles(c.Store.Objects.Partial));
        }
    }

    // cut off at so many MiB, and done again
    async Task<FetchReport> FetchCut(RemoteMachine machine, int at)
    {
        using var cut = new CancellationTokenSource();
        var fetch = new Fetch(machine.Database, machine.Store, TimeProvider.System);
        await using (var remote = Open())
        {
            await fetch.Refs(remote, "origin", "data", []);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => fetch.Content(remote, [machine.Datasets.Show("data")], null, text => { if (text.StartsWith($"{at} MiB", StringComparison.Ordinal)) cut.Cancel(); }, cut.Token));
        }
        Assert.NotEmpty(Directory.GetFiles(machine.Store.Objects.Partial));
        await using (var remote = Open()) return await fetch.Content(remote, [machine.Datasets.Show("data")], null);
    }

    [Fact]
    public async Task A_pack_that_was_damaged_at_the_remote_is_named_and_nothing_wrong_comes_in()
    {
        await using var a = At("a");
        await using var b = At("b");
        Fill(a);
        await a.Add();
        await using (var remote = Open()) await a.Push(remote);
        await DamagePack();
        await using (var remote = Open())
        {
            var e = await Assert.ThrowsAsync<TaktException>(() => b.Fetch(remote));
            Assert.Contains("damaged", e.Message);
        }
        Assert.Empty(await DatasetCheck.Of(b.Database, b.Store, data: true));
        await using (var remote = Open())
        {
            Assert.Empty(await new RemoteCheck(a.Store, remote).Run()); // names and lengths are right
            var faults = await new RemoteCheck(a.Store, remote, data: true).Run();
            Assert.Contains(faults, fault => fault.Contains("damaged", StringComparison.Ordinal));
            Assert.Contains(faults, fault => fault.StartsWith("data@sha256:", StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task A_remote_whose_every_byte_is_right_is_read_through_without_a_fault()
    {
        await using var a = At("a");
        await using var c = At("c");
        Fill(a, weights: true);
        await a.Add();
        await using (var remote = Open()) await a.Push(remote);
        await using (var remote = Open()) Assert.Empty(await new RemoteCheck(c.Store, remote, data: true).Run());
    }
}
