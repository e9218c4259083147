using System.Diagnostics;
using System.Text.Json.Nodes;
using Takt.Deployments;
using Takt.Models;

namespace Takt.Protocols.Tests.Scoring;

/// <summary>A <c>predict.py</c> behind every protocol.</summary>
public sealed class PythonModelTests : IAsyncLifetime
{
    const string Script = """
        import os, time
        def predict(model, columns):
            if columns["s"][0] == "hang":
                open(columns["s"][1], "w").close()
                time.sleep(60)
            if columns["s"][0] == "crash": os._exit(9)
            if columns["s"][0] == "refuse": raise ValueError("not this one")
            return {"y": [a * 2 for a in columns["x"]], "who": ["%s:%d" % (s, os.getpid()) for s in columns["s"]]}
        """;

    readonly string _folder = Directory.CreateTempSubdirectory("takt-python").FullName;
    ServedModel _served = null!;

    public async ValueTask InitializeAsync()
    {
        _served = await ServedModel.Start();
        await File.WriteAllTextAsync(Path.Combine(_folder, "predict.py"), Script);
        await File.WriteAllTextAsync(Path.Combine(_folder, "MLmodel"), "flavors: { predict_py: {} }\nsignature:\n  inputs: { x: double, s: string }\n  outputs: { y: double, who: string }\n");
        await _served.Server.App.Models.Register(new RegisterModel("p", _folder, null, null, [], new Dictionary<string, string>(), new Dictionary<string, double>()));
        await _served.Server.App.Deployments.Deploy(new DeploymentSpec("p", [1], TimeSpan.Zero, 0, [], null, true, null, Runtime: new RuntimeSettings(Workers: 1)), "p@1");
        await _served.Ready("p");
    }

    public async ValueTask DisposeAsync()
    {
        await _served.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    static string V2(string s, string second = "b") => $$"""{"id":"7","inputs":[{"name":"x","shape":[2],"datatype":"FP64","data":[1.5,4]},{"name":"s","shape":[2],"datatype":"BYTES","data":["{{s}}","{{second}}"]}]}""";

    [Fact]
    public async Task Every_protocol_reaches_a_Python_model()
    {
        var (status, body) = await _served.Post("/v2/models/p/infer", V2("a"));
        Assert.True(status == 200, body);
        var answer = JsonNode.Parse(body)!;
        Assert.Equal(("7", "[3,8]"), (answer["id"]!.GetValue<string>(), answer["outputs"]![0]!["data"]!.ToJsonString()));
        Assert.StartsWith("a:", answer["outputs"]![1]!["data"]![0]!.GetValue<string>());
        foreach (var (path, request) in new[]
        {
            ("/endpoints/p/invocations", """{"dataframe_split":{"columns":["s","x"],"data":[["a",1.5],["b",4]]}}"""),
            ("/endpoints/p/invocations", """{"inputs":{"x":[1.5,4],"s":["a","b"]}}"""),
            ("/v1/models/p:predict", """{"instances":[{"x":1.5,"s":"a"},{"x":4,"s":"b"}]}"""),
        })
        {
            (status, body) = await _served.Post(path, request);
            Assert.True(status == 200, body);
            Assert.Equal([3.0, 8], JsonNode.Parse(body)!["predictions"]!.AsArray().Select(r => r!["y"]!.GetValue<double>()));
        }
        Assert.Equal("python_function", JsonNode.Parse(await _served.Http.GetStringAsync("/v2/models/p"))!["platform"]!.GetValue<string>());
        var logged = JsonNode.Parse(await _served.Http.GetStringAsync("/api/v1/deployments/p/predictions"))!["predictions"]!.AsArray();
        Assert.Equal(8, logged.Count);
        Assert.All(logged, row => Assert.Equal(row!["in_x"]!.GetValue<double>() * 2, row["out_y"]!.GetValue<double>()));
    }

    [Fact]
    public async Task What_does_not_fit_is_refused_by_the_signature_or_by_the_model()
    {
        var (status, body) = await _served.Post("/v2/models/p/infer", """{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":["1"]},{"name":"z","shape":[1],"datatype":"FP64","data":[1]}]}""");
        Assert.Equal(400, status);
        foreach (var fault in (string[])["unknown input 'z'", "datatype BYTES; the model takes FP64", "input 's' (BYTES) is missing"]) Assert.Contains(fault, JsonNode.Parse(body)!["error"]!.GetValue<string>());
        (status, body) = await _served.Post("/endpoints/p/invocations", """{"inputs":{"x":[1],"s":["refuse"]}}""");
        Assert.Equal((400, "BAD_REQUEST"), (status, JsonNode.Parse(body)!["error_code"]!.GetValue<string>()));
        Assert.Contains("ValueError: not this one (predict.py, line 7)", JsonNode.Parse(body)!["message"]!.GetValue<string>());
    }

    [Fact]
    public async Task The_request_of_a_killed_worker_gets_503_and_the_next_is_served()
    {
        var busy = Path.Combine(_folder, "busy");
        var pid = int.Parse(JsonNode.Parse((await _served.Post("/v2/models/p/infer", V2("a"))).Body)!["outputs"]![1]!["data"]![0]!.GetValue<string>().Split(':')[1]);
        var asked = _served.Http.PostAsync("/v2/models/p/infer", new StringContent(V2("hang", busy)));
        while (!File.Exists(busy)) await Task.Delay(10);
        using (var worker = Process.GetProcessById(pid)) worker.Kill();
        using var answer = await asked;
        Assert.Equal(503, (int)answer.StatusCode);
        Assert.True(answer.Headers.Contains("Retry-After"));
        Assert.Contains("the Python worker ended", await answer.Content.ReadAsStringAsync());
        var (status, body) = await _served.Post("/v2/models/p/infer", V2("a"));
        Assert.True(status == 200, body);
    }

    [Fact]
    public async Task A_challenger_that_crashes_is_stood_in_for_by_the_champion_and_no_client_notices()
    {
        var folder = Directory.CreateDirectory(Path.Combine(_folder, "second")).FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "predict.py"), Script.Replace("== \"crash\"", "!= \"\"", StringComparison.Ordinal)); // all but the row that it is warmed with
        File.Copy(Path.Combine(_folder, "MLmodel"), Path.Combine(folder, "MLmodel"));
        var app = _served.Server.App;
        await app.Models.Register(new RegisterModel("p", folder, null, null, [], new Dictionary<string, string>(), new Dictionary<string, double>()));
        await app.Deployments.Deploy(new DeploymentSpec("p", [0.5, 1], TimeSpan.FromHours(1), 100_000, [], null, false, null, Runtime: new RuntimeSettings(Workers: 1)), "p@2");
        while (app.Router.Find("p") is not { Challenger: not null, Share: > 0 }) await Task.Delay(20);
        var challenger = app.Router.Find("p")!.Challenger!;
        for (var i = 0; i < 24; i++)
        {
            var (status, body) = await _served.Post("/v2/models/p/infer", V2("a"));
            Assert.True(status == 200, body);
            Assert.Equal("1", JsonNode.Parse(body)!["model_version"]!.GetValue<string>());
        }
        Assert.True(challenger.Stats.Errors > 0); // it is counted against it
        Assert.Equal(0, app.Router.Find("p")!.Champion.Stats.Errors);
    }
}
