using System.Formats.Tar;
using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Data.Sqlite;
using Takt.Data;
using Takt.Deployments;
using Takt.Pipelines;
using Takt.Server;

namespace Takt.Tests.Data;

/// <summary>Sources of every kind that needs no other server than the test's own; PostgreSQL and S3 are in Takt.Storage.Tests.</summary>
public sealed class CollectorTests : IAsyncDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;
    readonly TaktApp _app;

    public CollectorTests() => _app = TaktApp.Open(new TaktFolder(_folder, Path.Combine(_folder, ".takt")));

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    string PathOf(string name) => Path.Combine(_folder, name);

    Task<Committed> Collect(CollectRequest request) => _app.Collector.Collect(request with { Folder = _folder });

    async Task<Table> Rows(string sql) => await new DatasetQuery(_app.Datasets).Table(sql, 1000);

    // SQLite

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
        await _app.Datasets.Reset(first.Commit.Reference);
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
        var before = _app.Datasets.Tip("orders")!.Cursor;
        await Collect(request with { Range = ("2000-01-01", "2000-02-01") });
        Assert.Equal(4, _app.Datasets.Tip("orders")!.Rows);
        Assert.Equal(before, _app.Datasets.Tip("orders")!.Cursor);
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
        Assert.Equal(1, _app.Datasets.Tip("orders")!.Rows);
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

    // masks

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

    // archives

    [Theory]
    [InlineData("a.zip")]
    [InlineData("a.tar")]
    [InlineData("a.tar.gz")]
    public async Task Archives_are_unpacked(string name)
    {
        Archive(name, ("x/1.csv", "x\n1\n"), ("./x/2.csv", "x\n2\n"), ("readme.txt", "no"));
        var collected = await Collect(new CollectRequest("a", [name], "") { Unpack = "*.csv" });
        Assert.Equal((2, 2), (collected.Commit.Files, collected.Commit.Rows));
        Assert.Equal(["a/x/1.csv", "a/x/2.csv"], (await _app.Datasets.Tree(collected.Commit)).Files.Select(f => f.Path));
    }

    [Theory]
    [InlineData("a.zip", "../evil.csv")]
    [InlineData("a.zip", "/evil.csv")]
    [InlineData("a.zip", "x/../../evil.csv")]
    [InlineData("a.zip", "x\\..\\evil.csv")]
    [InlineData("a.tar", "../evil.csv")]
    [InlineData("a.tar.gz", "x/../../../evil.csv")]
    public async Task An_entry_that_would_leave_the_folder_is_refused(string name, string entry)
    {
        Archive(name, (entry, "x\n1\n"));
        var e = await Assert.ThrowsAsync<TaktException>(() => Collect(new CollectRequest("a", [name], "") { Unpack = "true" }));
        Assert.Contains("would leave its folder", e.Message);
        Assert.Empty(Directory.EnumerateFiles(_folder, "evil*", SearchOption.AllDirectories));
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

    // the web: a server of raw sockets, which can lie

    [Fact]
    public async Task A_file_of_the_web_is_fetched_when_it_has_changed()
    {
        var (etag, body, asked) = ("\"1\"", "x\n1\n", new List<string>());
        using var server = new RawServer((request, _) =>
        {
            asked.Add(request);
            return request.Contains($"If-None-Match: {etag}") ? "HTTP/1.1 304 Not Modified\r\n\r\n" : $"HTTP/1.1 200 OK\r\nETag: {etag}\r\nContent-Length: {body.Length}\r\n\r\n{body}";
        });
        var request = new CollectRequest("web", [$"{server.Url}/data/x.csv"], "");
        Assert.True((await Collect(request)).IsNew);
        Assert.False((await Collect(request)).IsNew);
        Assert.Contains("If-None-Match: \"1\"", asked[^1]);
        (etag, body) = ("\"2\"", "x\n1\n2\n");
        Assert.Equal(2, (await Collect(request)).Commit.Rows);
        Assert.Equal("x.csv", (await _app.Datasets.Tree(_app.Datasets.Tip("web")!)).Files.Single().Path);
    }

    [Fact]
    public async Task A_transfer_that_was_cut_goes_on_where_it_ended()
    {
        var body = "x\n" + string.Concat(Enumerable.Range(0, 5000).Select(i => $"{i}\n"));
        var ranges = new List<string>();
        using var server = new RawServer((request, n) =>
        {
            if (n == 0) return $"HTTP/1.1 200 OK\r\nETag: \"v\"\r\nContent-Length: {body.Length}\r\n\r\n{body[..9000]}";
            var from = int.Parse(request.Split("Range: bytes=")[1].Split('-')[0]);
            ranges.Add(request.Contains("If-Range: \"v\"") ? $"{from}" : "no If-Range");
            return $"HTTP/1.1 206 Partial Content\r\nETag: \"v\"\r\nContent-Range: bytes {from}-{body.Length - 1}/{body.Length}\r\nContent-Length: {body.Length - from}\r\n\r\n{body[from..]}";
        });
        Assert.Equal(5000, (await Collect(new CollectRequest("web", [$"{server.Url}/x.csv"], "") { Settings = Checksum(body) })).Commit.Rows);
        Assert.True(int.Parse(Assert.Single(ranges)) > 0);
    }

    static Dictionary<string, string> Checksum(string body) => new() { ["sha256"] = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(body))) };

    [Fact]
    public async Task A_file_that_changes_while_it_is_resumed_is_fetched_from_the_beginning()
    {
        var fresh = "x\n9\n";
        using var server = new RawServer((_, n) => n == 0 ? "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: 500\r\n\r\nx\n1\n2\n3\n4\n5\n" : $"HTTP/1.1 200 OK\r\nETag: \"b\"\r\nContent-Length: {fresh.Length}\r\n\r\n{fresh}");
        Assert.Equal(1, (await Collect(new CollectRequest("web", [$"{server.Url}/x.csv"], ""))).Commit.Rows);
    }

    [Theory]
    [InlineData("HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", "redirects to a file: address")]
    [InlineData("HTTP/1.1 302 Found\r\nLocation: /x.csv\r\nContent-Length: 0\r\n\r\n", "redirects more than 5 times")]
    [InlineData("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "there is no such file")]
    [InlineData("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "refused access")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\nx", "is larger than")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nx\n2\n", "the file's SHA-256 is")]
    public async Task What_a_server_may_not_do_is_refused_at_once(string answer, string message)
    {
        using var server = new RawServer((_, _) => answer);
        var e = await Assert.ThrowsAsync<TaktException>(() => Collect(new CollectRequest("web", [$"{server.Url}/x.csv"], "") { Settings = Checksum("something else") }));
        Assert.Contains(message, e.Message);
        Assert.Null(_app.Datasets.Tip("web"));
    }

    [Fact]
    public async Task A_server_that_stays_busy_or_is_gone_is_told_without_the_secret()
    {
        Environment.SetEnvironmentVariable("TAKT_SECRET_TEST_TOKEN", "hush-hush");
        var asked = 0;
        using var server = new RawServer((_, n) => { asked = n + 1; return "HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"; });
        var e = await Assert.ThrowsAsync<TaktException>(() => Collect(new CollectRequest("web", [$"{server.Url}/${{secrets.TEST_TOKEN}}/x.csv"], "")));
        Assert.Equal((TaktError.Unavailable, 4), (e.Error, asked));
        Assert.Contains("${secrets.TEST_TOKEN}", e.Message);
        Assert.DoesNotContain("hush", e.ToString().Split("---")[0]);
    }

    [Fact]
    public async Task A_redirect_to_another_host_does_not_get_the_header()
    {
        Environment.SetEnvironmentVariable("TAKT_SECRET_TEST_TOKEN", "hush-hush");
        var heard = new List<string>();
        using var other = new RawServer((request, _) => { heard.Add(request); return "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nx\n1\n"; });
        using var first = new RawServer((request, _) => { heard.Add(request); return $"HTTP/1.1 307 Elsewhere\r\nLocation: {other.Url}/y.csv\r\nContent-Length: 0\r\n\r\n"; });
        await Collect(new CollectRequest("web", [$"{first.Url}/x.csv"], "") { Settings = new Dictionary<string, string> { ["header"] = "Authorization: Bearer ${secrets.TEST_TOKEN}" } });
        Assert.Contains("Authorization: Bearer hush-hush", heard[0]);
        Assert.DoesNotContain("hush", heard[1]);
    }

    // our own predictions

    [Fact]
    public async Task Predictions_come_with_their_labels_also_with_late_ones()
    {
        var log = _app.Predictions.Of("churn");
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

    // the project file

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
        var faults = Assert.Throws<TaktException>(() => Project.Load(_app.Folder, _app.Steps)).Faults;
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

    // odd files

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
        Assert.Null(_app.Datasets.Tip("odd"));
    }

    /// <summary>Answers whatever it is told to, then hangs up.</summary>
    sealed class RawServer : IDisposable
    {
        readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        readonly Func<string, int, string> _answer;
        int _requests = -1;

        public RawServer(Func<string, int, string> answer)
        {
            _answer = answer;
            _listener.Start();
            _ = Serve();
        }

        public string Url => $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

        async Task Serve()
        {
            try
            {
                while (true)
                {
                    using var client = await _listener.AcceptTcpClientAsync();
                    await using var stream = client.GetStream();
                    var (buffer, text) = (new byte[8192], "");
                    while (!text.Contains("\r\n\r\n"))
                    {
                        var read = await stream.ReadAsync(buffer);
                        if (read == 0) break;
                        text += Encoding.ASCII.GetString(buffer, 0, read);
                    }
                    if (text.Length == 0) continue;
                    var answer = _answer(text, ++_requests).Replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
                    await stream.WriteAsync(Encoding.ASCII.GetBytes(answer));
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException or IOException)
            {
                // the test is over
            }
        }

        public void Dispose() => _listener.Stop();
    }
}
