#pragma warning disable CA1416 // modes of files: the tests run on Linux
using System.Security.Cryptography;
using Takt.Data;
using Takt.Data.WorkTrees;
using Takt.Storage;
using Takt.Storage.FileSystem;
using Takt.Storage.Packs;
using Takt.Storage.Sqlite;

namespace Takt.Tests.Data;

/// <summary>What is known of tables among the files of a version.</summary>
public sealed class WorkTreeTableTests : WorkTreeFixture
{
    [Fact]
    public async Task Tables_that_were_added_have_a_profile_and_can_be_compared_and_queried_and_those_that_are_no_one_table_all_the_same()
    {
        Write("data/t.csv", "id,price\n" + string.Concat(Enumerable.Range(0, 100).Select(i => $"{i},{i * 3 % 50}\n")));
        var first = await Add();
        Assert.Equal(100, first.Rows);
        Assert.Equal(["id", "price"], (await _datasets.Profile(first))!.Columns.Select(column => column.Name));
        Write("data/t.csv", "id,price\n" + string.Concat(Enumerable.Range(1, 100).Select(i => $"{i},{(i == 7 ? 999 : i * 3 % 50)}\n")));
        var second = await Add();
        var diff = await new DatasetDiffs(_datasets).Between("data@v1", "data@v2");
        Directory.CreateDirectory(PathOf("data/more"));
        Assert.Equal((1, 1, 1, "id"), (diff.Rows!.Added, diff.Rows.Removed, diff.Rows.Changed, diff.Rows.Key.Single()));

        for (var i = 0; i < 50; i++) Write($"data/more/{i:00}.csv", $"id,price\n{1000 + i},1\n");
        Assert.Equal(150, (await Add()).Rows);
        Directory.Delete(PathOf("data/more"), recursive: true);
        Write("data/other.csv", "name;what\na;b\n");
        Write("data/broken.parquet", "this is none");
        Assert.Null((await Add()).Profile);
        diff = await new DatasetDiffs(_datasets).Between("data@v2", "data");
        Assert.Null(diff.Rows);
        Assert.Equal(["broken.parquet", "other.csv"], diff.Files.Select(file => file.Path));
        Assert.Contains("parquet", diff.NoRows);
        Assert.Empty(await DatasetCheck.Of(_database, _store, data: true));
    }

    [Fact]
    public async Task Versions_without_a_profile_are_compared_by_the_rows_of_the_files_that_differ()
    {
        async Task<DatasetCommit> Without(string csv, DatasetCommit? tip)
        {
            await using var writer = await _store.Begin("test");
            var tree = new DatasetTree([new TreeFile("t.csv", writer.Add(System.Text.Encoding.UTF8.GetBytes(csv)).Digest, csv.Length), new TreeFile("x.bin", writer.Add(new byte[] { 1 }).Digest, 1)]).Build(node => writer.Add(node));
            var commit = new DatasetCommit("t", tree.Id.Digest, tip is null ? [] : [tip.Id], "", TimeProvider.System.GetUtcNow(), csv, "", 2, csv.Length + 1, null, null);
            writer.Add(commit.Json());
            await writer.Commit(session => DatasetTable.Add(session, commit, "main", tip?.Id, commit.Time, ""));
            return commit;
        }

        var first = await Without("id,price\n1,10\n2,20\n3,30\n", null);
        await Without("id,price\n1,10\n2,25\n4,30\n", first);
        var diff = await new DatasetDiffs(_datasets).Between("t@v1", "t@v2");
        Assert.Equal((1, 1, 1, "id"), (diff.Rows!.Added, diff.Rows.Removed, diff.Rows.Changed, Assert.Single(diff.Rows.Key)));
        Assert.Equal(6, (await new DatasetQuery(_datasets).Table("select * from t@v1 union all select * from t@v2", 10)).Rows);
    }

    [Fact]
    public async Task A_merge_of_tables_has_the_profile_of_what_came_together()
    {
        Write("data/1.csv", "id,price\n1,10\n");
        await Add();
        var branches = new DatasetBranches(_database, _store, _datasets, TimeProvider.System);
        await branches.Create("more", "data", tag: false);
        Write("data/2.csv", "id,price\n2,20\n");
        await Add("more");
        File.Delete(PathOf("data/2.csv"));
        Write("data/3.csv", "id,price\n3,30\n");
        await Add();
        var merged = await branches.Merge("data@more");
        Assert.Equal(3, merged.Rows);
        Assert.Equal((20, 3), ((await _datasets.Profile(merged))!.Find("price")!.Mean, (await _datasets.Profile(merged))!.Find("id")!.Distinct));
        var diff = await new DatasetDiffs(_datasets).Between("data@more", "data");
        Assert.Equal((1, 0, "id"), (diff.Rows!.Added, diff.Rows.Removed, Assert.Single(diff.Rows.Key)));
        // tables that are none as one are told, and merged all the same
        await branches.Create("bad", "data@v1", tag: false);
        await _paths.Checkout(_tree.Named(PathOf("data")), _datasets.Show("data@v1"), force: true);
        Write("data/4.csv", "id,price\n4,40,400\n");
        await Add("bad");
        var told = new List<string>();
        merged = await branches.Merge("data@bad", doubtful: told.Add);
        Assert.Null(merged.Profile);
        Assert.Equal("'data' has no profile of this version: 4.csv, line 2: it has 3 fields where the header has 2", Assert.Single(told));
    }

    [Fact]
    public async Task Tables_of_several_kinds_are_told_when_they_are_added()
    {
        Write("data/orders.csv", "id,price\n1,10\n");
        Write("data/people.csv", "name,age\nx,3\n");
        var told = new List<string>();
        var commit = (await _paths.Add("data", null, "main", "", told.Add)).Commit!;
        Assert.Contains("in 'data', tables of 2 kinds are taken for one", Assert.Single(told));
        Assert.Equal(["orders.csv", "people.csv"], (await _datasets.Profile(commit))!.Kinds!.Select(kind => kind.First));
        Assert.Equal(2, (await _datasets.Check("data", new Expectations())).Report.Kinds!.Count);
    }

    [Fact]
    public async Task A_compressed_table_or_archive_that_was_cut_off_is_told_and_kept_as_it_is()
    {
        using (var zip = System.IO.Compression.ZipFile.Open(PathOf("whole.zip"), System.IO.Compression.ZipArchiveMode.Create))
        using (var entry = zip.CreateEntry("a.txt").Open()) entry.Write("a"u8);
        using (var gzip = new System.IO.Compression.GZipStream(File.Create(PathOf("whole.csv.gz")), System.IO.Compression.CompressionLevel.Fastest)) gzip.Write(RandomNumberGenerator.GetBytes(5000));
        foreach (var name in (string[])["whole.zip", "whole.csv.gz"])
        {
            var content = File.ReadAllBytes(PathOf(name));
            File.WriteAllBytes(PathOf("data/" + name), content);
            File.WriteAllBytes(PathOf("data/cut-" + name), content[..^30]);
        }
        Write("data/table.gz", "no table by its name");
        var told = new List<string>();
        Assert.Equal(7, (await _paths.Add("data", null, "main", "", told.Add)).Commit!.Files);
        Assert.Equal(3, told.Count);
        Assert.StartsWith("'data' has no profile of this version: 'cut-whole.csv.gz' is damaged", told[2]);
        Assert.Contains("'data/cut-whole.csv.gz' is damaged or cut off", told[0]);
        Assert.Contains("'data/cut-whole.zip' is damaged or cut off", told[1]);
    }
}
