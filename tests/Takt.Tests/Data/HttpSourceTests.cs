using System.Security.Cryptography;
using System.Text;
using Takt.Data;

namespace Takt.Tests.Data;

/// <summary>The web as a source, over a server of raw sockets, which can lie.</summary>
public sealed class HttpSourceTests : CollectingTests
{
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
        Assert.Contains("no ranges", (await Assert.ThrowsAsync<TaktException>(() => Collect(request with { Range = ("2001-01-01", null) }))).Message);
        (etag, body) = ("\"2\"", "x\n1\n2\n");
        Assert.Equal(2, (await Collect(request)).Commit.Rows);
        Assert.Equal("x.csv", (await App.Datasets.Tree(App.Datasets.Tip("web")!)).Files.Single().Path);
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
        Assert.Null(App.Datasets.Tip("web"));
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
}
