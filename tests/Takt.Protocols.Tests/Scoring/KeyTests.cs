using System.Text;
using System.Text.Json.Nodes;
using Grpc.Core;
using Inference;
using Takt.Data;
using Takt.Deployments;
using Takt.Protocols.Tests.OpenAI;
using Takt.Protocols.Tests.OpenInference;

namespace Takt.Protocols.Tests.Scoring;

/// <summary>Callers name rows by keys of their own, labels find them by these.</summary>
public sealed class KeyTests : IAsyncLifetime
{
    readonly UpstreamStub _upstream = new();
    ServedModel _served = null!;

    public async ValueTask InitializeAsync()
    {
        await _upstream.Start();
        _served = await ServedModel.Start(grpc: true);
        await _served.Server.App.Deployments.Deploy(new DeploymentSpec("chat", [1], TimeSpan.Zero, 0, [], null, true, new Upstream(_upstream.Url, "up", null)), null);
        await _served.Ready("chat");
    }

    public async ValueTask DisposeAsync()
    {
        await _served.DisposeAsync();
        await _upstream.DisposeAsync();
    }

    async Task Ask(string path, string key, string body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(body, Encoding.UTF8, "application/json"), Headers = { { "X-Takt-Key", key } } };
        using var answer = await _served.Http.SendAsync(request);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }

    async Task<IEnumerable<(string, double?)>> Labelled(string endpoint) => JsonNode.Parse(await _served.Http.GetStringAsync($"/api/v1/deployments/{endpoint}/predictions"))!["predictions"]!.AsArray()
        .Select(r => (r!["key"]!.GetValue<string>(), r["label"]?.GetValue<double>())).OrderBy(r => r.Item1, StringComparer.Ordinal);

    [Fact]
    public async Task Every_protocol_takes_keys_and_training_data_has_them_beside_the_labels()
    {
        using var channel = GrpcFixture.Connect(_served);
        var grpc = new GRPCInferenceService.GRPCInferenceServiceClient(channel);
        await grpc.ModelInferAsync(GrpcRequests.Raw("1"), new Metadata { { "x-takt-key", "metadata-1, metadata-2" } });
        var parameter = GrpcRequests.Raw("2");
        parameter.Parameters["key"] = new InferParameter { StringParam = "parameter-1, parameter-2" };
        await grpc.ModelInferAsync(parameter);
        await Ask("/v1/models/m:predict", "tensorflow-1", """{"instances":[{"x":0.1,"c":"a"}]}""");
        await Ask("/v1/chat/completions", "chat-1", """{"model":"chat","messages":[{"role":"user","content":"hello"}]}""");
        var (status, body) = await _served.Post("/api/v1/deployments/m/labels", """{"labels":[{"key":"metadata-2","label":1},{"key":"parameter-1","label":2},{"key":"tensorflow-1","label":3}]}""");
        Assert.True(status == 200, body);
        Assert.Equal(200, (await _served.Post("/api/v1/deployments/chat/labels", """{"labels":[{"key":"chat-1","label":4}]}""")).Status);
        Assert.Equal([("metadata-1", null), ("metadata-2", 1.0), ("parameter-1", 2.0), ("parameter-2", null), ("tensorflow-1", 3.0)], await Labelled("m"));
        Assert.Equal([("chat-1", 4.0)], await Labelled("chat"));
        Assert.Equal(400, (await _served.Post("/api/v1/deployments/m/labels", """{"labels":[{"key":"metadata-1","label":1,"time":"yesterday"}]}""")).Status); // not: now

        var target = Directory.CreateTempSubdirectory("takt-keys").FullName;
        try
        {
            var source = new PredictionSource(_served.Server.App.Predictions);
            var batch = await source.Fetch(new SourceRequest("predictions:m", target, target), default);
            var rows = Tables.Read(batch.Files.Values);
            Assert.Equal(["metadata-2 1", "parameter-1 2", "tensorflow-1 3"], Enumerable.Range(0, rows.Rows).Select(row => $"{rows["key"].TextAt(row)} {rows["label"].TextAt(row)}").Order(StringComparer.Ordinal));
        }
        finally
        {
            Directory.Delete(target, recursive: true);
        }
    }

    [Fact]
    public async Task Which_predictions_keys_mean_is_found_in_an_index_and_not_among_the_predictions()
    {
        for (var i = 0; i < 20; i++) await Ask("/v1/models/m:predict", $"order-{i}", """{"instances":[{"x":0.1,"c":"a"}]}""");
        Assert.Equal(200, (await _served.Post("/api/v1/deployments/m/labels", """{"labels":[{"key":"order-7","label":1},{"key":"order-99","label":1}]}""")).Status);
        var log = _served.Server.App.Predictions.Of("m");
        await log.Flush();
        using var connection = (await log.Open())!;
        foreach (var file in Directory.GetFiles(Path.Combine(_served.Server.App.Folder.Predictions, "m"), "predictions-*.parquet")) File.Delete(file);
        var told = Tables.Query(connection, "select * from told");
        Assert.Equal((1, 1.0), (told.Rows, told["label"].NumberAt(0)));
    }
}
