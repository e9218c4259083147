using System.Diagnostics;
using Takt.Data;
using Takt.Server;

namespace Takt.Tests.Data;

public sealed class DatasetCrashTests : IDisposable
{
    const string ChildFolder = "TAKT_TEST_CHILD_FOLDER";

    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    static TaktApp Open(string folder) => TaktApp.Open(new TaktFolder(folder, Path.Combine(folder, ".takt")));

    [Fact]
    public async Task Killed_at_any_moment_every_version_is_whole_and_the_checkout_is_one_of_them()
    {
        var random = new Random(1);
        for (var round = 0; round < 4; round++)
        {
            var before = Versions();
            using var child = Process.Start(new ProcessStartInfo("dotnet",
                ["exec", Path.Combine(AppContext.BaseDirectory, "Takt.Tests.dll"), "-explicit", "only", "-method", "*.The_child_that_is_killed"])
            {
                Environment = { [ChildFolder] = _folder, ["TMPDIR"] = _folder }, // what it leaves behind goes with the folder
                RedirectStandardOutput = true,
            })!;
            var patience = Stopwatch.StartNew();
            while (Versions() < before + 2 && patience.Elapsed < TimeSpan.FromMinutes(5)) await Task.Delay(20, TestContext.Current.CancellationToken);
            await Task.Delay(random.Next(0, 100), TestContext.Current.CancellationToken);
            Assert.False(child.HasExited, "the child ended before it was killed");
            child.Kill(); // SIGKILL
            await child.WaitForExitAsync(TestContext.Current.CancellationToken);
            await CheckAll();
        }
    }

    int Versions()
    {
        // counted by the child, one byte a version: opening its database here would help it to recover
        var counter = new FileInfo(Path.Combine(_folder, "versions"));
        return counter.Exists ? (int)counter.Length : 0;
    }

    async Task CheckAll()
    {
        await using var app = Open(_folder);
        var log = app.Datasets.Log("sales");
        Assert.True(log.Count >= Versions(), "a version that was answered is gone");
        foreach (var commit in log)
        {
            Assert.NotNull(await app.Blobs.Length(commit.Id));
            foreach (var file in (await app.Datasets.Tree(commit)).Files) Assert.Equal(file.Size, await app.Blobs.Length(file.Digest));
            Assert.Equal(commit.Rows, (await app.Datasets.Profile(commit))!.Rows);
        }
        var there = Directory.GetFiles(Path.Combine(_folder, "data/sales")).Length;
        Assert.Contains(log, commit => commit.Files == there);
        Assert.Equal(log[0].Id, (await app.Datasets.Collect("sales", _folder, ["nothing-new/*.csv"])).Commit.Id);
    }

    [Fact(Explicit = true)]
    public async Task The_child_that_is_killed()
    {
        if (Environment.GetEnvironmentVariable(ChildFolder) is not { } folder) return;
        await using var app = Open(folder);
        await using var counter = new FileStream(Path.Combine(folder, "versions"), FileMode.Append, FileAccess.Write, FileShare.ReadWrite, 0);
        var incoming = Directory.CreateDirectory(Path.Combine(folder, "incoming")).FullName;
        for (var i = Directory.GetFiles(incoming).Length; ; i++)
        {
            File.WriteAllText(Path.Combine(incoming, $"{i}.csv"), $"x\n{i}\n");
            var collected = await app.Datasets.Collect("sales", folder, ["incoming/*.csv"]);
            await app.Datasets.Checkout(collected.Commit, Path.Combine(folder, "data/sales/"));
            counter.WriteByte(1);
        }
    }
}
