using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Npgsql;
using Takt.Data;
using Takt.Storage.FileSystem;
using Takt.Storage.PostgreSql;
using Takt.Storage.S3;
using Takt.Storage.Sqlite;
using Takt.Tests.Services;

namespace Takt.Storage.Tests;

/// <summary>Collecting from a real PostgreSQL and a real S3 service.</summary>
public sealed class SourcesTests : IAsyncDisposable
{
    const string Bucket = "takt-sources";

    static int s_prefixes;

    readonly PostgreSqlServer _server;
    readonly S3Gateway _gateway;
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;
    readonly Database _database;
    readonly Datasets _datasets;

    public SourcesTests(PostgreSqlServer server, S3Gateway gateway)
    {
        (_server, _gateway) = (server, gateway);
        _database = SqliteFile.Open(Path.Combine(_folder, "takt.db"));
        var blobs = new FolderBlobStore(Path.Combine(_folder, "store"));
        _datasets = new Datasets(_database, blobs, TimeProvider.System, blobs.Scratch);
    }

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    async Task<(string Address, Func<string, Task> Execute)> Schema()
    {
        var address = await _server.NewSchema();
        var settings = PostgreSqlAddress.Parse(address);
        var source = NpgsqlDataSource.Create(settings);
        async Task Execute(string sql)
        {
            await using var command = source.CreateCommand(sql);
            await command.ExecuteNonQueryAsync();
        }
        await Execute($"create schema {settings.SearchPath}");
        return ($"pg:{address}", Execute);
    }

    Collector PostgreSql => new(_datasets, [new PostgreSqlSource(), new FileSource()]);

    static CollectRequest Orders(string address, params string[] key) =>
        new("orders", [address], "") { Settings = new Dictionary<string, string> { ["query"] = "select * from orders where id > 0;", ["cursor"] = "at" }, Key = key };

    [Fact]
    public async Task Rows_of_PostgreSQL_come_behind_the_cursor_to_the_microsecond_with_their_types()
    {
        var (address, execute) = await Schema();
        await execute("""
            create table orders(id int, at timestamptz, day date, price numeric(10,2), tags text[], doc jsonb, ok boolean, u uuid, b bytea);
            insert into orders values(1, '2001-01-01 00:00:00.000001+00', '2001-01-01', 1.25, '{a,b}', '{"k": 1}', true, '00000000-0000-0000-0000-000000000001', '\x01'), (2, '2001-01-01 00:00:00.000002+00', null, null, null, null, null, null, null)
            """);
        var first = await PostgreSql.Collect(Orders(address));
        Assert.Equal(2, first.Commit.Rows);
        Assert.False((await PostgreSql.Collect(Orders(address))).IsNew);
        await execute("insert into orders(id, at) values(3, '2001-01-01 00:00:00.000003+00')");
        Assert.Equal((3, 2), (await PostgreSql.Collect(Orders(address))).Commit is var c ? (c.Rows, c.Files) : default);
        var table = await new DatasetQuery(_datasets).Table("select * from orders order by id", 10);
        Assert.Equal(("2001-01-01T00:00:00.000001Z", "1.25", "[\"a\",\"b\"]", "{\"k\": 1}"), (table["at"].TextAt(0), table["price"].TextAt(0), table["tags"].TextAt(0), table["doc"].TextAt(0)));
        await _datasets.Reset(first.Commit.Reference);
        Assert.Equal(3, (await PostgreSql.Collect(Orders(address))).Commit.Rows);
    }

    [Fact]
    public async Task Late_rows_and_changed_rows_of_PostgreSQL_are_found_in_the_window_and_a_backfill_fills_a_hole()
    {
        var (address, execute) = await Schema();
        await execute("create table orders(id int, at timestamp, price float); insert into orders values(1, '2001-01-05', 1), (2, '2001-01-06', 2)");
        var request = Orders(address, "id") with { Late = TimeSpan.FromDays(2) };
        await PostgreSql.Collect(request);
        await execute("insert into orders values(3, '2001-01-05', 3), (4, '1999-01-01', 4); update orders set price = 20 where id = 2");
        await PostgreSql.Collect(request);
        await PostgreSql.Collect(request with { Range = ("1999-01-01", "2000-01-01") });
        Assert.False((await PostgreSql.Collect(request)).IsNew);
        var table = await new DatasetQuery(_datasets).Table("select count(*) as n, sum(price) as s from orders", 10);
        Assert.Equal(("4", "28"), (table["n"].TextAt(0), table["s"].TextAt(0)));
    }

    [Fact]
    public async Task All_of_one_collect_is_of_one_moment()
    {
        var (address, execute) = await Schema();
        await execute("create table orders(id int, at int); insert into orders select i, i from generate_series(1, 20000) i");
        var writing = Task.Run(async () =>
        {
            for (var i = 0; i < 20; i++) await execute($"insert into orders select i, i from generate_series({20001 + (i * 100)}, {20100 + (i * 100)}) i");
        });
        var rows = (await PostgreSql.Collect(Orders(address))).Commit.Rows!.Value;
        await writing;
        Assert.Equal(0, (rows - 20000) % 100); // whole transactions of the writer, never a part of one
        await PostgreSql.Collect(Orders(address));
        var table = await new DatasetQuery(_datasets).Table("select count(*) as n, count(distinct id) as d from orders", 1);
        Assert.Equal(("22000", "22000"), (table["n"].TextAt(0), table["d"].TextAt(0)));
    }

    [Theory]
    [InlineData("select * from nothing", "nothing")]
    [InlineData("delete from orders returning *", "")]
    [InlineData("select id from orders) q; drop table orders; select * from (select 1", "")]
    [InlineData("select 1 as x, 2 as x", "two columns are named 'x'")]
    public async Task What_is_wrong_with_a_query_is_told_and_nothing_is_written(string query, string message)
    {
        var (address, execute) = await Schema();
        await execute("create table orders(id int); insert into orders values(1)");
        var e = await Assert.ThrowsAsync<TaktException>(() => PostgreSql.Collect(new CollectRequest("orders", [address], "") { Settings = new Dictionary<string, string> { ["query"] = query } }));
        Assert.Contains(message, e.Message);
        Assert.Equal(1, (await PostgreSql.Collect(new CollectRequest("again", [address], "") { Settings = new Dictionary<string, string> { ["table"] = "orders" } })).Commit.Rows);
    }

    [Fact]
    public async Task A_database_that_goes_away_in_the_middle_leaves_no_half_and_tells_no_secret()
    {
        var (address, execute) = await Schema();
        await execute("create table orders(id int); insert into orders select i from generate_series(1, 5) i");
        Environment.SetEnvironmentVariable("TAKT_SECRET_TEST_DSN", address[3..].Replace("postgres://takt@", "postgres://takt:takt-secret@"));
        var request = new CollectRequest("orders", ["pg:${secrets.TEST_DSN}"], "") { Settings = new Dictionary<string, string> { ["query"] = "select id, case when id = 4 then pg_terminate_backend(pg_backend_pid())::text end as x from orders" } };
        var e = await Assert.ThrowsAsync<TaktException>(() => PostgreSql.Collect(request));
        Assert.Equal(TaktError.Unavailable, e.Error);
        Assert.DoesNotContain("takt-secret", e.Message);
        Assert.Null(_datasets.Tip("orders"));
        Environment.SetEnvironmentVariable("TAKT_SECRET_TEST_DSN", "postgres://takt:takt-secret@127.0.0.1:1/none");
        var gone = await Assert.ThrowsAsync<TaktException>(() => PostgreSql.Collect(request));
        Assert.Equal(TaktError.Unavailable, gone.Error);
        Assert.DoesNotContain("takt-secret", gone.Message);
    }

    [Fact]
    public async Task Objects_of_S3_come_when_they_are_new_or_changed()
    {
        var (endpoint, access, secret) = await _gateway.Address;
        var keys = new BasicAWSCredentials(access, secret);
        var address = $"s3://{Bucket}/in {Interlocked.Increment(ref s_prefixes)}?endpoint={endpoint}";
        var place = S3Address.Parse(address);
        using var s3 = new AmazonS3Client(keys, place.Settings());
        await s3.PutBucketAsync(Bucket);
        async Task Put(string key, string content) => await s3.PutObjectAsync(new PutObjectRequest { BucketName = Bucket, Key = place.Prefix + key, ContentBody = content, UseChunkEncoding = false });
        var collector = new Collector(_datasets, [new S3Source(keys), new FileSource()]);
        var request = new CollectRequest("s3", [address], "") { Settings = new Dictionary<string, string> { ["select"] = "**/*.csv" } };

        await Put("2001/a.csv", "x\n1\n");
        await Put("notes.txt", "not data");
        Assert.Equal((1, 1), (await collector.Collect(request)).Commit is var c ? (c.Files, c.Rows) : default);
        Assert.False((await collector.Collect(request)).IsNew);
        await Put("2001/b.csv", "x\n2\n3\n");
        await Put("2001/a.csv", "x\n1\n11\n");
        var second = await collector.Collect(request);
        Assert.Equal((1, 1, 4), (second.Added, second.Changed, second.Commit.Rows));
        var e = await Assert.ThrowsAsync<TaktException>(() => collector.Collect(request with { Dataset = "other", Sources = [address.Replace(Bucket, "no-such-bucket")] }));
        Assert.Equal(TaktError.NotFound, e.Error);
        var large = await Assert.ThrowsAsync<TaktException>(() => collector.Collect(request with { Dataset = "large", MaxBytes = 5 }));
        Assert.Equal(TaktError.TooLarge, large.Error);
    }
}
