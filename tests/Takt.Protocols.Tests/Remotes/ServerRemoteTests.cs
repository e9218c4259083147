using System.Security.Cryptography;
using Takt.Data;
using Takt.Data.Remotes;
using Takt.Protocols.Tests.Mlflow;
using Takt.Storage.Tests;

namespace Takt.Protocols.Tests.Remotes;

/// <summary>A Takt server is a remote as every other.</summary>
public sealed class ServerRemoteTests : RemoteContract, IAsyncLifetime
{
    MlflowServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await MlflowServer.Start();

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        Dispose();
    }

    protected override Remote Open() => new ServerRemote(_server.Client.BaseAddress!, Folder, TimeProvider.System);

    protected override Task DamagePack()
    {
        var pack = Directory.EnumerateFiles(_server.App.Folder.Store, "*.pack", SearchOption.AllDirectories).First();
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(pack, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        using var file = new FileStream(pack, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        file.Position = file.Length / 2;
        file.Write(new byte[16]);
        return Task.CompletedTask;
    }

    protected override Task LosePack(bool cut)
    {
        var pack = new DirectoryInfo(_server.App.Folder.Store).EnumerateFiles("*.pack", SearchOption.AllDirectories).MaxBy(file => file.Length)!;
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(pack.FullName, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        if (!cut) pack.Delete();
        else using (var file = pack.Open(FileMode.Open, FileAccess.Write, FileShare.ReadWrite)) file.SetLength(file.Length / 2);
        return Task.CompletedTask;
    }

    [Fact]
    public async Task What_was_pushed_is_a_dataset_of_the_server_and_its_store_is_whole()
    {
        await using var a = At("a");
        a.Write("data/x.csv", "a,b\n1,2\n"u8.ToArray());
        a.Write("data/large.bin", Noise(3_000_000, 1));
        var commit = await a.Add();
        await using var remote = Open();
        await a.Push(remote);
        Assert.Equal(commit.Id, _server.App.Datasets.Show("data@main").Id);
        Assert.Empty(await DatasetCheck.Of(_server.App.Database, _server.App.Blobs, data: true));
        Assert.Contains("\"data\"", (await _server.Send("GET", "/api/v1/datasets")).Body);
        Assert.Contains(commit.Id.ToString(), (await _server.Send("GET", "/api/v1/remote/refs")).Body);
    }

    [Fact]
    public async Task A_version_whose_content_did_not_come_is_refused_and_named()
    {
        await using var a = At("a");
        a.Write("data/x", Noise(100, 1));
        var commit = await a.Add();
        await using var remote = (ServerRemote)Open();
        var e = await Assert.ThrowsAsync<TaktException>(() => remote.Move(new RefMove("data", "main", false, null, commit.Id, [commit]), default));
        Assert.Contains("is not whole here", e.Message);
        e = await Assert.ThrowsAsync<TaktException>(() => remote.Move(new RefMove("data", "main", false, null, commit.Id, []), default));
        Assert.Equal(TaktError.NotFound, e.Error);
        e = await Assert.ThrowsAsync<TaktException>(() => remote.Move(new RefMove("data", "v3", false, null, commit.Id, []), default));
        Assert.Equal(TaktError.Invalid, e.Error);
        Assert.Empty(_server.App.Datasets.List());
    }

    [Fact]
    public async Task A_pack_that_is_changed_at_any_place_or_cut_short_is_refused_and_not_kept()
    {
        await using var a = At("a");
        for (var i = 0; i < 5; i++) a.Write($"data/{i}", Noise(40, i));
        await a.Add();
        var file = Directory.EnumerateFiles(Path.Combine(Folder, "a/.takt/store/packs"), "*.pack", SearchOption.AllDirectories).First();
        var (pack, id) = (await File.ReadAllBytesAsync(file), Path.GetFileNameWithoutExtension(file));
        var random = new Random(7);
        for (var i = 0; i < 60; i++)
        {
            var bad = (byte[])pack.Clone();
            if (i % 4 == 0) bad = bad[..random.Next(bad.Length)];
            else bad[random.Next(16, bad.Length)] ^= (byte)(1 << random.Next(8));
            using var answer = await _server.Client.PutAsync($"/api/v1/remote/packs/{id}", new ByteArrayContent(bad), TestContext.Current.CancellationToken);
            var text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
            Assert.True((int)answer.StatusCode == 400, text);
            Assert.DoesNotContain(_server.App.Folder.Root, text);
        }
        Assert.False(Directory.Exists(Path.Combine(_server.App.Folder.Store, "packs")) && Directory.EnumerateFiles(Path.Combine(_server.App.Folder.Store, "packs"), "*", SearchOption.AllDirectories).Any());
        using (var answer = await _server.Client.PutAsync($"/api/v1/remote/packs/{id}", new ByteArrayContent(pack), TestContext.Current.CancellationToken)) Assert.Equal(200, (int)answer.StatusCode);
        using (var answer = await _server.Client.PutAsync($"/api/v1/remote/packs/{new string('0', 64)}", new ByteArrayContent(pack), TestContext.Current.CancellationToken)) Assert.Equal(400, (int)answer.StatusCode);
        using (var answer = await _server.Client.PutAsync($"/api/v1/remote/files/{Convert.ToHexStringLower(SHA256.HashData(pack))}", new ByteArrayContent(pack[1..]), TestContext.Current.CancellationToken)) Assert.Equal(400, (int)answer.StatusCode);
    }

    [Theory]
    [InlineData("records/has", "odd", 400)]
    [InlineData("history", "{}", 400)]
    [InlineData("history", """{"dataset":"d","from":["x"],"most":1}""", 400)]
    [InlineData("refs/move", "[]", 400)]
    [InlineData("refs/move", """{"dataset":"../x","name":"main","tag":false,"after":"sha256:00","commits":[]}""", 400)]
    public async Task Bad_requests_are_told(string path, string body, int status) => Assert.Equal(status, (await _server.Send("POST", "/api/v1/remote/" + path, body)).Status);

    [Fact]
    public async Task A_server_that_is_not_there_is_said_to_be_so()
    {
        await using var a = At("a");
        a.Write("data/x", "x"u8.ToArray());
        await a.Add();
        await using var remote = new ServerRemote(new Uri("http://127.0.0.1:9"), Folder, TimeProvider.System);
        Assert.Equal(TaktError.Unavailable, (await Assert.ThrowsAsync<TaktException>(() => a.Push(remote))).Error);
    }
}
