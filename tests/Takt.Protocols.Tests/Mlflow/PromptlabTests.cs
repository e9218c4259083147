using System.Net;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Takt.Protocols.Tests.Mlflow;

/// <summary>What MLflow's prompt engineering pages ask.</summary>
public sealed class PromptlabTests
{
    const string Run = "/ajax-api/2.0/mlflow/runs/create-promptlab-run", Gateway = "/ajax-api/2.0/mlflow/gateway-proxy";

    [Fact]
    public async Task A_prompt_that_was_tried_out_becomes_a_finished_run_with_its_result_and_a_model()
    {
        await using var server = await MlflowServer.Start();
        var asked = new JsonObject { ["experiment_id"] = "0", ["run_name"] = "try", ["prompt_template"] = "Say {{ what }}: \"so\"", ["prompt_parameters"] = Pairs("what", "hello"), ["model_route"] = "chat" };
        foreach (var (next, value) in new (string, JsonNode)[] { ("model_input", "Say hello"), ("mlflow_version", "3.6.0") })
        {
            var (refused, why) = await server.Send("POST", Run, asked.ToJsonString());
            Assert.Equal((400, $"CreatePromptlabRun request must specify {next}."), (refused, (string)JsonNode.Parse(why)!["message"]!));
            asked[next] = value;
        }
        foreach (var (name, value) in new (string, JsonNode)[] { ("model_output", "hello"), ("model_parameters", new JsonArray(new JsonObject { ["key"] = "temperature", ["value"] = 0.1 })), ("model_output_parameters", Pairs("latency", "100")), ("start_time", 456) })
            asked[name] = value;
        var (status, answer) = await server.Send("POST", Run, asked.ToJsonString());
        Assert.True(status == 200, answer);
        var (info, data) = (JsonNode.Parse(answer)!["run"]!["info"]!, JsonNode.Parse(answer)!["run"]!["data"]!);
        Assert.Equal(("try", "FINISHED", 456, "unknown"), ((string)info["run_name"]!, (string)info["status"]!, (long)info["start_time"]!, (string)info["user_id"]!));
        Assert.Equal("model_route=chat prompt_template=Say {{ what }}: \"so\" temperature=0.1", string.Join(' ', data["params"]!.AsArray().Select(p => $"{p!["key"]}={p["value"]}").Order(StringComparer.Ordinal)));
        var tags = data["tags"]!.AsArray().ToDictionary(t => (string)t!["key"]!, t => (string)t!["value"]!);
        Assert.Equal(("PROMPT_ENGINEERING", """[{"path": "eval_results_table.json", "type": "table"}]"""), (tags["mlflow.runSourceType"], tags["mlflow.loggedArtifacts"]));
        async Task<string> Artifact(string path) => (await server.Send("GET", $"/get-artifact?run_id={info["run_id"]}&path={path}")).Body;
        Assert.Equal("""{"columns":["what","prompt","output","latency"],"data":[["hello","Say hello","hello","100"]]}""", await Artifact("eval_results_table.json"));
        Assert.Contains("loader_module: mlflow.prompt.promptlab_model", await Artifact("model/MLmodel"));
        var parameters = new YamlDotNet.Serialization.Deserializer().Deserialize<Dictionary<string, object>>(await Artifact("model/parameters.yaml"));
        Assert.Equal("Say {{ what }}: \"so\"", parameters["prompt_template"]);
        Assert.Equal("hello", ((Dictionary<object, object>)parameters["prompt_parameters"])["what"]);
    }

    [Fact]
    public async Task Without_a_gateway_there_are_no_endpoints()
    {
        await using var server = await MlflowServer.Start();
        Assert.Equal((200, """{"endpoints":[]}"""), await server.Send("GET", Gateway + "?gateway_path=api/2.0/endpoints/"));
        Assert.Equal((200, """{"endpoints":[]}"""), await server.Send("POST", Gateway, "{}"));
    }

    [Fact]
    public async Task A_gateway_is_asked_for_endpoints_and_invocations_and_for_nothing_else()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        await using var gateway = builder.Build();
        gateway.MapGet("/api/2.0/endpoints", () => Results.Text("""{"endpoints":[{"name":"chat"}]}""", "application/json"));
        gateway.MapPost("/gateway/chat/invocations", async (HttpRequest request) => Results.Text($$"""{"got":{{await new StreamReader(request.Body).ReadToEndAsync()}}}""", "application/json"));
        gateway.MapPost("/gateway/busy/invocations", () => Results.Text("too many", statusCode: 429));
        await gateway.StartAsync();
        var address = gateway.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        await using var server = await MlflowServer.Start(gateway: address);
        Assert.Equal((200, """{"endpoints":[{"name":"chat"}]}"""), await server.Send("GET", Gateway + "?gateway_path=api/2.0/endpoints/"));
        Assert.Equal((200, """{"got":{"prompt":"x"}}"""), await server.Send("POST", Gateway, """{"gateway_path":"gateway/chat/invocations","json_data":{"prompt":"x"}}"""));
        var (status, answer) = await server.Send("POST", Gateway, """{"gateway_path":"gateway/busy/invocations","json_data":{}}""");
        Assert.Equal((500, "Deployments proxy request failed with error code 429. Error message: too many"), (status, (string)JsonNode.Parse(answer)!["message"]!));
        foreach (var (path, why) in new[] { ("", "Deployments proxy request must specify a gateway_path."), ("foo/bar", "Invalid gateway_path: foo/bar for method: POST"), ("gateway/../invocations", "Invalid gateway_path: gateway/../invocations for method: POST"), ("gateway/a?b/invocations", "Invalid gateway_path: gateway/a?b/invocations for method: POST") })
        {
            (status, answer) = await server.Send("POST", Gateway, new JsonObject { ["gateway_path"] = path }.ToJsonString());
            Assert.Equal((400, why), (status, (string)JsonNode.Parse(answer)!["message"]!));
        }
        Assert.Equal(400, (await server.Send("GET", Gateway + "?gateway_path=admin")).Status);
        Assert.Equal(405, (await server.Send("DELETE", Gateway)).Status);
        Assert.Equal(404, (await server.Send("DELETE", Gateway + "s")).Status);
    }

    static JsonArray Pairs(string key, string value) => new(new JsonObject { ["key"] = key, ["value"] = value });
}
