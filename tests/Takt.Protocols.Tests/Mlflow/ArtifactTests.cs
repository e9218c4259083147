using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;

namespace Takt.Protocols.Tests.Mlflow;

public sealed class ArtifactTests
{
    const string Artifacts = "/api/2.0/mlflow-artifacts/artifacts";

    [Fact]
    public async Task A_file_comes_back_whole_and_in_ranges_as_a_download_that_no_browser_runs()
    {
        await using var server = await MlflowServer.Start();
        var bytes = new byte[300_000];
        new Random(1).NextBytes(bytes);
        using var put = await server.Client.PutAsync(Artifacts + "/a/b/page.html", new ByteArrayContent(bytes));
        Assert.Equal("{}", await put.Content.ReadAsStringAsync());
        using var all = await server.Client.GetAsync(Artifacts + "/a/b/page.html");
        Assert.Equal(bytes, await all.Content.ReadAsByteArrayAsync());
        Assert.Equal(("attachment", "nosniff"), (all.Content.Headers.ContentDisposition!.DispositionType, all.Headers.GetValues("X-Content-Type-Options").Single()));
        using var request = new HttpRequestMessage(HttpMethod.Get, Artifacts + "/a/b/page.html");
        request.Headers.Range = new RangeHeaderValue(1000, 1999);
        using var part = await server.Client.SendAsync(request);
        Assert.Equal(206, (int)part.StatusCode);
        Assert.Equal(bytes[1000..2000], await part.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task Folders_are_listed_one_level_at_a_time_and_deleted_whole()
    {
        await using var server = await MlflowServer.Start();
        foreach (var name in (string[])["x/a.txt", "x/sub/b.txt", "x/sub/deep/c.txt", "xy/d.txt", "x/naïve 😀.txt"])
            Assert.Equal(200, (await server.Send("PUT", $"{Artifacts}/{Uri.EscapeDataString(name).Replace("%2F", "/")}", name)).Status);
        async Task<string> List(string path) => string.Join(" ", (JsonNode.Parse((await server.Send("GET", $"{Artifacts}?path={path}")).Body)!["files"]?.AsArray() ?? []).Select(f => $"{f!["path"]}:{f["is_dir"]}"));
        Assert.Equal("x:true xy:true", await List(""));
        Assert.Equal("a.txt:false naïve 😀.txt:false sub:true", await List("x"));
        Assert.Equal("b.txt:false deep:true", await List("x/sub"));
        Assert.Equal("b.txt:false deep:true", await List("./x/./sub/.")); // as log_text("./…") asks
        Assert.Equal(200, (await server.Send("DELETE", Artifacts + "/x/sub")).Status);
        Assert.Equal("a.txt:false naïve 😀.txt:false", await List("x"));
        Assert.Equal("d.txt:false", await List("xy"));
        Assert.Equal(404, (await server.Send("GET", Artifacts + "/x/sub/b.txt")).Status);
    }

    [Theory]
    [InlineData("/../../etc/passwd")]
    [InlineData("/%2e%2e/%2e%2e/etc/passwd")]
    [InlineData("/a/%252e%252e/b")]
    [InlineData("/a/%25252e%25252e/b")]
    [InlineData("/a/..%2fb")]
    [InlineData("/a/..%5cb")]
    [InlineData("/%2fetc/passwd")]
    [InlineData("/a/%00/b")]
    [InlineData("/a%23b")]
    [InlineData("/file:///etc/passwd")]
    public async Task Every_way_out_is_refused_as_it_was_sent(string path)
    {
        await using var server = await MlflowServer.Start();
        foreach (var method in (string[])["GET", "PUT", "DELETE"])
        {
            // HttpClient would tidy the path before it is sent
            using var socket = new TcpClient();
            await socket.ConnectAsync(server.Client.BaseAddress!.Host, server.Client.BaseAddress.Port);
            await using var stream = socket.GetStream();
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"{method} {Artifacts}{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
            var answer = await new StreamReader(stream).ReadToEndAsync();
            Assert.StartsWith("HTTP/1.1 400", answer);
        }
    }

    [Fact]
    public async Task Artifacts_of_runs_are_served_to_browsers_and_taken_from_them()
    {
        await using var server = await MlflowServer.Start();
        var run = (string)JsonNode.Parse((await server.Send("POST", "/api/2.0/mlflow/runs/create", """{"experiment_id":"0"}""")).Body)!["run"]!["info"]!["run_id"]!;
        Assert.Equal(200, (await server.Send("POST", $"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path=in/a.txt", "hello")).Status);
        Assert.Equal((200, "hello"), await server.Send("GET", $"/get-artifact?run_uuid={run}&path=in/a.txt"));
        Assert.Contains("in/a.txt", (await server.Send("GET", $"/api/2.0/mlflow/artifacts/list?run_id={run}&path=in")).Body);
        Assert.Equal("in/a.txt", server.App.Runs.Get(new RunId(run)).Artifacts.Single().Path);
        Assert.Contains("Request must specify path.", (await server.Send("POST", $"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}", "x")).Body);
        Assert.Equal(501, (await server.Send("GET", $"/api/2.0/mlflow-artifacts/presigned/0/{run}/artifacts/in/a.txt")).Status);
    }

    [Theory]
    [InlineData("/model-versions/get-artifact?name=none&version=1&path=../x")]
    [InlineData("//model-versions/get-artifact?name=none&version=1&path=../x")]
    public async Task A_way_out_is_told_as_such_also_below_what_is_not_there(string path)
    {
        await using var server = await MlflowServer.Start();
        var (status, body) = await server.Send("GET", path);
        Assert.Equal(400, status);
        Assert.Contains("Invalid path", body);
    }

    [Fact]
    public async Task A_workspace_sees_its_own_tree_only()
    {
        await using var server = await MlflowServer.Start();
        Assert.Equal(201, (await server.Send("POST", "/api/3.0/mlflow/workspaces", """{"name":"team-a"}""")).Status);
        Assert.Equal(200, (await server.Send("PUT", Artifacts + "/a.txt", "theirs", "team-a")).Status);
        Assert.Equal((200, "theirs"), await server.Send("GET", Artifacts + "/a.txt", workspace: "team-a"));
        Assert.Equal((200, "theirs"), await server.Send("GET", Artifacts + "/workspaces/team-a/a.txt", workspace: "team-a"));
        Assert.Equal(404, (await server.Send("GET", Artifacts + "/a.txt")).Status);
        Assert.Equal(400, (await server.Send("GET", Artifacts + "/workspaces/team-a/a.txt")).Status);
        Assert.Equal("{}", (await server.Send("GET", Artifacts)).Body);
    }
}
