using Takt.Data;
using Takt.Server;

namespace Takt.Tests.Data;

/// <summary><c>takt data diff</c> and <c>takt data sql</c> over real versions.</summary>
public sealed class DatasetDiffTests : IAsyncDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;
    readonly TaktApp _app;

    public DatasetDiffTests() => _app = TaktApp.Open(new TaktFolder(_folder, Path.Combine(_folder, ".takt")));

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    async Task<string> Commit(params (string Path, string Content)[] files)
    {
        var source = Path.Combine(_folder, Guid.NewGuid().ToString("N"));
        Directory.CreateDirectory(source);
        foreach (var (path, content) in files) await File.WriteAllTextAsync(Path.Combine(source, path), content);
        return (await _app.Datasets.Commit(new NewVersion("t", files.ToDictionary(f => f.Path, f => Path.Combine(source, f.Path))))).Commit.Reference;
    }

    async Task<string> CommitParquet(string sql)
    {
        var file = Path.Combine(_folder, $"{Guid.NewGuid():N}.parquet");
        using (var connection = DuckDb.Open()) Tables.WriteParquet(connection, sql, file);
        return (await _app.Datasets.Commit(new NewVersion("t", new Dictionary<string, string> { ["t.parquet"] = file }))).Commit.Reference;
    }

    Task<DatasetDiff> Diff(string a, string b, params string[] key) => new DatasetDiffs(_app.Datasets).Between(a, b, new DiffOptions { Key = key });

    [Theory]
    [InlineData("csv")]
    [InlineData("jsonl")]
    public async Task Rows_are_told_by_the_key_that_the_profiles_know_and_equal_files_are_not_read(string format)
    {
        string Content(string csv)
        {
            if (format == "csv") return csv;
            var lines = csv.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split(',')).ToList();
            return string.Concat(lines.Skip(1).Select(l => $"{{\"id\":{l[0]},\"price\":{l[1]},\"kind\":\"{l[2]}\"}}\n"));
        }
        var a = await Commit(($"same.{format}", Content("id,price,kind\n100,1,x\n")), ($"t.{format}", Content("id,price,kind\n1,5,a\n2,6,b\n3,7,c\n4,8,d\n")));
        var b = await Commit(($"same.{format}", Content("id,price,kind\n100,1,x\n")), ($"t.{format}", Content("id,price,kind\n4,8,d\n1,50,a\n2,60,bb\n5,1,e\n")), ($"more.{format}", Content("id,price,kind\n6,1,f\n")));
        var diff = await Diff(a, b);
        Assert.Equal([$"more.{format}", $"t.{format}"], diff.Files.Select(f => f.Path));
        Assert.Equal(1, diff.SameFiles);
        var rows = diff.Rows!;
        Assert.Equal("id", Assert.Single(rows.Key));
        Assert.True(rows.Inferred);
        Assert.Equal((2, 1, 2, 1), (rows.Added, rows.Removed, rows.Changed, rows.Same));
        Assert.Equal((2, 1), (rows.ChangedColumns["price"], rows.ChangedColumns["kind"]));
        Assert.Equal(["5", "6"], rows.Samples.Where(s => s.Kind == "added").Select(s => s.Now!["id"]));
        Assert.Equal("3", rows.Samples.Single(s => s.Kind == "removed").Before!["id"]);
        var second = rows.Samples.Where(s => s.Kind == "changed").Last();
        Assert.Equal(("b", "bb", "60"), (second.Before!["kind"], second.Now!["kind"], second.Now["price"]));
        Assert.False(rows.Samples.First(s => s.Kind == "changed").Now!.ContainsKey("kind"));
    }

    [Fact]
    public async Task A_key_of_several_columns_works_and_one_that_is_not_unique_is_refused_with_an_example()
    {
        var a = await CommitParquet("select i // 2 as g, i % 2 as h, i::double as x from range(10) t(i)");
        var b = await CommitParquet("select i // 2 as g, i % 2 as h, case when i = 7 then 0.5 else i end as x from range(1, 12) t(i)");
        var rows = (await Diff(a, b, "g", "h")).Rows!;
        Assert.Equal((2, 1, 1, 8), (rows.Added, rows.Removed, rows.Changed, rows.Same));
        Assert.Equal(("3", "1", "7", "0.5"), (rows.Samples[^1].Before!["g"], rows.Samples[^1].Before!["h"], rows.Samples[^1].Before!["x"], rows.Samples[^1].Now!["x"]));
        var e = await Assert.ThrowsAsync<TaktException>(() => Diff(a, b, "g"));
        Assert.Contains("g is no key of the first version: 10 rows share theirs with another, such as ", e.Message);
        Assert.Contains("no column 'z' in both versions", (await Assert.ThrowsAsync<TaktException>(() => Diff(a, b, "z"))).Message);
    }

    [Fact]
    public async Task Without_a_key_whole_rows_are_counted_as_often_as_they_are_there()
    {
        var a = await Commit(("t.csv", "x,y\n1,a\n1,a\n2,b\n,c\n"));
        var b = await Commit(("t.csv", "x,y\n1,a\n2,b\n2,b\n,c\n3,d\n"));
        var rows = (await Diff(a, b)).Rows!;
        Assert.Equal((2, 1, 0, 3), (rows.Added, rows.Removed, rows.Changed, rows.Same));
        Assert.Empty(rows.Key);
    }

    [Fact]
    public async Task New_dropped_and_changed_columns_are_told_and_the_others_compared()
    {
        var a = await Commit(("t.csv", "id,old,n\n1,x,5\n2,y,6\n"));
        var b = await Commit(("t.csv", "id,new,n\n1,x,5\n2,y,six\n"));
        var diff = await Diff(a, b);
        Assert.Equal([new("old", "VARCHAR", null), new("n", "BIGINT", "VARCHAR"), new("new", null, "VARCHAR")], diff.Columns);
        Assert.Equal((1, "6", "six"), (diff.Rows!.Changed, diff.Rows.Samples[0].Before!["n"], diff.Rows.Samples[0].Now!["n"]));
    }

    [Fact]
    public async Task A_file_that_is_renamed_and_versions_that_are_equal_have_no_rows_that_differ()
    {
        var a = await Commit(("a.csv", "id,x\n1,2\n"), ("z.csv", "id,x\n5,2\n"));
        var b = await Commit(("b.csv", "id,x\n1,2\n"), ("z.csv", "id,x\n5,2\n"));
        var diff = await Diff(a, b);
        Assert.Equal((2, 0, 0, 0), (diff.Files.Count, diff.Rows!.Added, diff.Rows.Removed, diff.Rows.Changed));
        Assert.True((await Diff(a, a)).IsEmpty);
    }

    [Fact]
    public async Task SQL_reads_any_version_beside_another()
    {
        var a = await Commit(("t.csv", "id,x\n1,2\n"));
        await Commit(("t.csv", "id,x\n1,2\n2,3\n"));
        var query = new DatasetQuery(_app.Datasets);
        var table = await query.Table($"with w as (select 1 as one) select (select count(*) from {a}) as before, (select count(*) from t) as now, 't@main' as text, one from w -- t@nothing", 10);
        Assert.Equal(("1", "2", "t@main"), (table["before"].TextAt(0), table["now"].TextAt(0), table["text"].TextAt(0)));
        Assert.Equal(2, await query.Write("select * from t@main order by id", Path.Combine(_folder, "out.jsonl")));
        Assert.Equal("{\"id\":1,\"x\":2}", File.ReadLines(Path.Combine(_folder, "out.jsonl")).First());
    }

    [Theory]
    [InlineData("select * from nothing", "no dataset 'nothing'; there are: t")]
    [InlineData("select * from t@v9", "has no ref 'v9'")]
    [InlineData("select * from read_csv('/etc/passwd')", "")]
    [InlineData("select * from '/etc/passwd'", "")]
    [InlineData("select content from read_text('/etc/hostname')", "")]
    [InlineData("select * from glob('/etc/*')", "")]
    [InlineData("select * from t; drop table t", "")]
    [InlineData("attach '/tmp/x.db'", "")]
    [InlineData("copy t to '/tmp/takt-should-not-be.csv'", "")]
    [InlineData("set enable_external_access = true", "")]
    [InlineData("install httpfs", "")]
    [InlineData("select * from read_csv('http://127.0.0.1:1/x.csv')", "")]
    [InlineData("select * from query('select * from read_csv(''/etc/passwd'')')", "")]
    public async Task SQL_reads_nothing_but_versions(string sql, string message)
    {
        await Commit(("t.csv", "id,x\n1,2\n"));
        var e = await Assert.ThrowsAsync<TaktException>(() => new DatasetQuery(_app.Datasets).Table(sql, 10));
        Assert.Contains(message, e.Message);
        Assert.DoesNotContain("root:", e.Message);
        Assert.False(File.Exists("/tmp/takt-should-not-be.csv"));
    }

    [Fact]
    public async Task SQL_that_runs_over_its_time_is_stopped()
    {
        var e = await Assert.ThrowsAsync<TaktException>(() => new DatasetQuery(_app.Datasets).Table("select count(*) from range(1000000000) a, range(1000000) b where hash(a.range * b.range) = 7", 10, new QueryLimits(0, TimeSpan.FromMilliseconds(200))));
        Assert.Contains("time limit", e.Message);
        using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        var cancelled = await Assert.ThrowsAsync<TaktException>(() => new DatasetQuery(_app.Datasets).Table("select count(*) from range(1000000000) a, range(1000000) b where hash(a.range * b.range) = 7", 10, null, cancel.Token));
        Assert.Equal(TaktError.Cancelled, cancelled.Error);
    }

    [Fact]
    public async Task A_check_is_kept_with_its_version_and_a_refused_version_leaves_its_report()
    {
        var file = Path.Combine(_folder, "x.csv");
        async Task<Committed> Put(string csv)
        {
            await File.WriteAllTextAsync(file, csv);
            return await _app.Datasets.Commit(new NewVersion("c", new Dictionary<string, string> { ["x.csv"] = file })
            {
                Expect = new Expectations { RowsChange = 1, Columns = [new("id") { Max = "3", Unique = true }, new("x") { Max = "5", Severity = Severity.Warn }] },
            });
        }
        var first = await Put("id,x\n1,9\n");
        Assert.Equal((1, 1), (first.Report!.Warned, first.Report.Skipped));
        var e = await Assert.ThrowsAsync<TaktException>(() => Put("id,x\n1,1\n7,1\n7,1\n"));
        Assert.Equal(3, e.Faults.Count);
        var checks = _app.Datasets.Checks("c");
        Assert.Equal([null, first.Commit.Id.ToString()], checks.Select(c => c.Commit));
        Assert.Equal(3, checks[0].Report.Failed);
        Assert.Contains(checks[0].Report.Results, r => r.Rule == "unique" && r.Rows.Single() == "x.csv {id: 7, x: 1}");
        var (_, again) = await _app.Datasets.Check("c@main", new Expectations { Columns = [new("id") { Min = "2" }] });
        Assert.Equal(1, again.Failed);
        Assert.Equal(3, _app.Datasets.Checks("c").Count);
        Assert.Equal(2, _app.Datasets.Checks("c", first.Commit.Id).Count);
    }
}
