using System.Text.Json.Nodes;
using Takt.Deployments;
using Takt.ML.Onnx;
using Takt.Models;

namespace Takt.Protocols.Tests.Scoring;

/// <summary><c>params</c> of MLflow's <c>/invocations</c>.</summary>
public sealed class ParamsTests : IAsyncLifetime
{
    const string Schema = """[{"name": "factor", "type": "double", "default": 2.0, "shape": null}, {"name": "words", "type": "string", "default": ["a"], "shape": [-1]}, {"name": "deep", "type": "boolean", "default": false, "shape": null}]""";

    const string Script = """
        def predict(model, columns, params):
            assert type(params["factor"]) is float
            return {"y": [x * params["factor"] for x in columns["x"]], "told": ["%s %s" % ("+".join(params["words"]), params["deep"]) for x in columns["x"]]}
        """;

    /// <summary>What MLflow's server puts before whatever its model refuses; the data as it came.</summary>
    const string Prefix = "Failed to predict data '{\"x\":[1,2]}'. \nError: ";

    readonly string _folder = Directory.CreateTempSubdirectory("takt-params").FullName;
    ServedModel _served = null!;

    public async ValueTask InitializeAsync()
    {
        _served = await ServedModel.Start();
        await File.WriteAllTextAsync(Path.Combine(_folder, "predict.py"), Script);
        await File.WriteAllTextAsync(Path.Combine(_folder, "MLmodel"), $"flavors: {{ predict_py: {{}} }}\nsignature:\n  inputs: {{ x: double }}\n  outputs: {{ y: double, told: string }}\n  params: '{Schema}'\n");
        await _served.Server.App.Models.Register(new RegisterModel("p", _folder, null, null, [], new Dictionary<string, string>(), new Dictionary<string, double>()));
        await _served.Server.App.Deployments.Deploy(new DeploymentSpec("p", [1], TimeSpan.Zero, 0, [], null, true, null, Runtime: new RuntimeSettings(Workers: 1)), "p@1");
        await _served.Ready("p");
    }

    public async ValueTask DisposeAsync()
    {
        await _served.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    async Task<string> Ask(string endpoint, string parameters)
    {
        var (status, body) = await _served.Post($"/endpoints/{endpoint}/invocations", $$"""{"inputs":{"x":[1,2]},"params":{{parameters}}}""");
        Assert.True(status == 200, body);
        return string.Join(' ', JsonNode.Parse(body)!["predictions"]!.AsArray().Select(r => $"{r!["y"]} {r["told"]}"));
    }

    [Fact]
    public async Task They_reach_the_model_with_the_signatures_defaults_and_conversions_and_unknown_ones_are_left_out()
    {
        Assert.Equal("2 a False 4 a False", await Ask("p", "null"));
        Assert.Equal("2 a False 4 a False", await Ask("p", """{"nobody":"knows"}"""));
        Assert.Equal("3 a False 6 a False", await Ask("p", """{"factor":3}"""));
        Assert.Equal("0.5 b+c True 1 b+c True", await Ask("p", """{"factor":0.5,"words":["b","c"],"deep":true}"""));
        var (status, body) = await _served.Post("/v2/models/p/infer", """{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[1]}]}""");
        Assert.True(status == 200, body); // where a protocol has none, the defaults hold
        Assert.Equal("[2]", JsonNode.Parse(body)!["outputs"]![0]!["data"]!.ToJsonString());
    }

    [Fact]
    public async Task Requests_of_different_params_that_wait_together_each_get_their_own()
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, 60).Select(i => Ask("p", $$"""{"factor":{{i % 3}}}""")));
        for (var i = 0; i < answers.Length; i++) Assert.Equal($"{i % 3} a False {2 * (i % 3)} a False", answers[i]);
    }

    [Theory]
    [InlineData("[1]", "Parameters must be a dictionary. Got type 'list'.")]
    [InlineData("""{"factor":"hot"}""", """Invalid parameters found: {('factor', "Failed to validate type and shape for 'factor': double (default: 2.0), error: Can not safely convert `<class 'str'>` to `DataType.double` for value `hot`")}""")]
    [InlineData("""{"factor":[1,2]}""", """Invalid parameters found: {('factor', "Failed to validate type and shape for 'factor': double (default: 2.0), error: Value must be a scalar for type `DataType.double`, got `[1, 2]`")}""")]
    [InlineData("""{"words":"b"}""", """Invalid parameters found: {('words', "Value must be a 1D array with shape (-1,) for param 'words': string (default: ['a']) (shape: (-1,)), received str with ndim 0")}""")]
    [InlineData("""{"deep":1}""", """Invalid parameters found: {('deep', "Failed to validate type and shape for 'deep': boolean (default: False), error: Can not safely convert `<class 'int'>` to `DataType.boolean` for value `1`")}""")]
    public async Task What_does_not_fit_is_refused_in_MLflows_words(string parameters, string message)
    {
        var (status, body) = await _served.Post("/endpoints/p/invocations", $$"""{"inputs":{"x":[1,2]},"params":{{parameters}}}""");
        Assert.Equal((400, Prefix + message), (status, JsonNode.Parse(body)!["message"]!.GetValue<string>()));
    }

    /// <summary>MLflow's wrappers of ONNX and LightGBM models pass over params; its check of them is the same for all.</summary>
    [Fact]
    public async Task Of_a_model_that_runs_here_they_are_checked_as_well()
    {
        var folder = Directory.CreateDirectory(Path.Combine(_folder, "line")).FullName;
        var line = new OnnxGraph("line");
        line.Input("X", TensorType.Fp32, -1, 1);
        line.Output("y", TensorType.Fp32, -1, 1);
        line.Node("Neg", ["X"], ["y"]);
        await File.WriteAllBytesAsync(Path.Combine(folder, "model.onnx"), line.ToArray());
        await File.WriteAllTextAsync(Path.Combine(folder, "MLmodel"), $"flavors: {{ onnx: {{ data: model.onnx }} }}\nsignature:\n  inputs: '[{{\"type\": \"double\", \"name\": \"x\", \"required\": true}}]'\n  params: '{Schema}'\n");
        await _served.Server.App.Models.Register(new RegisterModel("n", folder, null, null, [], new Dictionary<string, string>(), new Dictionary<string, double>()));
        await _served.Server.App.Deployments.Deploy(new DeploymentSpec("n", [1], TimeSpan.Zero, 0, [], null, true, null), "n@1");
        await _served.Ready("n");
        foreach (var good in (string[])["null", """{"nobody":"knows"}""", """{"factor":3,"words":["b"]}"""])
        {
            var (status, body) = await _served.Post("/endpoints/n/invocations", $$"""{"inputs":{"x":[1,2]},"params":{{good}}}""");
            Assert.True(status == 200, body);
            Assert.Equal("[-1,-2]", JsonNode.Parse(body)!["predictions"]!.ToJsonString());
        }
        var (refused, answer) = await _served.Post("/endpoints/n/invocations", """{"inputs":{"x":[1,2]},"params":{"factor":"hot"}}""");
        Assert.Equal((400, Prefix + """Invalid parameters found: {('factor', "Failed to validate type and shape for 'factor': double (default: 2.0), error: Can not safely convert `<class 'str'>` to `DataType.double` for value `hot`")}"""),
            (refused, JsonNode.Parse(answer)!["message"]!.GetValue<string>()));
    }

    [Fact]
    public async Task A_model_without_such_a_signature_passes_over_them()
    {
        var (status, _) = await _served.Post("/endpoints/m/invocations", """{"dataframe_records":[{"x":0.1,"c":"a"}],"params":{"temperature":1}}""");
        Assert.Equal(200, status);
    }
}
