#pragma warning disable CA5351 // DVC's ids are MD5
using System.Security.Cryptography;
using System.Text;
using Takt.Data.WorkTrees;

namespace Takt.Storage.Tests;

public sealed class DvcImportTests : IDisposable
{
    readonly string _root = Directory.CreateTempSubdirectory("takt-dvc").FullName;

    public DvcImportTests() => Directory.CreateDirectory(Path.Combine(_root, ".dvc"));

    public void Dispose() => Directory.Delete(_root, recursive: true);

    static string Md5(string content) => Convert.ToHexStringLower(MD5.HashData(Encoding.UTF8.GetBytes(content)));

    void Write(string path, string content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(_root, path))!);
        File.WriteAllText(Path.Combine(_root, path), content);
    }

    string Read(string path) => File.ReadAllText(Path.Combine(_root, path));

    string Cache(string content, string ending = "", string cache = ".dvc/cache/files/md5")
    {
        var md5 = Md5(content) + ending;
        Write($"{cache}/{md5[..2]}/{md5[2..]}", content);
        return md5;
    }

    [Fact]
    public void A_folder_and_a_file_come_out_of_the_cache_of_version_3()
    {
        var list = Cache($$"""[{"md5": "{{Cache("one")}}", "relpath": "a.txt"}, {"md5": "{{Cache("two")}}", "relpath": "sub/b.txt"}]""", ".dir");
        Write("raw/data.dvc", $"outs:\n- md5: {list}\n  size: 6\n  nfiles: 2\n  hash: md5\n  path: data\n");
        Write("model.bin.dvc", $"outs:\n- md5: {Cache("weights")}\n  size: 7\n  hash: md5\n  path: model.bin\n");
        var dvc = new DvcImport(_root);
        Assert.Equal(["model.bin.dvc", "raw/data.dvc"], dvc.Find());
        Assert.Equal(["raw/data"], dvc.Prepare("raw/data.dvc"));
        Assert.Equal(["model.bin"], dvc.Prepare("model.bin.dvc"));
        Assert.Equal(("one", "two", "weights"), (Read("raw/data/a.txt"), Read("raw/data/sub/b.txt"), Read("model.bin")));
        Assert.Equal(["raw/data"], dvc.Prepare("raw/data.dvc")); // what is there already is compared only
    }

    [Fact]
    public void A_cache_of_version_2_elsewhere_with_links_and_md5s_of_texts_is_read()
    {
        Write(".dvc/config", "[core]\n    remote = x\n['remote \"x\"']\n    url = s3://b\n[cache]\n    dir = ../elsewhere\n");
        var md5 = Md5("a\nb\rc\n"); // as DVC 2 took it, of what is stored with \r\n
        Write($"elsewhere/{md5[..2]}/{md5[2..]}", "a\r\nb\rc\r\n");
        Write("t.txt.dvc", $"md5: 0123\nouts:\n- md5: {md5}\n  path: t.txt\n");
        File.CreateSymbolicLink(Path.Combine(_root, "t.txt"), Path.Combine(_root, $"elsewhere/{md5[..2]}/{md5[2..]}"));
        Assert.Equal(["t.txt"], new DvcImport(_root).Prepare("t.txt.dvc"));
        Assert.Null(new FileInfo(Path.Combine(_root, "t.txt")).LinkTarget);
        Assert.Equal("a\r\nb\rc\r\n", Read("t.txt"));
    }

    [Fact]
    public void What_is_missing_changed_damaged_or_outside_is_named_at_once()
    {
        var bad = Cache("good");
        Write($".dvc/cache/files/md5/{bad[..2]}/{bad[2..]}", "rotten");
        var list = Cache($$"""[{"md5": "{{Md5("gone")}}", "relpath": "gone"}, {"md5": "{{bad}}", "relpath": "bad"}, {"md5": "{{Cache("mine")}}", "relpath": "mine"}]""", ".dir");
        Write("data/mine", "yours");
        Write("data/new", "new");
        Write("data.dvc", $"outs:\n- md5: {list}\n  hash: md5\n  path: data\n- md5: {Cache("x")}\n  hash: md5\n  path: ../../x\n");
        var e = Assert.Throws<TaktException>(() => new DvcImport(_root).Prepare("data.dvc"));
        Assert.Equal(5, e.Faults.Count);
        foreach (var word in (string[])["data/gone", "data/bad", "data/mine", "data/new", "../../x"]) Assert.Single(e.Faults, fault => fault.Contains($"'{word}'", StringComparison.Ordinal));
        foreach (var text in (string[])["", "outs: 3", "outs:\n- path: x", "[", "a: &x [*x]"])
        {
            Write("odd.dvc", text);
            Assert.Equal(TaktError.Invalid, Assert.Throws<TaktException>(() => new DvcImport(_root).Prepare("odd.dvc")).Error);
        }
    }

    [Fact]
    public void A_list_of_files_that_leads_out_of_the_folder_is_refused()
    {
        var list = Cache($$"""[{"md5": "{{Cache("x")}}", "relpath": "../../evil"}]""", ".dir");
        Write("data.dvc", $"outs:\n- md5: {list}\n  hash: md5\n  path: data\n");
        Assert.Throws<TaktException>(() => new DvcImport(_root).Prepare("data.dvc"));
        Assert.False(File.Exists(Path.Combine(_root, "../evil")));
    }
}
