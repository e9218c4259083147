using System.Text.Json.Nodes;

namespace Takt.Protocols.Tests.OpenInference;

/// <summary>Triton's load and unload.</summary>
public sealed class RepositoryTests : IAsyncLifetime
{
    const string One = """{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[0.1]},{"name":"c","shape":[1],"datatype":"BYTES","data":["a"]}]}""";

    ServedModel _model = null!;

    public async ValueTask InitializeAsync() => _model = await ServedModel.Start();

    public ValueTask DisposeAsync() => _model.DisposeAsync();

    async Task<string> Index() => (await _model.Post("/v2/repository/index", "{}")).Body;

    [Fact]
    public async Task A_deployment_is_unloaded_stays_so_and_is_loaded_again()
    {
        Assert.Equal((200, ""), await _model.Post("/v2/repository/models/m/unload", "{}"));
        Assert.Equal(404, (await _model.Post("/v2/models/m/infer", One)).Status);
        Assert.Equal("""[{"name":"m","state":"UNAVAILABLE","reason":"unloaded"}]""", await Index());
        await _model.Server.App.Rollouts.Tick(TestContext.Current.CancellationToken); // nobody brings it back
        Assert.Null(_model.Server.App.Router.Find("m"));
        Assert.True((await _model.Http.GetAsync("/v2/health/ready")).IsSuccessStatusCode); // wanted so
        Assert.Equal(200, (await _model.Post("/v2/repository/models/m/unload", "")).Status); // once more is no fault
        Assert.Equal((200, ""), await _model.Post("/v2/repository/models/m/load", "{}"));
        Assert.Equal(200, (await _model.Post("/v2/models/m/infer", One)).Status);
        Assert.Equal("""[{"name":"m","version":"1","state":"READY","reason":""}]""", await Index());
    }

    [Fact]
    public async Task A_body_whose_length_is_not_said_is_read_all_the_same()
    {
        async Task<(int Status, string Body)> Chunked(string path, string body)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(body) };
            request.Headers.TransferEncodingChunked = true;
            using var answer = await _model.Http.SendAsync(request);
            return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
        }
        Assert.Equal(501, (await Chunked("/v2/repository/models/m/load", """{"parameters":{"config":"{}"}}""")).Status);
        Assert.Equal(413, (await Chunked("/v2/repository/models/m/load", new string(' ', 2 << 20))).Status);
        Assert.Equal(200, (await _model.Post("/v2/repository/models/m/unload", "{}")).Status);
        Assert.Equal((200, "[]"), await Chunked("/v2/repository/index", """{"ready":true}"""));
    }

    [Fact]
    public async Task A_registered_version_is_served_under_its_name_without_a_deployment()
    {
        await _model.Register("second", seed: 2, extra: false);
        await _model.Server.App.Models.SetAlias("m", "next", 2);
        Assert.Equal(404, (await _model.Post("/v2/models/m@next/infer", One)).Status);
        Assert.Equal((200, ""), await _model.Post("/v2/repository/models/m@next/load", """{"parameters":{"unload_dependents":false}}"""));
        var (status, body) = await _model.Post("/v2/models/m@next/infer", One);
        Assert.Equal((200, "m@2"), (status, JsonNode.Parse(body)!["parameters"]!["model"]!.GetValue<string>()));
        Assert.Equal(200, (await _model.Post("/v2/models/m@2/infer", One)).Status);
        Assert.Contains("\"m@2\"", await Index());
        Assert.Equal(200, (await _model.Post("/v2/repository/models/m@2/unload", "{}")).Status);
        Assert.Equal(404, (await _model.Post("/v2/models/m@next/infer", One)).Status);
        Assert.DoesNotContain("m@2", await Index());
        Assert.Equal(404, (await _model.Post("/v2/repository/models/m@2/unload", "{}")).Status);
    }

    [Theory]
    [InlineData("nope/load", "", 404, "no deployment 'nope' to load")]
    [InlineData("nope/unload", "", 404, "no deployment 'nope' to unload")]
    [InlineData("m@9/load", "", 404, "no model version 'm@9'")]
    [InlineData("m@1/unload", "", 400, "is served by the endpoint 'm'")]
    [InlineData("m/load", "{", 400, "not JSON")]
    [InlineData("m/load", """{"parameters":[]}""", 400, "parameters must be")]
    [InlineData("m/load", """{"parameters":{"config":"{}","file:1/model.onnx":"QQ=="}}""", 501, "the parameter 'file:1/model.onnx' is not supported")]
    public async Task What_can_not_be_done_is_told(string path, string body, int status, string words)
    {
        var answer = await _model.Post("/v2/repository/models/" + path, body);
        Assert.Equal(status, answer.Status);
        Assert.Contains(words, JsonNode.Parse(answer.Body)!["error"]!.GetValue<string>());
        Assert.Equal(200, (await _model.Post("/v2/models/m/infer", One)).Status);
    }
}
