using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Takt.Data;
using Takt.Protocols.Tests.Mlflow;

namespace Takt.Protocols.Tests.GitLfs;

/// <summary>Debian's git-lfs against a real server, and what no client of good will sends.</summary>
public sealed class GitLfsTests : IAsyncLifetime
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-lfs").FullName;
    MlflowServer _server = null!;

    string Lfs => $"{_server.Client.BaseAddress}lfs/team";

    public async ValueTask InitializeAsync() => _server = await MlflowServer.Start();

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        foreach (var file in Directory.EnumerateFiles(_folder, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 }))
            if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task An_unmodified_client_pushes_clones_and_locks()
    {
        await Git(".", "init -q --bare origin.git");
        await Git(".", "lfs install --skip-repo");
        await Git(".", "init -q a");
        await Git("a", "remote add origin ../origin.git");
        await Git("a", $"config -f .lfsconfig lfs.url {Lfs}");
        await Git("a", "lfs track --lockable *.bin");
        var big = Noise(3_000_000, 1);
        Write("a/big.bin", big);
        Write("a/ünïcode name.bin", Noise(100, 2));
        await Git("a", "add -A");
        await Git("a", "commit -q -m one");
        await Git("a", "push -q origin HEAD:refs/heads/main");
        await Git("origin.git", "symbolic-ref HEAD refs/heads/main");

        // what was pushed is Takt's: by its id, kept from gc
        Assert.Equal(3_000_000, await _server.App.Blobs.Length(Digest.Of(big)));
        Assert.Empty((await new GarbageCollection(_server.App.Database, _server.App.Blobs, TimeProvider.System).Plan(TimeSpan.Zero, TimeSpan.Zero)).Steps);

        await Git(".", "clone -q origin.git b");
        Assert.Equal(big, await File.ReadAllBytesAsync(Path.Combine(_folder, "b/big.bin")));
        Assert.Equal(Noise(100, 2), await File.ReadAllBytesAsync(Path.Combine(_folder, "b/ünïcode name.bin")));

        // one who gives a name and one who gives none
        await Git("b", $"config http.extraHeader \"Authorization: Basic {Convert.ToBase64String("bob:"u8)}\"");
        foreach (var clone in (string[])["a", "b"]) await Git(clone, "config lfs.locksverify true");
        await Git("b", "lfs lock big.bin");
        Assert.Contains("bob", await Git("a", "lfs locks"));
        Assert.Contains("bob", await Fails("a", "lfs lock big.bin"));
        Write("a/big.bin", Noise(3_000_001, 3));
        await Git("a", "commit -q -a -m two");
        Assert.Contains("big.bin", await Fails("a", "push -q origin HEAD:refs/heads/main"));
        Assert.Contains("locked by bob", await Fails("a", "lfs unlock --id=" + await Lock("big.bin")));
        await Git("b", "lfs unlock big.bin");
        Assert.DoesNotContain("bob", await Git("a", "lfs locks"));
        await Git("a", "push -q origin HEAD:refs/heads/main");
        await Git("b", "pull -q");
        Assert.Equal(Noise(3_000_001, 3), await File.ReadAllBytesAsync(Path.Combine(_folder, "b/big.bin")));
        await Git("b", "lfs fsck");
    }

    [Fact]
    public async Task A_server_is_found_below_the_address_of_a_git_remote_too()
    {
        var (status, body) = await _server.Send("POST", "/lfs/team.git/info/lfs/objects/batch", """{"operation":"download","objects":[]}""");
        Assert.Equal((200, """{"transfer":"basic","objects":[],"hash_algo":"sha256"}"""), (status, body));
    }

    [Fact]
    public async Task A_batch_tells_of_each_object_what_to_do_or_why_not()
    {
        var (here, other) = (Noise(1000, 1), Noise(1000, 2));
        await _server.App.Blobs.Put(new MemoryStream(here));
        var batch = $$"""{"operation":"OP","transfers":["lfs-standalone-file","basic"],"ref":null,"objects":[{"oid":"{{Oid(here)}}","size":1000},{"oid":"{{Oid(here)}}","size":999},{"oid":"{{Oid(other)}}","size":1000},{"oid":"xyz","size":1},{"oid":"{{Oid(other)}}"}]}""";
        var download = await Answer("/objects/batch", batch.Replace("OP", "download"));
        Assert.Equal([0, 422, 404, 422, 422], Codes(download));
        Assert.Equal($"{Lfs}/objects/{Oid(here)}", (string?)download["objects"]![0]!["actions"]!["download"]!["href"]);
        var upload = await Answer("/objects/batch", batch.Replace("OP", "upload"));
        Assert.Equal([0, 422, 0, 422, 422], Codes(upload));
        Assert.Null(upload["objects"]![0]!["actions"]); // it is here: nothing to send
        Assert.Equal($"{Lfs}/verify", (string?)upload["objects"]![2]!["actions"]!["verify"]!["href"]);
        Assert.Equal(404, (await Post("/verify", $$"""{"oid":"{{Oid(other)}}","size":1000}""")).Status);
        Assert.Equal(200, (await Put((string)upload["objects"]![2]!["actions"]!["upload"]!["href"]!, other)).Status);
        Assert.Equal(200, (await Post("/verify", $$"""{"oid":"{{Oid(other)}}","size":1000}""")).Status);
        Assert.Equal(422, (await Post("/verify", $$"""{"oid":"{{Oid(other)}}","size":1001}""")).Status);

        static int[] Codes(JsonNode answer) => [.. answer["objects"]!.AsArray().Select(one => (int?)one!["error"]?["code"] ?? 0)];
    }

    [Fact]
    public async Task What_is_not_what_its_id_says_is_refused_and_not_kept()
    {
        var (right, wrong) = (Noise(100_000, 1), Noise(100_000, 2));
        var at = $"{Lfs}/objects/{Oid(right)}";
        var (status, message) = await Put(at, wrong);
        Assert.Equal(422, status);
        Assert.Contains(Oid(wrong), message);
        Assert.Equal(422, (await Put(at + "?size=100000", right[..50_000])).Status);
        Assert.Equal(422, (await Put(at + "?size=50000", new StreamContent(new Endless(1_000_000)))).Status); // of unknown length: stopped where it goes beyond
        Assert.Equal(422, (await Put(at + "?size=x", right)).Status);
        Assert.Equal(422, (await Put($"{Lfs}/objects/short", right)).Status);
        foreach (var content in (byte[][])[right, wrong]) Assert.Null(await _server.App.Blobs.Length(Digest.Of(content)));
        Assert.Equal(200, (await Put(at + "?size=100000", right)).Status);
        Assert.Equal(200, (await Put(at, right)).Status); // again
        Assert.Equal(200, (await Put($"{Lfs}/objects/{Oid([])}?size=0", [])).Status);
    }

    [Fact]
    public async Task A_download_can_be_taken_up_where_it_broke_off()
    {
        var content = Noise(300_000, 1);
        await Put($"{Lfs}/objects/{Oid(content)}", content);
        using var request = new HttpRequestMessage(HttpMethod.Get, $"{Lfs}/objects/{Oid(content)}") { Headers = { Range = new RangeHeaderValue(200_000, null) } };
        using var answer = await _server.Client.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.PartialContent, answer.StatusCode);
        Assert.Equal("bytes 200000-299999/300000", answer.Content.Headers.ContentRange!.ToString());
        Assert.Equal(content[200_000..], await answer.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken));
        var (status, body) = await _server.Send("GET", $"/lfs/team/objects/{new string('0', 64)}");
        Assert.Equal(404, status);
        Assert.NotNull(JsonNode.Parse(body)!["message"]);
    }

    [Fact]
    public async Task Locks_are_listed_page_by_page_and_belong_to_their_repository()
    {
        for (var i = 0; i < 5; i++) Assert.Equal(201, (await Post("/locks", $$$"""{"path":"f{{{i}}}.bin","ref":{"name":"refs/heads/main"}}""")).Status);
        var (status, body) = await Post("/locks", """{"path":"f0.bin"}""");
        Assert.Equal(409, status);
        Assert.Equal("f0.bin", (string?)JsonNode.Parse(body)!["lock"]!["path"]);
        var paths = new List<string>();
        for (string? cursor = ""; cursor is not null;)
        {
            var page = JsonNode.Parse((await _server.Send("GET", $"/lfs/team/locks?limit=2&cursor={cursor}")).Body)!;
            paths.AddRange(page["locks"]!.AsArray().Select(one => (string)one!["path"]!));
            cursor = (string?)page["next_cursor"];
        }
        Assert.Equal(["f0.bin", "f1.bin", "f2.bin", "f3.bin", "f4.bin"], paths);
        Assert.Equal("""{"locks":[]}""", (await _server.Send("GET", "/lfs/others/locks")).Body);
        var verified = JsonNode.Parse((await Post("/locks/verify", """{"limit":3}""")).Body)!;
        Assert.Equal((3, 0, "f2.bin"), (verified["ours"]!.AsArray().Count, verified["theirs"]!.AsArray().Count, (string?)verified["next_cursor"]));
        Assert.Equal(404, (await Post("/locks/nope/unlock", "{}")).Status);
        foreach (var bad in (string[])["", "/etc/passwd", "../x", "a//b", "a\\u0000b"]) Assert.Equal(422, (await Post("/locks", $$"""{"path":"{{bad}}"}""")).Status);
    }

    [Theory]
    [InlineData("/objects/batch", "not json", 400)]
    [InlineData("/objects/batch", "[]", 400)]
    [InlineData("/objects/batch", "{}", 422)]
    [InlineData("/objects/batch", """{"operation":"delete","objects":[]}""", 422)]
    [InlineData("/objects/batch", """{"operation":"upload","objects":{}}""", 422)]
    [InlineData("/objects/batch", """{"operation":"upload","transfers":["tus"],"objects":[]}""", 422)]
    [InlineData("/objects/batch", """{"operation":"upload","hash_algo":"sha512","objects":[]}""", 409)]
    [InlineData("/objects/batch", """{"operation":"upload","operation":"download","objects":[]}""", 422)]
    [InlineData("/verify", """{"oid":1,"size":"x"}""", 422)]
    [InlineData("/locks", """{"path":7}""", 422)]
    public async Task Bad_requests_are_told_in_the_clients_own_form(string path, string json, int expected)
    {
        var (status, body) = await Post(path, json);
        Assert.Equal(expected, status);
        Assert.NotEmpty((string)JsonNode.Parse(body)!["message"]!);
    }

    static byte[] Noise(int length, int seed)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    static string Oid(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content));

    void Write(string path, byte[] content)
    {
        var file = Path.Combine(_folder, path);
        if (File.Exists(file) && !OperatingSystem.IsWindows()) File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite); // lockable files are read-only
        File.WriteAllBytes(file, content);
    }

    Task<(int Status, string Body)> Post(string path, string json) => _server.Send("POST", "/lfs/team" + path, json);

    async Task<JsonNode> Answer(string path, string json)
    {
        var (status, body) = await Post(path, json);
        Assert.True(status == 200, body);
        return JsonNode.Parse(body)!;
    }

    Task<(int Status, string Body)> Put(string address, byte[] content) => Put(address, new ByteArrayContent(content));

    async Task<(int Status, string Body)> Put(string address, HttpContent content)
    {
        using var answer = await _server.Client.PutAsync(address, content, TestContext.Current.CancellationToken);
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    async Task<string> Lock(string path) => (string)JsonNode.Parse((await _server.Send("GET", $"/lfs/team/locks?path={path}")).Body)!["locks"]![0]!["id"]!;

    async Task<string> Git(string folder, string arguments)
    {
        var (code, output) = await Run(folder, arguments);
        Assert.True(code == 0, $"git {arguments}: {output}");
        return output;
    }

    async Task<string> Fails(string folder, string arguments)
    {
        var (code, output) = await Run(folder, arguments);
        Assert.True(code != 0, $"git {arguments} should have failed: {output}");
        return output;
    }

    async Task<(int Code, string Output)> Run(string folder, string arguments)
    {
        var start = new ProcessStartInfo("git", arguments) { WorkingDirectory = Path.Combine(_folder, folder), RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (var (name, value) in (ReadOnlySpan<(string, string)>)[("HOME", _folder), ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_TERMINAL_PROMPT", "0"), ("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@example.com"), ("GIT_COMMITTER_NAME", "a"), ("GIT_COMMITTER_EMAIL", "a@example.com")])
            start.Environment[name] = value;
        start.Environment.Remove("XDG_CONFIG_HOME");
        using var git = Process.Start(start)!;
        git.StandardInput.Close();
        var (output, complaint) = (git.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken), git.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken));
        await git.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (git.ExitCode, await output + await complaint);
    }
}
