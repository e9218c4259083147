using System.Text.Json.Nodes;

namespace Takt.Protocols.Tests.Mlflow;

/// <summary><c>/graphql</c> as MLflow's pages ask it, and as nobody should.</summary>
public sealed class GraphQlTests
{
    const string Api = "/api/2.0/mlflow";

    static async Task<JsonNode> Ask(MlflowServer server, string query, JsonNode? variables = null, string? operation = null)
    {
        var body = new JsonObject { ["query"] = query, ["variables"] = variables, ["operationName"] = operation };
        var (status, answer) = await server.Send("POST", "/graphql", body.ToJsonString());
        Assert.Equal(200, status);
        return JsonNode.Parse(answer)!;
    }

    static async Task<string> Fault(MlflowServer server, string query, JsonNode? variables = null, string? operation = null)
    {
        var answer = await Ask(server, query, variables, operation);
        Assert.Null(answer["data"]);
        return string.Join('\n', answer["errors"]!.AsArray().Select(e => (string)e!));
    }

    static async Task<(string Run, string Experiment)> Seed(MlflowServer server)
    {
        var experiment = (string)JsonNode.Parse((await server.Send("POST", Api + "/experiments/create", """{"name":"e"}""")).Body)!["experiment_id"]!;
        var run = (string)JsonNode.Parse((await server.Send("POST", Api + "/runs/create", $$"""{"experiment_id":"{{experiment}}","run_name":"r","start_time":5}""")).Body)!["run"]!["info"]!["run_id"]!;
        await server.Send("POST", Api + "/runs/log-batch", $$"""{"run_id":"{{run}}","metrics":[{"key":"m","value":0.5,"timestamp":1,"step":7},{"key":"n","value":"NaN","timestamp":1}],"params":[{"key":"p","value":"v"}]}""");
        return (run, experiment);
    }

    [Fact]
    public async Task A_run_is_read_with_its_experiment_versions_fragments_aliases_and_variables()
    {
        await using var server = await MlflowServer.Start();
        var (run, experiment) = await Seed(server);
        await server.Send("POST", Api + "/registered-models/create", """{"name":"reg"}""");
        await server.Send("POST", Api + "/model-versions/create", $$"""{"name":"reg","source":"runs:/{{run}}/model","run_id":"{{run}}"}""");
        var answer = await Ask(server, """
            query GetRun($data: MlflowGetRunInput!, $no: Boolean = false) @component(name: "page") {
              mlflowGetRun(input: $data) { __typename apiError { message } run { ...All hidden: info @include(if: $no) { runId } } }
            }
            fragment All on MlflowRunExtension {
              info { id: runId status startTime endTime experimentId }
              data { metrics { key value step } params { key value } }
              ... on MlflowRunExtension { experiment { name lifecycleStage tags { key } } modelVersions { name version status } }
            }
            """, new JsonObject { ["data"] = new JsonObject { ["runId"] = run } }, "GetRun");
        Assert.Null(answer["errors"]);
        Assert.Equal($$$"""
            {"__typename":"MlflowGetRunResponse","apiError":null,"run":{"info":{"id":"{{{run}}}","status":"RUNNING","startTime":"5","endTime":"0","experimentId":"{{{experiment}}}"},"data":{"metrics":[{"key":"m","value":0.5,"step":"7"},{"key":"n","value":null,"step":"0"}],"params":[{"key":"p","value":"v"}]},"experiment":{"name":"e","lifecycleStage":"active","tags":[]},"modelVersions":[{"name":"reg","version":"1","status":"READY"}]}}
            """, answer["data"]!["mlflowGetRun"]!.ToJsonString());
    }

    [Fact]
    public async Task A_field_that_fails_is_null_and_the_others_are_answered()
    {
        await using var server = await MlflowServer.Start();
        var (_, experiment) = await Seed(server);
        var answer = await Ask(server, $$"""{ a: mlflowGetExperiment(input: {experimentId: "999"}) { experiment { name } } b: mlflowGetExperiment(input: {experimentId: "{{experiment}}"}) { experiment { name } } test(inputString: "é\u0041") { output } }""");
        Assert.Equal("No Experiment with id=999 exists", (string)Assert.Single(answer["errors"]!.AsArray())!);
        Assert.Equal("""{"a":null,"b":{"experiment":{"name":"e"}},"test":{"output":"\u00E9A"}}""", answer["data"]!.ToJsonString());
    }

    [Theory]
    [InlineData("{ mlflowGetRun(input: {runId: \"x\"}) { run { info { nope } } } }", "Cannot query field 'nope' on type 'MlflowRunInfo'.")]
    [InlineData("{ mlflowGetRun(input: {nope: 1}) { run { info { runId } } } }", "Field 'nope' is not defined by type 'MlflowGetRunInput'.")]
    [InlineData("{ mlflowGetRun(input: {runId: 1}) { run { info { runId } } } }", "String cannot represent value: 1")]
    [InlineData("{ mlflowGetRun(input: {runId: \"x\"}) { run } }", "must have a selection of subfields")]
    [InlineData("{ mlflowSearchRuns(input: {runViewType: SOME}) { runs { info { runId } } } }", "Value 'SOME' does not exist in 'MlflowViewType' enum.")]
    [InlineData("{ mlflowSearchDatasets(input: {experimentIds: []}) { datasetSummaries { name } } }", "Cannot query field 'mlflowSearchDatasets' on type 'Query'.")]
    [InlineData("{ mlflowGetRun(input: $x) { run { info { runId } } } }", "Variable '$x' is not defined.")]
    [InlineData("query Q($x: String!) { test(inputString: $x) { output } }", "Variable '$x' of required type 'String!' was not provided.")]
    [InlineData("{ ...F } fragment F on Query { ...G } fragment G on Query { ...F }", "Cannot spread fragment 'F' within itself.")]
    [InlineData("{ test(inputString: \"a\") { output } test(inputString: \"b\") { output } }", "Fields 'test' conflict")]
    [InlineData("{ __schema { types { name } } }", "introspection is not supported")]
    [InlineData("{ test(inputString: \"a\") { output }", "Syntax Error: Expected Name, found <EOF>.")]
    [InlineData("{ test(inputString: \"a) { output } }", "Syntax Error: Unterminated string.")]
    [InlineData("query A { test { output } } query B { test { output } }", "Must provide operation name")]
    [InlineData("", "Must provide query string.")]
    public async Task What_is_wrong_with_a_query_is_told(string query, string words)
    {
        await using var server = await MlflowServer.Start();
        Assert.Contains(words, await Fault(server, query));
    }

    [Fact]
    public async Task A_query_is_bounded_however_it_is_written()
    {
        await using var server = await MlflowServer.Start();
        string Many(string text, int n) => string.Concat(Enumerable.Repeat(text, n));
        Assert.Contains("at most 10 root fields, got 12 root fields", await Fault(server, "{" + string.Join(' ', Enumerable.Range(0, 12).Select(i => $"k{i}: test(inputString: \"a\") {{ output }}")) + "}"));
        Assert.Contains("at most 10 aliases", await Fault(server, "{ mlflowGetRun(input: {runId: \"x\"}) { " + string.Join(' ', Enumerable.Range(0, 12).Select(i => $"r{i}: run {{ info {{ runId }} }}")) + " } }"));
        Assert.Contains("maximum depth of 10", await Fault(server, "{" + Many("a {", 12) + "b" + Many("}", 13)));
        Assert.Contains("maximum depth of 10", await Fault(server, "{" + Many("a {", 50_000)));
        Assert.Contains("maximum depth of 10", await Fault(server, "{ test(inputString: " + Many("[", 50_000)));
        Assert.Contains("maximum total selections of 1000", await Fault(server, "{ mlflowGetRun(input: {runId: \"x\"}) { run { info { " + Many("runId ", 1000) + "} } } }"));
        // fragments that double each other: 2^20 fields
        var bomb = "{ mlflowGetRun(input: {runId: \"x\"}) { run { ...F0 } } } " + string.Join(' ', Enumerable.Range(0, 20).Select(i => $"fragment F{i} on MlflowRunExtension {{ ...F{i + 1} ...F{i + 1} }}")) + " fragment F20 on MlflowRunExtension { info { runId } }";
        Assert.Contains("maximum total selections of 1000", await Fault(server, bomb));
        Assert.Contains("longer than 200000 characters", await Fault(server, Many("{", 200_001)));
    }

    [Fact]
    public async Task It_sees_the_workspace_of_its_header_only()
    {
        await using var server = await MlflowServer.Start();
        var (run, _) = await Seed(server);
        await server.Send("POST", "/api/3.0/mlflow/workspaces", """{"name":"team-a"}""");
        var body = new JsonObject { ["query"] = $$"""{ mlflowGetRun(input: {runId: "{{run}}"}) { run { info { runId } } } }""" }.ToJsonString();
        Assert.Contains($"Run with id={run} not found", (await server.Send("POST", "/graphql", body, "team-a")).Body);
        Assert.Contains("\"errors\":null", (await server.Send("POST", "/graphql", body)).Body);
    }
}
