using System.IO.Compression;
using System.Text.Json.Nodes;
using Grpc.Core;
using Grpc.Net.Client;
using Inference;

namespace Takt.Protocols.Tests.OpenInference;

/// <summary>Triton's configuration, statistics and settings, over both protocols.</summary>
public sealed class ModelFactsTests : IAsyncLifetime
{
    const string Two = """{"inputs":[{"name":"x","shape":[2],"datatype":"FP64","data":[0.1,0.9]},{"name":"c","shape":[2],"datatype":"BYTES","data":["a","b"]}]}""";

    ServedModel _model = null!;
    GrpcChannel _channel = null!;
    GRPCInferenceService.GRPCInferenceServiceClient _client = null!;

    public async ValueTask InitializeAsync()
    {
        _model = await ServedModel.Start(grpc: true);
        _channel = GrpcChannel.ForAddress(_model.Server.GrpcAddress!);
        _client = new(_channel);
    }

    public async ValueTask DisposeAsync()
    {
        _channel.Dispose();
        await _model.DisposeAsync();
    }

    async Task<JsonNode> Get(string path) => JsonNode.Parse(await _model.Http.GetStringAsync(path))!;

    [Fact]
    public async Task The_configuration_tells_the_tensors_of_the_metadata_over_both_protocols()
    {
        var config = await Get("/v2/models/m/config");
        Assert.Equal("m lightgbm_lightgbm lightgbm 0", $"{config["name"]} {config["platform"]} {config["backend"]} {config["max_batch_size"]}");
        Assert.Equal("""[{"name":"x","data_type":"TYPE_FP64","dims":[-1],"optional":false},{"name":"c","data_type":"TYPE_STRING","dims":[-1],"optional":false}]""", config["input"]!.ToJsonString());
        Assert.Equal("""[{"name":"probability","data_type":"TYPE_FP64","dims":[-1]}]""", config["output"]!.ToJsonString());
        Assert.Equal("""{"specific":{"versions":[1]}}""", config["version_policy"]!.ToJsonString());

        var message = (await _client.ModelConfigAsync(new ModelConfigRequest { Name = "m", Version = "1" })).Config;
        Assert.Equal([("x", DataType.TypeFp64, "-1"), ("c", DataType.TypeString, "-1")], message.Input.Select(i => (i.Name, i.DataType, string.Join(",", i.Dims))));
        Assert.Equal(("lightgbm", 0, ModelInstanceGroup.Types.Kind.Cpu), (message.Backend, message.MaxBatchSize, message.InstanceGroup[0].Kind));
        Assert.Equal((int)config["instance_group"]![0]!["count"]!, message.InstanceGroup[0].Count);
    }

    [Fact]
    public async Task Statistics_count_what_was_answered_and_what_failed_since_the_revision_was_loaded()
    {
        Assert.Equal(0, (long)(await Get("/v2/models/m/stats"))["model_stats"]![0]!["last_inference"]!);
        var before = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        for (var i = 0; i < 3; i++) Assert.Equal(200, (await _model.Post("/v2/models/m/infer", Two)).Status);
        _model.Server.App.Router.Find("m")!.Champion.Stats.Count(TimeSpan.FromMilliseconds(7), error: true);

        var stats = (await Get("/v2/models/m/versions/1/stats"))["model_stats"]!.AsArray().Single()!;
        Assert.Equal("m 1 6 3", $"{stats["name"]} {stats["version"]} {stats["inference_count"]} {stats["execution_count"]}");
        Assert.InRange((long)stats["last_inference"]!, before - 100, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() + 100);
        Assert.Equal("""{"count":1,"ns":7000000}""", stats["inference_stats"]!["fail"]!.ToJsonString());
        var (success, computed) = (stats["inference_stats"]!["success"]!, stats["inference_stats"]!["compute_infer"]!);
        Assert.Equal((3, 3), ((int)success["count"]!, (int)computed["count"]!));
        Assert.True((long)computed["ns"]! > 0 && (long)success["ns"]! >= (long)computed["ns"]!);
        var size = Assert.Single(stats["batch_stats"]!.AsArray())!; // by the rows of requests
        Assert.Equal((2, 3, (long)computed["ns"]!, 3), ((int)size["batch_size"]!, (int)size["compute_infer"]!["count"]!, (long)size["compute_infer"]!["ns"]!, (int)size["compute_output"]!["count"]!));

        var all = await _client.ModelStatisticsAsync(new ModelStatisticsRequest());
        var told = Assert.Single(all.ModelStats);
        Assert.Equal(("m", "1", 6ul, 3ul, 1ul, 7_000_000ul), (told.Name, told.Version, told.InferenceCount, told.ExecutionCount, told.InferenceStats.Fail.Count, told.InferenceStats.Fail.Ns));
        Assert.Equal((2ul, 3ul), (Assert.Single(told.BatchStats).BatchSize, told.BatchStats[0].ComputeInfer.Count));
        Assert.Equal((await Get("/v2/models/stats"))["model_stats"]![0]!["inference_count"]!.GetValue<long>(), (long)told.InferenceCount);
    }

    [Theory]
    [InlineData("/v2/models/nope/config", 404, "no model is served as 'nope'")]
    [InlineData("/v2/models/nope/stats", 404, "no model is served as 'nope'")]
    [InlineData("/v2/models/m/versions/7/stats", 404, "has no version '7' loaded")]
    [InlineData("/v2/trace/setting", 503, "the server does not support tracing")]
    [InlineData("/v2/models/m/trace/setting", 503, "the server does not support tracing")]
    [InlineData("/v2/systemsharedmemory/status", 501, "shared memory is not supported")]
    [InlineData("/v2/no/such/thing", 404, "there is nothing at GET /v2/no/such/thing")]
    [InlineData("/v2/logging", 503, "the server does not support dynamic logging")]
    public async Task What_is_not_there_is_told_as_Triton_does(string path, int status, string words)
    {
        using var answer = await _model.Http.GetAsync(path);
        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Contains(words, JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["error"]!.GetValue<string>());
    }

    /// <summary>As Triton's client packs them: the header's length is of what is unpacked.</summary>
    [Theory]
    [InlineData("gzip", 200)]
    [InlineData("deflate", 200)]
    [InlineData("br", 501)]
    [InlineData("damaged", 400)]
    public async Task A_packed_request_is_answered_as_a_plain_one(string encoding, int status)
    {
        var packed = new MemoryStream();
        await using (Stream stream = encoding == "deflate" ? new ZLibStream(packed, CompressionLevel.Fastest, leaveOpen: true) : encoding == "damaged" ? new BufferedStream(packed) : new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            await stream.WriteAsync(System.Text.Encoding.UTF8.GetBytes(Two));
            await stream.FlushAsync();
            if (encoding == "damaged") packed = new MemoryStream(packed.ToArray());
        }
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/m/infer") { Content = new ByteArrayContent(packed.ToArray()) };
        request.Content.Headers.ContentEncoding.Add(encoding == "damaged" ? "gzip" : encoding);
        request.Headers.Add("Inference-Header-Content-Length", Two.Length.ToString());
        using var answer = await _model.Http.SendAsync(request);
        Assert.Equal(status, (int)answer.StatusCode);
        var body = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        if (status == 200) Assert.Equal(JsonNode.Parse((await _model.Post("/v2/models/m/infer", Two)).Body)!["outputs"]!.ToJsonString(), body["outputs"]!.ToJsonString());
        else Assert.NotEmpty(body["error"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_bomb_is_refused_before_it_is_unpacked()
    {
        var packed = new MemoryStream();
        await using (var stream = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            for (var i = 0; i < 80; i++) await stream.WriteAsync(new byte[1 << 20]);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/m/infer") { Content = new ByteArrayContent(packed.ToArray()) };
        request.Content.Headers.ContentEncoding.Add("gzip");
        using var answer = await _model.Http.SendAsync(request);
        Assert.Equal(413, (int)answer.StatusCode);
    }

    [Fact]
    public async Task Classification_is_refused_and_not_passed_over()
    {
        var (status, body) = await _model.Post("/v2/models/m/infer", Two[..^1] + ""","outputs":[{"name":"probability","parameters":{"classification":2}}]}""");
        Assert.Equal((501, "output 'probability': classification is not supported"), (status, JsonNode.Parse(body)!["error"]!.GetValue<string>()));
    }

    [Fact]
    public async Task Over_gRPC_unknown_models_are_not_found_and_settings_unavailable()
    {
        Assert.Equal(StatusCode.NotFound, (await Assert.ThrowsAsync<RpcException>(async () => await _client.ModelConfigAsync(new ModelConfigRequest { Name = "nope" }))).StatusCode);
        Assert.Equal(StatusCode.NotFound, (await Assert.ThrowsAsync<RpcException>(async () => await _client.ModelStatisticsAsync(new ModelStatisticsRequest { Name = "m", Version = "7" }))).StatusCode);
        Assert.Equal(StatusCode.Unavailable, (await Assert.ThrowsAsync<RpcException>(async () => await _client.TraceSettingAsync(new TraceSettingRequest()))).StatusCode);
        Assert.Equal(StatusCode.Unavailable, (await Assert.ThrowsAsync<RpcException>(async () => await _client.LogSettingsAsync(new LogSettingsRequest()))).StatusCode);
    }
}
