#pragma warning disable CA5351 // DVC's ids are MD5
using System.Security.Cryptography;
using System.Text;
using Takt.Data;
using Takt.Data.Dvc;
using Takt.Data.WorkTrees;
using Takt.Storage.FileSystem;
using Takt.Storage.Packs;
using Takt.Storage.Sqlite;

namespace Takt.Storage.Tests;

public sealed class DvcImportTests : IAsyncDisposable
{
    readonly string _root = Directory.CreateTempSubdirectory("takt-dvc").FullName;
    readonly WorkTree _tree;
    readonly Database _database;
    readonly PackStore _store;
    readonly Datasets _datasets;

    public DvcImportTests()
    {
        Directory.CreateDirectory(Path.Combine(_root, ".dvc"));
        Directory.CreateDirectory(Path.Combine(_root, ".takt"));
        _tree = new WorkTree(_root, Path.Combine(_root, ".takt"));
        _database = SqliteFile.Open(Path.Combine(_root, ".takt/takt.db"));
        _store = new PackStore(new FolderBlobStore(Path.Combine(_root, ".takt/store")), _database, TimeProvider.System);
        _datasets = new Datasets(_database, _store, TimeProvider.System, _store.Scratch);
    }

    public async ValueTask DisposeAsync()
    {
        _store.Dispose();
        await _database.DisposeAsync();
        Directory.Delete(_root, recursive: true);
    }

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

    string List(params (string Path, string Content)[] files) => Cache("[" + string.Join(", ", files.Select(file => $$"""{"md5": "{{Cache(file.Content)}}", "relpath": "{{file.Path}}"}""")) + "]", ".dir");

    DvcImport Import(string? remote = null, Func<DvcRemote, string, string?, CancellationToken, Task<Stream?>>? open = null) => new(_tree, _database, _store, TimeProvider.System, open ?? ((_, _, _, _) => Task.FromResult<Stream?>(null)), remote);

    async Task<DvcImported> Run(params string[] pointers)
    {
        using var dvc = Import();
        return await dvc.Run(pointers.Length > 0 ? pointers : dvc.Find());
    }

    async Task<string[]> Files(string version) => [.. (await _datasets.Tree(_datasets.Show(version))).Files.Select(file => file.Path)];

    [Fact]
    public async Task A_folder_and_a_file_come_out_of_the_cache_of_version_3()
    {
        Write("raw/data.dvc", $"outs:\n- md5: {List(("a.txt", "one"), ("sub/b.txt", "two"))}\n  size: 6\n  nfiles: 2\n  hash: md5\n  path: data\n");
        Write("model.bin.dvc", $"outs:\n- md5: {Cache("weights")}\n  size: 7\n  hash: md5\n  path: model.bin\n");
        var done = await Run();
        Assert.Equal([("model.bin.dvc", "model.bin", true), ("raw/data.dvc", "raw/data", true)], done.Taken.Select(one => (one.Pointer, one.Path, one.IsNew)));
        Assert.Equal((0, 0, 3), (done.Faults.Count, done.Left.Count, done.MovedFiles));
        Assert.Equal(("one", "two", "weights"), (Read("raw/data/a.txt"), Read("raw/data/sub/b.txt"), Read("model.bin")));
        Assert.Equal(["a.txt", "sub/b.txt"], await Files("data"));
        Assert.Equal([], await DatasetCheck.Of(_database, _store, data: true));
        Assert.All(_tree.Tracked(), tracked => Assert.Empty(_tree.Status(tracked, () => new VersionedPaths(_tree, _database, _store, TimeProvider.System).Tree(tracked))));
    }

    [Fact]
    public async Task Done_twice_nothing_moves_even_when_dvc_and_its_cache_are_gone()
    {
        Write("data.dvc", $"outs:\n- md5: {List(("a", "one"), ("b", "two"))}\n  hash: md5\n  path: data\n");
        Write("x.csv.dvc", $"outs:\n- md5: {Cache("x")}\n  hash: md5\n  path: x.csv\n");
        await Run();
        Directory.Delete(Path.Combine(_root, ".dvc/cache"), recursive: true);
        File.Delete(Path.Combine(_root, "data/a"));
        var again = await Run();
        Assert.Equal((0, 0, 2), (again.Faults.Count, again.MovedFiles, again.Taken.Count(one => !one.IsNew)));
        Assert.Equal("one", Read("data/a")); // out of the store
        Assert.Single(_datasets.Log("data"));

        // another folder with the same content and one file more: that one alone comes
        Write("more.dvc", $"outs:\n- md5: {List(("a", "one"), ("b", "two"), ("c", "three"))}\n  hash: md5\n  path: more\n");
        Assert.Equal(1, (await Run("more.dvc")).MovedFiles);
    }

    [Fact]
    public async Task A_cache_of_version_2_elsewhere_with_links_and_md5s_of_texts_is_read()
    {
        Write(".dvc/config", "[core]\n    remote = x\n['remote \"x\"']\n    url = s3://b\n[cache]\n    dir = ../elsewhere\n");
        var md5 = Md5("a\nb\rc\n"); // as DVC 2 took it, of what is stored with \r\n
        Write($"elsewhere/{md5[..2]}/{md5[2..]}", "a\r\nb\rc\r\n");
        Write("t.txt.dvc", $"md5: 0123\nouts:\n- md5: {md5}\n  path: t.txt\n");
        File.CreateSymbolicLink(Path.Combine(_root, "t.txt"), Path.Combine(_root, $"elsewhere/{md5[..2]}/{md5[2..]}"));
        Assert.Equal(["t.txt"], (await Run()).Taken.Select(one => one.Path));
        Assert.Null(new FileInfo(Path.Combine(_root, "t.txt")).LinkTarget);
        Assert.Equal("a\r\nb\rc\r\n", Read("t.txt"));
    }

    [Fact]
    public async Task What_is_missing_damaged_or_outside_is_named_at_once_and_the_rest_is_taken_over()
    {
        var bad = Cache("good");
        Write($".dvc/cache/files/md5/{bad[..2]}/{bad[2..]}", "rotten");
        var list = Cache($$"""[{"md5": "{{Md5("gone")}}", "relpath": "gone"}, {"md5": "{{bad}}", "relpath": "bad"}, {"md5": "{{Cache("mine")}}", "relpath": "mine"}]""", ".dir");
        Write("data.dvc", $"outs:\n- md5: {list}\n  hash: md5\n  path: data\n- md5: {Cache("x")}\n  hash: md5\n  path: ../../x\n- md5: {Cache("y")}\n  hash: md5\n  path: y\n");
        var done = await Run();
        Assert.Equal(["y"], done.Taken.Select(one => one.Path));
        Assert.Equal(2, done.Faults.Count);
        foreach (var word in (string[])["data/gone", "data/bad"]) Assert.Single(done.Faults, fault => fault.Contains($"'{word}'", StringComparison.Ordinal));
        Assert.Contains("'../../x' lies outside", Assert.Single(done.Left));
        Assert.False(File.Exists(Path.Combine(_root, "data.takt")));

        // what was there came in all the same: when the rest is there, it alone moves
        Cache("gone");
        Cache("good");
        var then = await Run();
        Assert.Equal((0, 2), (then.Faults.Count, then.MovedFiles));
        foreach (var text in (string[])["", "outs: 3", "outs:\n- path: [", "[", "a: &x [*x]"])
        {
            Write("odd.dvc", text);
            Assert.Contains("is no .dvc file", Assert.Single((await Run("odd.dvc")).Faults));
        }
    }

    [Fact]
    public async Task What_was_changed_since_dvc_saw_it_stays_as_it_is_and_shows_as_changed()
    {
        Write("data.dvc", $"outs:\n- md5: {List(("a", "one"), ("b", "two"))}\n  hash: md5\n  path: data\n");
        Write("data/a", "mine");
        Write("data/new", "new");
        Assert.Empty((await Run()).Faults);
        Assert.Equal(("mine", "two", "new"), (Read("data/a"), Read("data/b"), Read("data/new")));
        var tracked = Assert.Single(_tree.Tracked());
        Assert.Equal([("changed", "data/a"), ("added", "data/new")], _tree.Status(tracked, () => new VersionedPaths(_tree, _database, _store, TimeProvider.System).Tree(tracked)).Select(change => (change.What, change.Path)));
    }

    [Fact]
    public async Task A_list_of_files_that_leads_out_of_the_folder_is_refused()
    {
        var list = Cache($$"""[{"md5": "{{Cache("x")}}", "relpath": "../../evil"}]""", ".dir");
        Write("data.dvc", $"outs:\n- md5: {list}\n  hash: md5\n  path: data\n");
        Assert.Contains("no path inside", Assert.Single((await Run()).Faults));
        Assert.False(File.Exists(Path.Combine(_root, "../evil")));
    }

    [Fact]
    public async Task Outputs_of_stages_come_by_the_lock_and_what_git_keeps_does_not()
    {
        Write("pipe/dvc.yaml", """
            stages:
              prep:
                wdir: work
                cmd: x
                outs:
                - out
                - small.txt:
                    cache: false
                metrics:
                - m.json:
                    cache: false
              each:
                foreach: [us, de]
                do:
                  wdir: at-${item}
                  cmd: x
                  outs:
                  - out-${item}.txt
                  - log-${item}.txt:
                      cache: false
              odd:
                wdir: ${place}
                cmd: x
                outs: [z]
            """);
        Write("pipe/dvc.lock", $"""
            schema: '2.0'
            stages:
              prep:
                cmd: x
                deps:
                - path: in
                  md5: {Md5("in")}
                outs:
                - path: m.json
                  hash: md5
                  md5: {Md5("m")}
                - path: out
                  hash: md5
                  md5: {List(("a", "stage"))}
                - path: small.txt
                  hash: md5
                  md5: {Md5("s")}
              each@us:
                cmd: x
                outs:
                - path: log-us.txt
                  hash: md5
                  md5: {Md5("l")}
                - path: out-us.txt
                  hash: md5
                  md5: {Cache("us")}
              odd:
                cmd: x
                outs:
                - path: z
                  hash: md5
                  md5: {Md5("z")}
            """);
        Write("old/dvc.lock", $"train:\n  cmd: x\n  outs:\n  - path: ../model.pkl\n    md5: {Cache("model")}\n    size: 5\n"); // of DVC 1
        var done = await Run();
        Assert.Equal([("old/dvc.lock", "model.pkl"), ("pipe/dvc.lock", "pipe/work/out"), ("pipe/dvc.lock", "pipe/at-us/out-us.txt")], done.Taken.Select(one => (one.Pointer, one.Path)));
        Assert.Equal([], done.Faults);
        Assert.Contains("'odd'", Assert.Single(done.Left));
        Assert.Equal(("stage", "us", "model"), (Read("pipe/work/out/a"), Read("pipe/at-us/out-us.txt"), Read("model.pkl")));
    }

    [Fact]
    public async Task Two_folders_of_one_name_are_two_datasets()
    {
        Write("a/data.dvc", $"outs:\n- md5: {List(("x", "1"))}\n  hash: md5\n  path: data\n");
        Write("b/data.dvc", $"outs:\n- md5: {List(("x", "2"))}\n  hash: md5\n  path: data\n");
        Assert.Equal(["a-data", "b-data"], (await Run()).Taken.Select(one => one.Commit!.Dataset));
    }

    [Theory]
    [InlineData("files/md5/")]
    [InlineData("")]
    public async Task A_folder_that_is_a_remote_is_asked_when_the_cache_has_nothing(string layout)
    {
        Write(".dvc/config", "[core]\n    remote = main\n['remote \"gone\"']\n    url = ../nowhere\n['remote \"main\"']\n    url = remote://base/below\n['remote \"base\"']\n    url = ../remote\n");
        var list = Cache($$"""[{"md5": "{{Cache("far", "", $"remote/below/{layout}".TrimEnd('/'))}}", "relpath": "f"}, {"md5": "{{Md5("bad")}}", "relpath": "g"}]""", ".dir", $"remote/below/{layout}".TrimEnd('/'));
        var bad = Md5("bad");
        Write($"remote/below/{layout}{bad[..2]}/{bad[2..]}", "evil");
        Write("data.dvc", $"outs:\n- md5: {list}\n{(layout.Length > 0 ? "  hash: md5\n" : "")}  path: data\n");
        Assert.Contains("'data/g' is damaged at the remote main", Assert.Single((await Run()).Faults));
        Write($"remote/below/{layout}{bad[..2]}/{bad[2..]}", "bad");
        Assert.Equal(1, (await Run()).MovedFiles); // the other one is here by now
        Assert.Equal("far", Read("data/f"));
        Assert.Equal(TaktError.NotFound, Assert.Throws<TaktException>(() => Import("no-such")).Error);
    }

    [Fact]
    public async Task A_bucket_with_versions_is_asked_for_the_very_version_and_one_that_is_away_is_named_once()
    {
        Write(".dvc/config", "['remote \"cloud\"']\n    url = s3://bucket/top\n    version_aware = true\n['remote \"other\"']\n    url = gs://x\n");
        Write("data.dvc", $"outs:\n- hash: md5\n  path: data\n  size: 7\n  files:\n  - relpath: a\n    md5: {Md5("first")}\n    size: 5\n    cloud:\n      cloud:\n        etag: abc\n        version_id: v-1\n  - relpath: b\n    md5: {Md5("no")}\n  - relpath: c\n    md5: {Md5("neither")}\n");
        var asked = new List<string>();
        using var dvc = Import(open: (remote, name, version, _) =>
        {
            lock (asked) asked.Add($"{remote.Url} {name} {version}");
            return Task.FromResult<Stream?>(version == "v-1" ? new MemoryStream("first"u8.ToArray()) : null);
        });
        var done = await dvc.Run(dvc.Find());
        Assert.Equal(3, done.Faults.Count);
        Assert.Single(done.Faults, fault => fault.Contains("gs://x", StringComparison.Ordinal) && fault.Contains("dvc fetch", StringComparison.Ordinal));
        Assert.Contains("s3://bucket/top data/a v-1", asked);
        Assert.Equal((1, 5), (done.MovedFiles, done.MovedBytes));
    }

    [Fact]
    public async Task The_versions_of_gits_history_come_with_their_authors_once()
    {
        Git("init", "-q");
        for (var i = 1; i <= 3; i++)
        {
            Write("data.dvc", $"outs:\n- md5: {List(("a", $"version {i}"), ("same", "same"))}\n  hash: md5\n  path: data\n");
            Write("x.csv.dvc", $"outs:\n- md5: {(i == 2 ? Md5("nowhere") : Cache($"x{i}"))}\n  hash: md5\n  path: x.csv\n");
            Git("add", "*.dvc");
            Git("-c", "user.name=Ada", "-c", "user.email=a@example.org", "commit", "-q", "-m", $"step {i}", "--date", $"2001-01-0{i}T00:00:00Z");
        }
        using var dvc = Import();
        var done = await dvc.History();
        Assert.Equal(["step 1", "step 2", "step 3"], _datasets.Log("data").Reverse().Select(version => version.Message[..6]));
        Assert.Equal(("Ada", 3), (_datasets.Show("data").Author, _datasets.Log("data").Count));
        Assert.Contains("x.csv", Assert.Single(done.Faults));
        Assert.Equal(["x.csv"], await Files("x.csv@v2"));
        Assert.Equal(2, _datasets.Log("x.csv").Count);
        Assert.Equal(7 - 1, done.MovedFiles); // 3 + 1 of data, 2 of x.csv
        using var again = Import();
        Assert.All((await again.History()).Taken, one => Assert.False(one.IsNew));
        Assert.Equal((0, 3, 0), ((await again.History()).MovedFiles, _datasets.Log("data").Count, (await again.Run(again.Find())).MovedFiles));
        Assert.Equal(3, _datasets.Log("data").Count);
        Assert.Equal([], await DatasetCheck.Of(_database, _store, data: true));
    }

    void Git(params string[] args)
    {
        using var git = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("git", ["-C", _root, .. args]))!;
        git.WaitForExit();
        Assert.Equal(0, git.ExitCode);
    }
}
