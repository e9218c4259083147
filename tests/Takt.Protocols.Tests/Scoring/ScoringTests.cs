using System.Text.Json.Nodes;

namespace Takt.Protocols.Tests.Scoring;

public sealed class ScoringTests : IAsyncLifetime
{
    ServedModel _model = null!;

    public async ValueTask InitializeAsync() => _model = await ServedModel.Start();

    public ValueTask DisposeAsync() => _model.DisposeAsync();

    async Task<double[]> Expected() => JsonNode.Parse((await _model.Post("/v2/models/m/infer",
        """{"inputs":[{"name":"x","shape":[2],"datatype":"FP64","data":[0.1,0.9]},{"name":"c","shape":[2],"datatype":"BYTES","data":["a","b"]}]}""")).Body)!["outputs"]![0]!["data"]!.AsArray().Select(v => v!.GetValue<double>()).ToArray();

    [Theory]
    [InlineData("""{"dataframe_split":{"columns":["c","x"],"index":[0,1],"data":[["a",0.1],["b",0.9]]}}""")]
    [InlineData("""{"dataframe_records":[{"x":0.1,"c":"a","unknown":{}},{"c":"b","x":0.9}],"params":{"any":1}}""")]
    [InlineData("""{"instances":[{"x":0.1,"c":"a"},{"x":0.9,"c":"b"}]}""")]
    [InlineData("""{"instances":[[0.1,"a"],[0.9,"b"]]}""")]
    [InlineData("""{"inputs":{"x":[0.1,0.9],"c":[["a"],["b"]]}}""")]
    public async Task Every_form_of_MLflows_clients_gives_the_same_numbers(string body)
    {
        var expected = await Expected();
        foreach (var path in (string[])["/endpoints/m/invocations", "/invocations"])
        {
            var (status, answer) = await _model.Post(path, body);
            Assert.True(status == 200, answer);
            Assert.Equal(expected, JsonNode.Parse(answer)!["predictions"]!.AsArray().Select(v => v!.GetValue<double>()));
        }
    }

    [Fact]
    public async Task Csv_with_quotes_and_missing_values_is_read()
    {
        using var answer = await _model.Http.PostAsync("/invocations", new StringContent("c,x\r\n\"a\",0.1\n\nb,0.9\n\"q\"\"uo,te\",\n", System.Text.Encoding.UTF8, "text/csv"));
        var predictions = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["predictions"]!.AsArray().Select(v => v!.GetValue<double>()).ToList();
        Assert.Equal(3, predictions.Count);
        Assert.Equal(await Expected(), predictions[..2]);
    }

    [Theory]
    [InlineData("{", "Failed to parse input from JSON")]
    [InlineData("[]", "exactly one of the input fields")]
    [InlineData("{}", "exactly one of the input fields")]
    [InlineData("""{"inputs":[],"instances":[]}""", "exactly one of the input fields")]
    [InlineData("""{"dataframe_records":[{"x":"text","c":"a"}]}""", "row 0: \"text\" is no double")]
    [InlineData("""{"dataframe_records":[{"xx":1}]}""", "input 'x' (double) is missing")]
    [InlineData("""{"dataframe_split":{"columns":["x","x"],"data":[[1,2]]}}""", "2 times")]
    [InlineData("""{"dataframe_split":{"columns":["x","c"],"data":[[1]]}}""", "has 1 values; 2 are wanted")]
    [InlineData("""{"dataframe_split":5}""", "must be an object")]
    [InlineData("""{"instances":[1,2]}""", "must be a list of 2 values")]
    [InlineData("""{"inputs":{"x":[1,2],"c":["a"]}}""", "has 1 values, others have 2")]
    [InlineData("""{"instances":[{"x":1,"c":"\ud800"}]}""", "is a valid JSON formatted string")]
    public async Task A_malformed_request_is_400_in_MLflows_form(string body, string message)
    {
        var (status, answer) = await _model.Post("/endpoints/m/invocations", body);
        Assert.Equal((400, "BAD_REQUEST"), (status, JsonNode.Parse(answer)!["error_code"]!.GetValue<string>()));
        Assert.Contains(message, JsonNode.Parse(answer)!["message"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("text/plain", "only supports the following content types")]
    [InlineData("application/json; charset=latin-1", "only supports UTF-8")]
    [InlineData("application/json; format=pandas-split", "Unrecognized content type parameters: format")]
    public async Task Another_content_type_is_415(string type, string message)
    {
        using var content = new ByteArrayContent([]);
        content.Headers.TryAddWithoutValidation("Content-Type", type);
        using var answer = await _model.Http.PostAsync("/endpoints/m/invocations", content);
        Assert.Equal(415, (int)answer.StatusCode);
        Assert.Contains(message, await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Ping_says_whether_the_model_is_there()
    {
        Assert.Equal(200, (int)(await _model.Http.GetAsync("/ping")).StatusCode);
        Assert.Equal(200, (int)(await _model.Http.GetAsync("/endpoints/m/ping")).StatusCode);
        Assert.Equal(404, (int)(await _model.Http.GetAsync("/endpoints/none/ping")).StatusCode);
        Assert.Equal(404, (await _model.Post("/endpoints/none/invocations", """{"inputs":[1]}""")).Status);
    }

    [Fact]
    public async Task TensorFlow_Servings_clients_are_answered()
    {
        var expected = await Expected();
        foreach (var path in (string[])["/v1/models/m:predict", "/v1/models/m/versions/1:predict"])
        {
            var (status, body) = await _model.Post(path, """{"signature_name":"serving_default","instances":[{"x":0.1,"c":"a"},{"x":0.9,"c":"b"}]}""");
            Assert.True(status == 200, body);
            Assert.Equal(expected, JsonNode.Parse(body)!["predictions"]!.AsArray().Select(v => v!.GetValue<double>()));
        }
        Assert.NotNull(JsonNode.Parse((await _model.Post("/v1/models/m:predict", """{"inputs":{"x":[0.1],"c":["a"]}}""")).Body)!["outputs"]);
        Assert.Equal("AVAILABLE", JsonNode.Parse(await _model.Http.GetStringAsync("/v1/models/m"))!["model_version_status"]![0]!["state"]!.GetValue<string>());
        var rows = JsonNode.Parse((await _model.Post("/v1/models/m:predict", """{"signature_name":"serving_default","instances":[{"x":0.1,"c":{"b64":"YQ=="}}]}""")).Body)!["predictions"]!.ToJsonString();
        Assert.Equal(rows, JsonNode.Parse((await _model.Post("/v1/models/m:predict", """{"inputs":{"x":[0.1],"c":["a"]}}""")).Body)!["outputs"]!.ToJsonString());
        Assert.Equal(400, (await _model.Post("/v1/models/m:predict", """{"instances":[{"x":0.1,"c":{"b64":"?"}}]}""")).Status);
        Assert.Contains("signature key \"other\" not found", JsonNode.Parse((await _model.Post("/v1/models/m:predict", """{"signature_name":"other","instances":[{"x":0.1,"c":"a"}]}""")).Body)!["error"]!.GetValue<string>(), StringComparison.OrdinalIgnoreCase);
        var metadata = JsonNode.Parse(await _model.Http.GetStringAsync("/v1/models/m/metadata"))!;
        Assert.Equal("DT_DOUBLE", metadata["metadata"]!["signature_def"]!["signature_def"]!["serving_default"]!["inputs"]!["x"]!["dtype"]!.GetValue<string>());
        Assert.Equal(404, (int)(await _model.Http.GetAsync("/v1/models/none/metadata")).StatusCode);
        var (bad, error) = await _model.Post("/v1/models/m:predict", """{"instances":[{"x":0.1}],"inputs":{}}""");
        Assert.Equal(400, bad);
        Assert.NotNull(JsonNode.Parse(error)!["error"]);
        Assert.Equal(404, (await _model.Post("/v1/models/none:predict", """{"instances":[1]}""")).Status);
    }
}
