using Takt.Data;
using Takt.Storage;
using Takt.Storage.FileSystem;
using Takt.Storage.Sqlite;

namespace Takt.Tests.Data;

public sealed class DatasetsTests : IAsyncDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;
    readonly Database _database;
    readonly FolderBlobStore _blobs;
    readonly Datasets _datasets;

    public DatasetsTests()
    {
        _database = SqliteFile.Open(PathOf("takt.db"));
        _blobs = new FolderBlobStore(PathOf("store"));
        _datasets = new Datasets(_database, _blobs, TimeProvider.System, _blobs.Scratch);
    }

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    string PathOf(string path) => Path.Combine(_folder, path);

    void Incoming(string name, string content)
    {
        Directory.CreateDirectory(PathOf("incoming"));
        File.WriteAllText(PathOf("incoming/" + name), content);
    }

    Task<Committed> Collect(Expectations? expect = null) => _datasets.Collect("sales", _folder, ["incoming/*.csv"], expect);

    [Fact]
    public async Task Collecting_adds_new_files_takes_changed_ones_and_keeps_those_that_vanished()
    {
        Incoming("a.csv", "x\n1\n");
        Incoming("b.csv", "x\n2\n");
        var first = await Collect();
        Assert.Equal((true, 2, 0, 2), (first.IsNew, first.Added, first.Changed, first.Commit.Rows));

        File.Delete(PathOf("incoming/a.csv"));
        Incoming("b.csv", "x\n2\n22\n");
        Incoming("c.csv", "x\n3\n");
        var second = await Collect();
        Assert.Equal((true, 1, 1, 4), (second.IsNew, second.Added, second.Changed, second.Commit.Rows));
        Assert.Equal(["a.csv", "b.csv", "c.csv"], (await _datasets.Tree(second.Commit)).Files.Select(file => file.Path));
        Assert.Equal([second.Commit.Id, first.Commit.Id], _datasets.Log("sales").Select(commit => commit.Id));
    }

    [Fact]
    public async Task Nothing_new_makes_no_new_version()
    {
        Incoming("a.csv", "x\n1\n");
        var first = await Collect();
        var again = await Collect();
        Assert.False(again.IsNew);
        Assert.Equal(first.Commit.Id, again.Commit.Id);
        Assert.Single(_datasets.Log("sales"));
        Assert.Equal(first.Commit.Tree, await _datasets.CollectedTree("sales", _folder, ["incoming/*.csv"]));
    }

    [Fact]
    public async Task A_version_is_found_by_ref_and_by_the_first_digits_of_its_id()
    {
        Incoming("a.csv", "x\n1\n");
        var commit = (await Collect()).Commit;
        Assert.Equal(commit.Json(), _datasets.Show("sales").Json());
        Assert.Equal(commit.Id, _datasets.Show("sales@main").Id);
        Assert.Equal(commit.Id, _datasets.Show("sales@" + commit.Id.ToString()[..15]).Id);
        Assert.Equal(TaktError.NotFound, Assert.Throws<TaktException>(() => _datasets.Show("sales@sha256:0000")).Error);
        Assert.Contains("there are: sales", Assert.Throws<TaktException>(() => _datasets.Show("sails")).Message);
        Assert.Contains("it has: main", Assert.Throws<TaktException>(() => _datasets.Show("sales@stable")).Message);
        Assert.Equal(TaktError.Invalid, Assert.Throws<TaktException>(() => _datasets.Show("../etc")).Error);
    }

    [Fact]
    public async Task A_checkout_holds_exactly_the_version_and_the_pointer_names_it()
    {
        Incoming("a.csv", "x\n1\n");
        var first = (await Collect()).Commit;
        Incoming("b.csv", "x\n2\n");
        var second = (await Collect()).Commit;

        await _datasets.Checkout(second, PathOf("data/sales/"));
        Assert.Equal(["a.csv", "b.csv"], Directory.GetFiles(PathOf("data/sales")).Select(Path.GetFileName).Order());
        await _datasets.Checkout(first, PathOf("data/sales/"));
        Assert.Equal("a.csv", Path.GetFileName(Assert.Single(Directory.GetFiles(PathOf("data/sales")))));
        Assert.Equal(first.Id, DatasetPointer.Read(PathOf("data/sales.takt")).Commit);
        Assert.True(new FileInfo(PathOf("data/sales/a.csv")).IsReadOnly);
        Assert.Empty(Directory.GetFileSystemEntries(PathOf("data"), "*.tmp", new EnumerationOptions { AttributesToSkip = 0 }));
    }

    [Fact]
    public async Task A_checkout_never_replaces_a_file_that_no_version_holds()
    {
        Incoming("a.csv", "x\n1\n");
        var commit = (await Collect()).Commit;
        await _datasets.Checkout(commit, PathOf("data/sales/"));
        File.WriteAllText(PathOf("data/sales/mine.csv"), "x\n99\n");
        Incoming("b.csv", "x\n2\n");
        var e = await Assert.ThrowsAsync<TaktException>(async () => await _datasets.Checkout((await Collect()).Commit, PathOf("data/sales/")));
        Assert.Equal(TaktError.Conflict, e.Error);
        Assert.Contains("mine.csv", e.Message);
        Assert.Equal("x\n99\n", File.ReadAllText(PathOf("data/sales/mine.csv")));
    }

    [Fact]
    public async Task A_single_file_can_be_a_dataset()
    {
        File.WriteAllText(PathOf("raw.csv"), "x\n1\n");
        var commit = (await _datasets.Collect("raw", _folder, ["raw.csv"])).Commit;
        for (var i = 0; i < 2; i++) await _datasets.Checkout(commit, PathOf("data/raw.csv"));
        Assert.Equal("x\n1\n", File.ReadAllText(PathOf("data/raw.csv")));
        Assert.Equal(["raw.csv", "raw.csv.takt"], Directory.GetFiles(PathOf("data")).Select(Path.GetFileName).Order());
    }

    [Fact]
    public async Task Data_that_is_not_as_expected_is_not_committed()
    {
        Incoming("a.csv", "x\n1\n-5\n");
        var expect = new Expectations { Columns = [new("x") { Type = ColumnType.Integer, Min = "0" }] };
        var e = await Assert.ThrowsAsync<TaktException>(() => Collect(expect));
        Assert.Equal("sales: column 'x', min 0: 1 of 2 rows are below; namely a.csv {x: -5}", e.Message);
        Assert.Null(_datasets.Tip("sales"));
        Assert.Empty(_datasets.List());
    }

    [Fact]
    public async Task Collects_that_race_lose_no_file()
    {
        await Task.WhenAll(Enumerable.Range(0, 4).Select(i => Task.Run(() =>
        {
            Directory.CreateDirectory(PathOf($"in{i}"));
            File.WriteAllText(PathOf($"in{i}/{i}.csv"), $"x\n{i}\n");
            return _datasets.Collect("sales", _folder, [$"in{i}/*.csv"]);
        })));
        var tip = _datasets.Tip("sales")!;
        Assert.Equal(4, tip.Files);
        Assert.Equal(4, _datasets.Log("sales").Count);
        Assert.Equal(4, _database.Read(s => s.Number($"select count(*) from dataset_reflog where dataset = {"sales"}")));
    }

    [Fact]
    public async Task The_profile_is_kept_with_the_version()
    {
        Incoming("a.csv", "x,t\n1,a\n3,b\n");
        var profile = await _datasets.Profile((await Collect()).Commit);
        Assert.Equal(2, profile!.Rows);
        Assert.Equal(2.0, profile.Find("x")!.Mean);
    }

    [Fact]
    public async Task Two_sources_with_a_file_of_one_name_are_refused()
    {
        foreach (var folder in new[] { "p", "q" })
        {
            Directory.CreateDirectory(PathOf(folder));
            File.WriteAllText(PathOf($"{folder}/a.csv"), "x\n1\n");
        }
        var e = await Assert.ThrowsAsync<TaktException>(() => _datasets.Collect("sales", _folder, ["p/*.csv", "q/*.csv"]));
        Assert.Contains("would both be 'a.csv'", e.Message);
    }
}
