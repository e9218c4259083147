using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace Takt.Protocols.Tests.Mlflow;

/// <summary>Large artifacts in parts, asked for as MLflow 3.6's own client does (HttpArtifactRepository with MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD).</summary>
public sealed class MultipartTests
{
    const string Uploads = "/api/2.0/mlflow-artifacts/mpu", File = "/api/2.0/mlflow-artifacts/artifacts/0/r/artifacts/model/weights.bin";
    const string Place = "/0/r/artifacts/model";

    static readonly byte[][] Parts = [Bytes(1, 300_000), Bytes(2, 300_000), Bytes(3, 12_345)];

    [Fact]
    public async Task A_file_that_is_sent_in_parts_is_there_whole_once_it_is_completed_and_not_before()
    {
        await using var server = await MlflowServer.Start();
        var upload = await Create(server);
        Assert.Equal([1, 2, 3], upload["credentials"]!.AsArray().Select(c => (int)c!["part_number"]!));
        var id = (string)upload["upload_id"]!;
        var tags = new string[3];
        foreach (var part in new[] { 2, 0, 1 }) tags[part] = await Send(upload, part, Parts[part]); // in any order
        Assert.Equal(404, (await server.Send("GET", File)).Status);
        // a part that is sent again replaces the one that came before
        _ = await Send(upload, 1, Bytes(9, 5));
        Assert.Equal(tags[1], await Send(upload, 1, Parts[1]));
        Assert.Equal($"\"{Convert.ToHexStringLower(SHA256.HashData(Parts[1]))}\"", tags[1]);
        Assert.Equal((200, "{}"), await server.Send("POST", $"{Uploads}/complete{Place}", Completion(upload, tags)));
        Assert.Equal((200, "{}"), await server.Send("POST", $"{Uploads}/complete{Place}", Completion(upload, tags))); // its answer was lost, say
        using var whole = await server.Client.GetAsync(File);
        var bytes = await whole.Content.ReadAsByteArrayAsync();
        Assert.Equal([.. Parts.SelectMany(p => p)], bytes);
        Assert.Equal($"\"{Convert.ToHexStringLower(SHA256.HashData(bytes))}\"", whole.Headers.ETag!.Tag);
        Assert.Empty(Waiting(server));
        using var late = await server.Client.PutAsync((string)upload["credentials"]![0]!["url"]!, new ByteArrayContent(Parts[0]));
        Assert.Equal(400, (int)late.StatusCode);
        Assert.Equal(400, (await server.Send("PUT", $"{Uploads}/parts/{id}/4", "x")).Status);
    }

    [Fact]
    public async Task An_upload_goes_on_where_it_was_with_what_the_server_says_has_come()
    {
        await using var server = await MlflowServer.Start();
        var upload = await Create(server);
        var tags = new[] { await Send(upload, 0, Parts[0]), "", "" };
        var (status, answer) = await server.Send("POST", $"{Uploads}/complete{Place}", Completion(upload, tags));
        Assert.Equal(400, status);
        Assert.Contains("part 2 was not sent; part 3 was not sent", answer);
        var there = JsonNode.Parse((await server.Send("GET", $"{Uploads}/parts/{upload["upload_id"]}")).Body)!["parts"]!.AsArray();
        Assert.Equal((1, 300_000, tags[0]), ((int)there.Single()!["part_number"]!, (int)there[0]!["size"]!, (string)there[0]!["etag"]!));
        for (var part = 1; part < 3; part++) tags[part] = await Send(upload, part, Parts[part]);
        (status, answer) = await server.Send("POST", $"{Uploads}/complete{Place}", Completion(upload, [tags[0], tags[0], tags[2]]));
        Assert.Equal(400, status);
        Assert.Contains("part 2 is ", answer);
        Assert.Equal(200, (await server.Send("POST", $"{Uploads}/complete{Place}", Completion(upload, tags))).Status);
        Assert.Equal(612_345, (await server.Client.GetByteArrayAsync(File)).Length);
    }

    [Fact]
    public async Task An_aborted_upload_leaves_nothing()
    {
        await using var server = await MlflowServer.Start();
        var upload = await Create(server);
        await Send(upload, 0, Parts[0]);
        Assert.Single(Waiting(server));
        var body = new JsonObject { ["path"] = "/home/me/weights.bin", ["upload_id"] = (string)upload["upload_id"]! }.ToJsonString();
        Assert.Equal(404, (await server.Send("POST", $"{Uploads}/abort/0/other", body)).Status); // another artifact's
        Assert.Equal((200, "{}"), await server.Send("POST", $"{Uploads}/abort{Place}", body));
        Assert.Empty(Waiting(server));
        Assert.Equal(404, (await server.Send("POST", $"{Uploads}/abort{Place}", body)).Status);
        using var late = await server.Client.PutAsync((string)upload["credentials"]![1]!["url"]!, new ByteArrayContent(Parts[1]));
        Assert.Equal(404, (int)late.StatusCode);
        Assert.Empty(Waiting(server));
    }

    [Fact]
    public async Task A_reset_for_tests_takes_away_the_parts_that_wait()
    {
        await using var server = await MlflowServer.Start(testing: true);
        await Send(await Create(server), 0, Parts[0]);
        Assert.Single(Waiting(server));
        Assert.Equal((200, "{}"), await server.Send("POST", "/testing/reset"));
        Assert.Empty(Waiting(server));
    }

    [Theory]
    [InlineData("/0/a", "x", 0, 400)]
    [InlineData("/0/a", "x", 10_001, 400)]
    [InlineData("/0/a", "x/", 1, 400)]
    [InlineData("/0/a", "..", 1, 400)]
    [InlineData("/0/%252e%252e/a", "x", 1, 400)]
    [InlineData("/takt/packages", "x", 1, 403)]
    [InlineData("/workspaces/other/a", "x", 1, 400)]
    public async Task What_no_artifact_may_be_called_is_refused_at_the_beginning(string place, string path, int parts, int status)
    {
        await using var server = await MlflowServer.Start();
        Assert.Equal(status, (await server.Send("POST", $"{Uploads}/create{place}", $$"""{"path":"{{path}}","num_parts":{{parts}}}""")).Status);
    }

    static async Task<JsonNode> Create(MlflowServer server)
    {
        var (status, answer) = await server.Send("POST", $"{Uploads}/create{Place}", """{"path": "/home/me/weights.bin", "num_parts": 3}""");
        Assert.True(status == 200, answer);
        return JsonNode.Parse(answer)!;
    }

    /// <summary>As the client: a plain PUT to the address that it was given, which knows nobody's login.</summary>
    static async Task<string> Send(JsonNode upload, int part, byte[] bytes)
    {
        using var http = new HttpClient();
        using var put = await http.PutAsync((string)upload["credentials"]![part]!["url"]!, new ByteArrayContent(bytes));
        Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync());
        return put.Headers.ETag!.Tag;
    }

    static string Completion(JsonNode upload, string[] tags) => new JsonObject
    {
        ["path"] = "/home/me/weights.bin",
        ["upload_id"] = (string)upload["upload_id"]!,
        ["parts"] = new JsonArray([.. tags.Select((tag, i) => new JsonObject { ["part_number"] = i + 1, ["etag"] = tag, ["url"] = (string)upload["credentials"]![i]!["url"]! })]),
    }.ToJsonString();

    static string[] Waiting(MlflowServer server) => Path.Combine(server.App.Folder.Store, "uploads") is var folder && Directory.Exists(folder) ? Directory.GetFiles(folder, "*", SearchOption.AllDirectories) : [];

    static byte[] Bytes(int seed, int length)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
