#pragma warning disable CA1416 // modes of files: the tests run on Linux
using Takt.Data;
using Takt.Data.Remotes;
using Takt.Storage.FileSystem;

namespace Takt.Storage.Tests;

public sealed class FolderRemoteTests : RemoteContract
{
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
