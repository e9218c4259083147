using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using Takt.Data;

namespace Takt.Tests.Data;

/// <summary>Archives as sources of files.</summary>
public sealed class ArchivesTests : CollectingTests
{
    [Theory]
    [InlineData("a.zip")]
    [InlineData("a.tar")]
    [InlineData("a.tar.gz")]
    public async Task Archives_are_unpacked(string name)
    {
        Archive(name, ("x/1.csv", "x\n1\n"), ("./x/2.csv", "x\n2\n"), ("readme.txt", "no"));
        var collected = await Collect(new CollectRequest("a", [name], "") { Unpack = "*.csv" });
        Assert.Equal((2, 2), (collected.Commit.Files, collected.Commit.Rows));
        Assert.Equal(["a/x/1.csv", "a/x/2.csv"], (await App.Datasets.Tree(collected.Commit)).Files.Select(f => f.Path));
    }

    [Theory]
    [InlineData("a.zip", "../evil.csv")]
    [InlineData("a.zip", "/evil.csv")]
    [InlineData("a.zip", "x/../../evil.csv")]
    [InlineData("a.zip", "x\\..\\evil.csv")]
    [InlineData("a.tar", "../evil.csv")]
    [InlineData("a.tar.gz", "x/../../../evil.csv")]
    public async Task An_entry_that_would_leave_theFolder_is_refused(string name, string entry)
    {
        Archive(name, (entry, "x\n1\n"));
        var e = await Assert.ThrowsAsync<TaktException>(() => Collect(new CollectRequest("a", [name], "") { Unpack = "true" }));
        Assert.Contains("would leave its folder", e.Message);
        Assert.Empty(Directory.EnumerateFiles(Folder, "evil*", SearchOption.AllDirectories));
    }

    [Theory]
    [InlineData("a.zip")]
    [InlineData("a.tar.gz")]
    public async Task A_bomb_is_stopped_by_the_bytes_that_come_out(string name)
    {
        Archive(name, ("zeros.csv", new string('0', 8 << 20)));
        var e = await Assert.ThrowsAsync<TaktException>(() => Collect(new CollectRequest("a", [name], "") { Unpack = "true", MaxBytes = 1 << 20 }));
        Assert.Equal(TaktError.TooLarge, e.Error);
    }

    [Theory]
    [InlineData("a.zip")]
    [InlineData("a.tar.gz")]
    public async Task An_archive_that_was_cut_off_is_named(string name)
    {
        Archive(name, ("x.csv", string.Concat(Enumerable.Range(0, 50_000).Select(i => $"{i * 7919 % 10007}\n"))));
        var bytes = File.ReadAllBytes(PathOf(name));
        File.WriteAllBytes(PathOf(name), bytes[..(bytes.Length / 2)]);
        Assert.Contains($"'{name}' is damaged or cut off", (await Assert.ThrowsAsync<TaktException>(() => Collect(new CollectRequest("a", [name], "") { Unpack = "true" }))).Message);
    }

    [Fact]
    public async Task A_link_in_an_archive_is_refused()
    {
        using (var tar = new TarWriter(File.Create(PathOf("a.tar")))) tar.WriteEntry(new PaxTarEntry(TarEntryType.SymbolicLink, "passwd.csv") { LinkName = "/etc/passwd" });
        Assert.Contains("only files are unpacked", (await Assert.ThrowsAsync<TaktException>(() => Collect(new CollectRequest("a", ["a.tar"], "") { Unpack = "true" }))).Message);
    }

    void Archive(string name, params (string Entry, string Content)[] entries)
    {
        using var file = File.Create(PathOf(name));
        if (name.EndsWith(".zip", StringComparison.Ordinal))
        {
            using var zip = new ZipArchive(file, ZipArchiveMode.Create);
            foreach (var (entry, content) in entries)
            {
                using var to = zip.CreateEntry(entry).Open();
                to.Write(Encoding.UTF8.GetBytes(content));
            }
            return;
        }
        using Stream stream = name.EndsWith(".gz", StringComparison.Ordinal) ? new GZipStream(file, CompressionLevel.Fastest) : file;
        using var tar = new TarWriter(stream);
        foreach (var (entry, content) in entries) tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, entry) { DataStream = new MemoryStream(Encoding.UTF8.GetBytes(content)) });
    }
}
