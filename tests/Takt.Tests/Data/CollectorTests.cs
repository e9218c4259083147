using System.Security.Cryptography;
using System.Text;
using Microsoft.Data.Sqlite;
using Takt.Data;
using Takt.Deployments;
using Takt.Pipelines;

namespace Takt.Tests.Data;

/// <summary>Rows, files and predictions into datasets; PostgreSQL and S3 are in Takt.Storage.Tests.</summary>
public sealed class CollectorTests : CollectingTests
{
    void Sql(string sql)
    {
        using var connection = new SqliteConnection($"Data Source={PathOf("s.db")};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    static CollectRequest FromSqlite(string? cursor = "at", params string[] key) => new("orders", ["sqlite:s.db"], "")
    {
        Settings = cursor is null ? new Dictionary<string, string> { ["table"] = "o" } : new Dictionary<string, string> { ["table"] = "o", ["cursor"] = cursor },
        Key = key,
    };

    [Fact]
    public async Task Rows_behind_the_cursor_are_added_once_and_going_back_rewinds()
    {
        Sql("create table o(id integer, at datetime, price real, kind text); insert into o values(1, '2001-01-01 00:00:00', 1.5, 'a'), (2, '2001-01-02 00:00:00', null, 'b')");
        var first = await Collect(FromSqlite());
        Assert.Equal((true, 2), (first.IsNew, first.Commit.Rows));
        Assert.False((await Collect(FromSqlite())).IsNew);
        Sql("insert into o values(3, '2001-01-03 00:00:00', 2, 'c')");
        var second = await Collect(FromSqlite());
        Assert.Equal((true, 3, 2), (second.IsNew, second.Commit.Rows, second.Commit.Files));
        Assert.Equal(first.Commit.Id, second.Commit.Parents[0]);
        var table = await Rows("select * from orders order by id");
        Assert.Equal(("2001-01-03T00:00:00.000000Z", true, ColumnType.Time), (table["at"].TextAt(2), table["price"].IsMissing(1), table["at"].Type));

        // back to the first version: what came after it is new again, and gives the same files
        await App.Datasets.Reset(first.Commit.Reference);
        var again = await Collect(FromSqlite());
        Assert.Equal((second.Commit.Tree, 3), (again.Commit.Tree, again.Commit.Rows));
    }

    [Fact]
    public async Task Late_arrivals_are_found_in_the_window_and_a_changed_row_takes_the_place_of_the_old()
    {
        Sql("create table o(id integer, at datetime, price real); insert into o values(1, '2001-01-01 00:00:00', 1), (2, '2001-01-02 00:00:00', 2)");
        var request = FromSqlite("at", "id") with { Late = TimeSpan.FromDays(3) };
        await Collect(request);
        Sql("insert into o values(3, '2000-12-31 00:00:00', 3), (4, '2000-01-01 00:00:00', 4); update o set price = 20 where id = 2");
        Assert.True((await Collect(request)).IsNew);
        var table = await Rows("select id, price from orders order by id");
        Assert.Equal(["1", "2", "3"], Enumerable.Range(0, table.Rows).Select(i => table["id"].TextAt(i)!)); // 4 is older than the window
        Assert.Equal("20", table["price"].TextAt(1));
        Assert.False((await Collect(request)).IsNew);

        // a backfill brings what the window missed and leaves the cursor where it is
        var before = App.Datasets.Tip("orders")!.Cursor;
        await Collect(request with { Range = ("2000-01-01", "2000-02-01") });
        Assert.Equal(4, App.Datasets.Tip("orders")!.Rows);
        Assert.Equal(before, App.Datasets.Tip("orders")!.Cursor);
    }

    [Fact]
    public async Task Two_collects_at_once_bring_every_row_once()
    {
        Sql("create table o(id integer, at integer); insert into o select value, value from (with recursive c(value) as (select 1 union all select value + 1 from c where value < 500) select value from c)");
        await Collect(FromSqlite());
        Sql("insert into o select value, value from (with recursive c(value) as (select 501 union all select value + 1 from c where value < 900) select value from c)");
        await Task.WhenAll(Collect(FromSqlite()), Collect(FromSqlite()), Collect(FromSqlite()));
        var table = await Rows("select count(*) as n, count(distinct id) as d from orders");
        Assert.Equal(("900", "900"), (table["n"].TextAt(0), table["d"].TextAt(0)));
    }

    [Fact]
    public async Task A_column_that_is_gone_or_of_another_type_is_refused_by_name_and_let_in_when_asked()
    {
        Sql("create table o(id integer, at integer, price real, kind text); insert into o values(1, 1, 1.5, 'a')");
        await Collect(FromSqlite());
        Sql("drop table o; create table o(id integer, at integer, price text, more text); insert into o values(2, 2, 'dear', 'x')");
        var e = await Assert.ThrowsAsync<TaktException>(() => Collect(FromSqlite()));
        Assert.Contains(e.Faults, f => f.StartsWith("orders: column 'price' was number and is text", StringComparison.Ordinal));
        Assert.Contains(e.Faults, f => f.StartsWith("orders: column 'kind' is gone", StringComparison.Ordinal));
        Assert.Equal(1, App.Datasets.Tip("orders")!.Rows);
        Sql("drop table o; create table o(id integer, at integer, price real, kind text, more text); insert into o values(2, 2, 2, 'b', 'x')");
        Assert.Contains("column 'more' is new", (await Assert.ThrowsAsync<TaktException>(() => Collect(FromSqlite() with { Schema = SchemaPolicy.Same }))).Message);
        Assert.Equal(2, (await Collect(FromSqlite())).Commit.Rows);
    }

    [Theory]
    [InlineData("select * from no_such", "no such table")]
    [InlineData("select id from o; drop table o", "")]
    [InlineData("delete from o", "")]
    public async Task A_source_is_only_read(string query, string message)
    {
        Sql("create table o(id integer); insert into o values(1)");
        var e = await Assert.ThrowsAsync<TaktException>(() => Collect(new CollectRequest("orders", ["sqlite:s.db"], "") { Settings = new Dictionary<string, string> { ["query"] = query } }));
        Assert.Contains(message, e.Message);
        Sql("insert into o values(2)");
        Assert.Equal(2, (await Collect(FromSqlite(null))).Commit.Rows);
    }

    [Fact]
    public async Task Text_in_a_numeric_column_is_named_with_its_row()
    {
        Sql("create table o(id integer, price real); insert into o values(1, 2.5), (2, 'dear')");
        Assert.Contains("column 'price', row 2: 'dear' is no number", (await Assert.ThrowsAsync<TaktException>(() => Collect(FromSqlite(null)))).Message);
    }

    [Fact]
    public async Task Masked_columns_never_reach_the_store_and_the_hash_is_HMAC()
    {
        Environment.SetEnvironmentVariable("TAKT_SECRET_TEST_PII", "a key of the test");
        File.WriteAllText(PathOf("p.csv"), "id,email,name,zip\n1,a@example.org,Ann,12345\n2,,Bob,98765\n");
        await Collect(new CollectRequest("people", ["p.csv"], "") { Mask = new Dictionary<string, string> { ["email"] = "hash", ["name"] = "drop", ["zip"] = "truncate 2" }, MaskKey = "TEST_PII" });
        var table = await Rows("select * from people order by id");
        Assert.Equal(["id", "email", "zip"], table.Columns.Select(c => c.Name));
        Assert.Equal(Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes("a key of the test"), Encoding.UTF8.GetBytes("a@example.org"))), table["email"].TextAt(0));
        Assert.True(table["email"].IsMissing(1));
        Assert.Equal("12", table["zip"].TextAt(0));
        foreach (var blob in Directory.EnumerateFiles(PathOf(".takt/store"), "*", SearchOption.AllDirectories).Where(file => !file.EndsWith(".lock", StringComparison.Ordinal))) Assert.DoesNotContain("a@example.org", File.ReadAllText(blob));
        var e = await Assert.ThrowsAsync<TaktException>(() => Collect(new CollectRequest("people2", ["p.csv"], "") { Mask = new Dictionary<string, string> { ["mail"] = "drop" } }));
        Assert.Contains("no column 'mail' in p.csv to be masked", e.Message);
        var no = await Assert.ThrowsAsync<TaktException>(() => Collect(new CollectRequest("people3", ["p.csv"], "") { Mask = new Dictionary<string, string> { ["email"] = "hash" }, MaskKey = "NOT_THERE" }));
        Assert.Contains("TAKT_SECRET_NOT_THERE", no.Message);
    }

    [Fact]
    public async Task Predictions_come_with_their_labels_also_with_late_ones()
    {
        var log = App.Predictions.Of("churn");
        var start = new DateTimeOffset(2001, 1, 1, 0, 0, 0, TimeSpan.Zero);
        PredictionBatch Batch(string id, int hour) => new(id, start.AddHours(hour), start.AddHours(hour), 1, "churn@1", TimeSpan.FromMilliseconds(1),
            new Table([Column.Of("age", new long[] { 30 + hour })]), new Table([Column.Of("score", new[] { 0.5 })]), "");
        await log.Append(Batch("p-1", 1));
        await log.Append(Batch("p-2", 2));
        await log.Append([new Label("p-1:0", 1, start.AddHours(3))]);
        var request = new CollectRequest("replay", ["predictions:churn"], "") { Key = ["id"], Late = TimeSpan.FromDays(7) };
        Assert.Equal(1, (await Collect(request)).Commit.Rows);
        Assert.False((await Collect(request)).IsNew);
        await log.Append([new Label("p-2:0", 0, start.AddHours(30)), new Label("p-1:0", 0, start.AddHours(31))]);
        await Collect(request);
        var table = await Rows("select id, age, label from replay order by id");
        Assert.Equal((2, "31", "0"), (table.Rows, table["age"].TextAt(0), table["label"].TextAt(0))); // the corrected label has taken the place of the first
    }

    [Fact]
    public void Faults_of_an_entry_are_named_at_their_place()
    {
        File.WriteAllText(PathOf("takt.yaml"), """
            takt: 1
            project: p
            secrets: [PG]
            data:
              a: { source: "pg:${secrets.PG}", path: data/a/ }
              b: { source: in/*.csv, path: data/b/, query: x.sql, key: [id], refresh: "0 3 * * *" }
              c: { source: "sqlite:x.db", table: t, path: data/c.xlsx, refresh: sometimes, mask: { x: scramble, y: hash } }
              d: { source: ["https://a/x.csv", "https://b/y.csv"], path: data/d/, max-size: huge, schema: sane }
              e: { source: "pg:${secrets.PGG}", table: t, path: data/e/, curser: at }
            """);
        var faults = Assert.Throws<TaktException>(() => Project.Load(App.Folder, App.Steps)).Faults;
        void Has(int line, string part) => Assert.Contains(faults, f => f.StartsWith($"takt.yaml:{line}:", StringComparison.Ordinal) && f.Contains(part));
        Has(5, "needs either query:");
        Has(6, "query means nothing for files; it is for pg:, sqlite:");
        Has(6, "key is for sources of rows");
        Has(6, "refresh is for sources elsewhere");
        Has(7, "must end with /");
        Has(7, "is no schedule");
        Has(7, "'scramble' is no mask for x");
        Has(7, "hash needs mask-key");
        Has(8, "only files may be several");
        Has(8, "not a size");
        Has(8, "did you mean 'same'");
        Has(9, "did you mean 'PG'");
        Has(9, "did you mean 'cursor'");
    }

    [Theory]
    [InlineData("\ufeffid,x\n1,a\n", 1, "a")]
    [InlineData("id,x\r\n1,a\r\n2,b\r\n", 2, "a")]
    [InlineData("id,x\n1,\"a\nb,\"\"c\"\"\"\n", 1, "a\nb,\"c\"")]
    public async Task Byte_order_marks_line_ends_and_quoted_newlines_are_read(string csv, long rows, string first)
    {
        File.WriteAllText(PathOf("odd.csv"), csv);
        Assert.Equal(rows, (await Collect(new CollectRequest("odd", ["odd.csv"], "") { Expect = new Expectations { Columns = [new("id") { Type = ColumnType.Integer }] } })).Commit.Rows);
        Assert.Equal(first, (await Rows("select x from odd order by id"))["x"].TextAt(0));
    }

    [Theory]
    [InlineData("latin.csv", new byte[] { (byte)'x', (byte)'\n', 0xE9, 0x80, (byte)'\n' })]
    [InlineData("cut.csv.gz", new byte[] { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b })]
    [InlineData("cut.parquet", new byte[] { (byte)'P', (byte)'A', (byte)'R', (byte)'1', 0, 1, 2 })]
    public async Task A_file_in_another_encoding_or_cut_off_is_one_line_that_names_it(string name, byte[] content)
    {
        File.WriteAllBytes(PathOf(name), content);
        var e = await Assert.ThrowsAsync<TaktException>(() => Collect(new CollectRequest("odd", [name], "")));
        Assert.Contains(name, e.Message);
        Assert.DoesNotContain('\n', e.Message);
        Assert.Null(App.Datasets.Tip("odd"));
    }
}
