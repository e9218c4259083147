using Takt.Data;

namespace Takt.Tests.Cli;

/// <summary>Which words of <c>takt data</c> mean what, as a user types them.</summary>
public sealed class DataCommandTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-data").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    string PathOf(string path) => Path.Combine(_folder, path);

    async Task<string> Data(int exit, params string[] args) => await In("", exit, args);

    async Task<string> In(string folder, int exit, params string[] args)
    {
        var ended = await TaktProcess.Run(PathOf(folder), ["data", .. args]);
        Assert.True(ended.ExitCode == exit, $"takt data {string.Join(' ', args)}: {ended.ExitCode}\n{ended.Out}{ended.Error}");
        return ended.Out + ended.Error;
    }

    void Write(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(PathOf(path))!);
        File.WriteAllText(PathOf(path), text);
    }

    [Fact]
    public async Task A_checkout_takes_a_version_a_tag_a_path_or_a_pointer_and_a_place()
    {
        Write("data/a.txt", "1");
        Write("data/sub/b.txt", "b");
        Assert.Contains("2 files", await Data(0, "add", "data/"));
        Write("data/a.txt", "2");
        File.Delete(PathOf("data/sub/b.txt"));
        Assert.Contains("1 file,", await Data(0, "commit", "-m", "second"));
        await Data(0, "tag", "data@v1", "first");
        var second = DatasetPointer.Read(PathOf("data.takt")).Commit;

        Assert.Contains("data/ holds data@", await Data(0, "checkout", "data@first"));
        Assert.Equal(("1", true), (File.ReadAllText(PathOf("data/a.txt")), File.Exists(PathOf("data/sub/b.txt"))));
        Assert.NotEqual(second, DatasetPointer.Read(PathOf("data.takt")).Commit);
        await Data(0, "checkout", "data@main");
        Assert.Equal(("2", false), (File.ReadAllText(PathOf("data/a.txt")), Directory.Exists(PathOf("data/sub"))));
        Assert.Equal(second, DatasetPointer.Read(PathOf("data.takt")).Commit);

        // a place of one's own, within and without; the tracked folder stays as it is
        await Data(0, "checkout", "data@v1", "old/");
        var outside = Directory.CreateTempSubdirectory("takt-out").FullName;
        await Data(0, "checkout", "data@v1", outside + "/there/");
        foreach (var file in (string[])[PathOf("old/a.txt"), outside + "/there/a.txt"]) Assert.Equal("1", File.ReadAllText(file));
        Directory.Delete(outside, recursive: true);
        Assert.Equal("2", File.ReadAllText(PathOf("data/a.txt")));

        // what the pointers say: all of them, one by its path, by its pointer, from below
        foreach (var path in (string?[])[null, "data", "data/", "data.takt"])
        {
            File.Delete(PathOf("data/a.txt"));
            await Data(0, path is null ? ["checkout"] : ["checkout", path]);
            Assert.Equal("2", File.ReadAllText(PathOf("data/a.txt")));
        }
        Directory.Delete(PathOf("old"), recursive: true);
        await In("data", 0, "checkout", "../old", "--only", "sub");
        Assert.Equal([PathOf("old/sub/b.txt")], Directory.GetFiles(PathOf("old"), "*", SearchOption.AllDirectories));

        Assert.Contains("--only goes with a tracked path", await Data(2, "checkout", "data@v1", "--only", "sub"));
        Assert.Contains("v1 to v2", await Data(4, "checkout", "data@v9"));
        Write("data/mine.txt", "mine");
        Assert.Contains("say where to: takt data checkout data@v1 data/ or old/", await Data(2, "checkout", "data@v1"));
        Assert.Contains("data/mine.txt", await Data(6, "checkout", "data@v1", "data/"));
        Assert.Equal("mine", File.ReadAllText(PathOf("data/mine.txt")));
    }

    [Fact]
    public async Task A_pull_goes_on_past_a_version_that_the_remote_lacks_and_names_it()
    {
        Write("home/a/x", "a");
        Write("home/b/x", "b");
        await In("home", 0, "add", "a", "b");
        await In("home", 0, "remote", "add", "origin", "../remote");
        await In("home", 0, "push");
        // what only a pointer names by now was not sent
        Write("home/a/x", "newer");
        await In("home", 0, "commit", "a");
        foreach (var file in (string[])["a.takt", "b.takt", "takt.config"])
        {
            Write($"clone/{file}", File.ReadAllText(PathOf($"home/{file}")));
        }
        Directory.CreateDirectory(PathOf("clone/.takt"));
        var told = await In("clone", 4, "pull");
        Assert.Contains($"has no version {DatasetPointer.Read(PathOf("home/a.takt")).Commit} of 'a', which 'a.takt' names", told);
        Assert.Contains("b: 1 written", told);
        Assert.Equal("b", File.ReadAllText(PathOf("clone/b/x")));
        Assert.False(Directory.Exists(PathOf("clone/a")));
    }

    [Fact]
    public async Task Without_a_remote_push_and_pull_say_so_and_leave_nothing()
    {
        Directory.CreateDirectory(PathOf("empty"));
        foreach (var command in (string[])["push", "pull", "fetch"]) Assert.Contains("'takt data remote add origin ADDRESS' names one", await In("empty", 4, command));
        Assert.Empty(Directory.EnumerateFileSystemEntries(PathOf("empty")));
    }
}
