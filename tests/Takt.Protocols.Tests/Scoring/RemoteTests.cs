using System.Net;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Takt.Data;
using Takt.Deployments;
using Takt.ML.Runtimes;
using Takt.Models;

namespace Takt.Protocols.Tests.Scoring;

public sealed class RemoteTests
{
    const string Rows = """{"inputs":[{"name":"x","shape":[2],"datatype":"FP64","data":[0.1,0.9]},{"name":"c","shape":[2],"datatype":"BYTES","data":["a","b"]}]}""";

    static RemoteEndpoint Endpoint(string url, double timeout = 20, Dictionary<string, string>? headers = null) => new(url, headers, TimeSpan.FromSeconds(timeout), 8, null, null);

    static Table X(params double[] x) => new([Column.Of("x", x)]);

    [Fact]
    public async Task An_endpoint_elsewhere_answers_as_if_it_were_here_by_both_protocols()
    {
        await using var far = await ServedModel.Start();
        await using var near = await ServedModel.Start();
        var book = near.Server.App.Deployments;
        await book.Deploy(new DeploymentSpec("far", [1], TimeSpan.Zero, 0, [], null, true, null, Remote: Endpoint($"{far.Server.Address}v2/models/m")), null);
        await book.Deploy(new DeploymentSpec("mlflow", [1], TimeSpan.Zero, 0, [], null, true, null, Remote: Endpoint($"{far.Server.Address}endpoints/m/invocations") with
        {
            Inputs = [new Field("x", FieldType.Double), new Field("c", FieldType.String)],
            Outputs = [new Field("probability", FieldType.Double)],
        }), null);
        await near.Ready("far");
        await near.Ready("mlflow");
        var expected = JsonNode.Parse((await far.Post("/v2/models/m/infer", Rows)).Body)!["outputs"]!.ToJsonString();
        foreach (var endpoint in (string[])["far", "mlflow"])
        {
            var (status, body) = await near.Post($"/v2/models/{endpoint}/infer", Rows);
            Assert.True(status == 200, body);
            Assert.Equal(expected, JsonNode.Parse(body)!["outputs"]!.ToJsonString());
            (status, body) = await near.Post($"/endpoints/{endpoint}/invocations", """{"dataframe_records":[{"x":0.1,"c":"a"}]}""");
            Assert.True(status == 200, body);
            (status, body) = await near.Post($"/v2/models/{endpoint}/infer", """{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[1]}]}""");
            Assert.Equal(400, status);
            Assert.Contains("input 'c' (BYTES) is missing", JsonNode.Parse(body)!["error"]!.GetValue<string>());
            var logged = JsonNode.Parse(await near.Http.GetStringAsync($"/api/v1/deployments/{endpoint}/predictions"))!["predictions"]!.AsArray();
            Assert.Equal(3, logged.Count);
            Assert.All(logged, row => Assert.StartsWith(far.Server.Address.ToString(), row!["model_version"]!.GetValue<string>()));
        }
        Assert.Contains("kserve_remote", await near.Http.GetStringAsync("/v2/models/far"));
        Assert.Equal(HttpStatusCode.OK, (await near.Http.GetAsync("/v2/models/far/ready")).StatusCode);
    }

    [Fact]
    public async Task A_request_is_sent_once_and_its_fault_is_told_by_its_kind()
    {
        await using var stub = await Stub.Start();
        using var model = await RemoteModel.Connect(Endpoint(stub.Url, timeout: 1));
        Assert.Equal([2.0, 4], model.Predict(X(1, 2))["y"].Numbers);
        foreach (var (what, error, message) in new[]
        {
            (400, TaktError.Invalid, "x must be small"), (413, TaktError.TooLarge, "x must be small"), (401, TaktError.Unavailable, "refuses this server (401)"), (404, TaktError.Unavailable, "answered 404: x must be small"),
            (429, TaktError.Unavailable, "answered 429"), (500, TaktError.Unavailable, "answered 500: x must be small"), (Stub.Nonsense, TaktError.Unavailable, "not JSON"), (Stub.Hang, TaktError.Unavailable, "did not answer within 1 s"),
            (Stub.Cut, TaktError.Unavailable, "broke off"), (Stub.FewRows, TaktError.Unavailable, "can't be understood: output 'y' has 1 values for 2 rows"),
        })
        {
            stub.Behave = what;
            var before = stub.Asked;
            var fault = await Assert.ThrowsAsync<TaktException>(() => model.Answer(X(1, 2), default).AsTask());
            Assert.Equal((error, before + 1), (fault.Error, stub.Asked));
            Assert.Contains(message, fault.Message);
        }
        stub.Behave = 200;
        Assert.Equal([2.0], model.Predict(X(1))["y"].Numbers);
    }

    [Fact]
    public async Task An_endpoint_that_went_away_is_unavailable_and_not_ready_until_it_is_back()
    {
        var stub = await Stub.Start();
        var port = new Uri(stub.Url).Port;
        using var model = await RemoteModel.Connect(Endpoint(stub.Url));
        Assert.Null(model.Unready);
        await stub.DisposeAsync();
        var fault = await Assert.ThrowsAsync<TaktException>(() => model.Answer(X(1), default).AsTask());
        Assert.Equal(TaktError.Unavailable, fault.Error);
        Assert.Contains("can't be reached", fault.Message);
        Assert.Contains("can't be reached", model.Unready);
        await using var again = await Stub.Start(port);
        Assert.Equal([2.0], model.Predict(X(1))["y"].Numbers);
        Assert.Null(model.Unready);
    }

    [Fact]
    public async Task A_request_that_found_no_connection_is_tried_once_more()
    {
        await using var stub = await Stub.Start();
        var port = new Uri(stub.Url).Port;
        using var model = await RemoteModel.Connect(Endpoint(stub.Url));
        await stub.Stop();
        var asked = model.Answer(X(3), default).AsTask(); // refused now; a tenth of a second later somebody listens
        await using var again = await Stub.Start(port);
        try
        {
            var answer = await asked;
            Assert.Equal([6.0], answer["y"].Numbers);
            Assert.Equal(1, again.Asked);
        }
        catch (TaktException e) when (e.Error == TaktError.Unavailable)
        {
            Assert.Equal(0, again.Asked); // this machine took longer than that to listen: refused twice, and sent never
        }
    }

    [Fact]
    public async Task Secrets_go_into_headers_from_the_environment_and_into_no_message()
    {
        Environment.SetEnvironmentVariable("TAKT_SECRET_REMOTE_TEST", "swordfish99");
        try
        {
            await using var stub = await Stub.Start();
            using var model = await RemoteModel.Connect(Endpoint(stub.Url, headers: new() { ["Authorization"] = "Bearer ${secrets.REMOTE_TEST}" }));
            model.Predict(X(1));
            Assert.Equal("Bearer swordfish99", stub.Authorization);
            stub.Behave = Stub.Echo;
            var fault = await Assert.ThrowsAsync<TaktException>(() => model.Answer(X(1), default).AsTask());
            Assert.Contains("you said Bearer ***", fault.Message);
        }
        finally
        {
            Environment.SetEnvironmentVariable("TAKT_SECRET_REMOTE_TEST", null);
        }
    }

    [Fact]
    public async Task An_endpoint_that_takes_what_is_no_row_is_refused_in_words()
    {
        await using var stub = await Stub.Start();
        stub.Inputs = """[{"name":"image","datatype":"FP32","shape":[-1,3,224,224]}]""";
        var fault = await Assert.ThrowsAsync<TaktException>(() => RemoteModel.Connect(Endpoint(stub.Url)));
        Assert.Equal(TaktError.NotSupported, fault.Error);
        Assert.Contains("input 'image' has the shape [-1,3,224,224]", fault.Message);
    }

    /// <summary>A v2 endpoint that doubles <c>x</c>, or does as it is told.</summary>
    sealed class Stub(WebApplication web) : IAsyncDisposable
    {
        public const int Nonsense = -1, Hang = -2, Cut = -3, FewRows = -4, Echo = -5;

        public int Behave { get; set; } = 200;

        public int Asked { get; private set; }

        public string Authorization { get; private set; } = "";

        public string Inputs { get; set; } = """[{"name":"x","datatype":"FP64","shape":[-1,1]}]""";

        public string Url => web.Urls.First() + "/v2/models/stub";

        public static async Task<Stub> Start(int port = 0)
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.UseUrls($"http://127.0.0.1:{port}");
            var web = builder.Build();
            var stub = new Stub(web);
            web.MapGet("/v2/models/stub", () => Results.Text($$"""{"name":"stub","platform":"p","inputs":{{stub.Inputs}},"outputs":[{"name":"y","datatype":"FP64","shape":[-1]}]}""", "application/json"));
            web.MapGet("/v2/models/stub/ready", () => Results.Ok());
            web.MapPost("/v2/models/stub/infer", stub.Infer);
            await web.StartAsync();
            return stub;
        }

        async Task Infer(HttpContext http)
        {
            Asked++;
            Authorization = http.Request.Headers.Authorization.ToString();
            var values = (await JsonNode.ParseAsync(http.Request.Body))!["inputs"]![0]!["data"]!.AsArray().Select(v => v!.GetValue<double>() * 2).ToList();
            switch (Behave)
            {
                case 200:
                    await http.Response.WriteAsync(new JsonObject { ["outputs"] = new JsonArray(new JsonObject { ["name"] = "y", ["datatype"] = "FP64", ["shape"] = new JsonArray(values.Count), ["data"] = new JsonArray([.. values.Select(v => (JsonNode)v)]) }) }.ToJsonString());
                    break;
                case FewRows:
                    await http.Response.WriteAsync("""{"outputs":[{"name":"y","datatype":"FP64","shape":[1],"data":[1]}]}""");
                    break;
                case Nonsense:
                    await http.Response.WriteAsync("<html>");
                    break;
                case Hang:
                    await Task.Delay(Timeout.Infinite, http.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
                    break;
                case Cut:
                    http.Abort();
                    break;
                case Echo:
                    http.Response.StatusCode = 500;
                    await http.Response.WriteAsync($"you said {Authorization}");
                    break;
                default:
                    http.Response.StatusCode = Behave;
                    await http.Response.WriteAsync("""{"error":"x must be small"}""");
                    break;
            }
        }

        public Task Stop() => web.StopAsync();

        public ValueTask DisposeAsync() => web.DisposeAsync();
    }
}
