using System.Globalization;
using System.Text.Json.Nodes;
using CsCheck;

namespace Takt.Protocols.Tests.Mlflow;

/// <summary>Made-up filters, orders and bodies for every tracking call: never a 500, never a hang. <c>TAKT_FUZZ</c> says how many of each; 400 when it is not set.</summary>
public sealed class TrackingFuzzTests
{
    const string Api = "/api/2.0/mlflow";

    static readonly int Count = int.TryParse(Environment.GetEnvironmentVariable("TAKT_FUZZ"), CultureInfo.InvariantCulture, out var count) ? count : 400;

    static readonly string[] Posts =
    [
        "experiments/create", "experiments/search", "experiments/update", "experiments/delete", "experiments/restore", "experiments/set-experiment-tag", "experiments/delete-experiment-tag",
        "experiments/search-datasets", "runs/create", "runs/update", "runs/delete", "runs/restore", "runs/search", "runs/log-metric", "runs/log-parameter", "runs/log-batch", "runs/set-tag",
        "runs/delete-tag", "runs/log-model", "runs/log-inputs", "runs/outputs", "logged-models", "logged-models/search",
        "registered-models/create", "registered-models/rename", "registered-models/set-tag", "registered-models/alias", "registered-models/get-latest-versions", "PATCH registered-models/update",
        "DELETE registered-models/delete", "DELETE registered-models/delete-tag", "DELETE registered-models/alias", "model-versions/create", "model-versions/transition-stage", "model-versions/set-tag",
        "PATCH model-versions/update", "DELETE model-versions/delete", "DELETE model-versions/delete-tag", "webhooks",
        "/ajax-api/2.0/mlflow/runs/create-promptlab-run", "/ajax-api/2.0/mlflow/gateway-proxy", "/api/2.0/mlflow-artifacts/mpu/create/0/a", "/api/2.0/mlflow-artifacts/mpu/complete/0/a", "/api/2.0/mlflow-artifacts/mpu/abort/0/a",
        "PUT /api/2.0/mlflow-artifacts/mpu/parts/x/1", "/api/3.0/mlflow/workspaces", "PATCH /api/3.0/mlflow/workspaces/default", "/api/v1/deployments/nobody/labels",
    ];

    static readonly string[] Gets = ["experiments/get", "experiments/get-by-name", "experiments/search", "runs/get", "metrics/get-history", "metrics/get-history-bulk", "metrics/get-history-bulk-interval", "artifacts/list",
        "registered-models/get", "registered-models/search", "registered-models/alias", "model-versions/get", "model-versions/search", "model-versions/get-download-uri", "webhooks"];

    static readonly string[] Names =
    [
        "run_id", "run_uuid", "experiment_id", "experiment_ids", "experiment_name", "name", "new_name", "key", "value", "timestamp", "step", "metrics", "params", "tags", "filter", "order_by", "max_results",
        "page_token", "run_view_type", "view_type", "status", "end_time", "start_time", "run_name", "user_id", "model_id", "dataset_name", "dataset_digest", "datasets", "dataset", "digest", "models",
        "model_json", "source", "source_type", "schema", "profile", "metric_key", "run_ids", "start_step", "end_step", "field_name", "ascending", "artifact_location", "model_type", "source_run_id", "path",
        "version", "alias", "stage", "stages", "description", "archive_existing_versions", "run_link", "url", "events", "secret",
        "num_parts", "upload_id", "parts", "part_number", "etag", "gateway_path", "json_data", "prompt_template", "prompt_parameters", "model_route", "model_parameters", "model_input", "model_output",
        "model_output_parameters", "labels", "id", "label", "default_artifact_root",
    ];

    static Gen<string> Of(params string[] items) => Gen.Int[0, items.Length - 1].Select(i => items[i]);

    static Gen<string> Piece(string run) => Gen.OneOf(
        Of("metrics.", "params.", "tags.", "attributes.", "dataset.", "a", "run_id", "start_time", "end_time", "status", "name", "`", "\"", "'", "''", "=", "!=", ">", "<=", "~", " AND ", " OR ",
            " IN ", " NOT IN ", " LIKE ", " ILIKE ", " RLIKE ", " IS NULL", " IS NOT NULL", "(", ")", ",", "1", "-1", "1e999", "NaN", "9223372036854775808", " ", "%", "_", "[", "*", "\\", "\u0000", "é", "😀", "\u202e",
            "metrics.m > 0.5", "params.p = 'v'", "tags.`a b` LIKE '%x%'", "attributes.run_name ILIKE 'R%'", "dataset.name IN ('d', 'e')", " DESC", " ASC", ";", "--", "/*"),
        Gen.Const($"run_id = '{run}'"), Gen.String[0, 5]);

    static Gen<string> Text(string run, string experiment) => Gen.Frequency(
        (3, Gen.Const(run)), (3, Gen.Const(experiment)), (4, Of("m", "p", "a/b", "../x", "", "NaN", "-Infinity", "FINISHED", "ALL", "1", "-1", "1e3", "9223372036854775807", "eyJvZmZzZXQiOiAzfQ==", "metrics.m", "ключ", "😀", "{}", "[1]")),
        (4, Piece(run).Array[0, 8].Select(string.Concat)), (1, Gen.String[0, 40]), (1, Gen.Int[1, 9000].Select(n => new string('x', n))));

    static Gen<JsonNode?> Node(string run, string experiment, int depth)
    {
        var leaf = Gen.OneOf(
            Text(run, experiment).Select(t => (JsonNode?)JsonValue.Create(t)), Gen.Int[-5, 2000].Select(n => (JsonNode?)JsonValue.Create(n)), Gen.Long.Select(n => (JsonNode?)JsonValue.Create(n)),
            Gen.Double.Select(d => (JsonNode?)(double.IsFinite(d) ? JsonValue.Create(d) : null)), Gen.Bool.Select(b => (JsonNode?)JsonValue.Create(b)));
        if (depth == 0) return leaf;
        var inner = Node(run, experiment, depth - 1);
        return Gen.Frequency((6, leaf), (2, inner.Array[0, 4].Select(items => (JsonNode?)new JsonArray([.. items.Select(i => i?.DeepClone())]))), (3, Object(inner).Select(o => (JsonNode?)o)));
    }

    static Gen<JsonObject> Object(Gen<JsonNode?> value) => Gen.Select(Of(Names), value).Array[0, 8].Select(members =>
    {
        var all = new JsonObject();
        foreach (var (name, item) in members) all[name] = item?.DeepClone();
        return all;
    });

    [Fact]
    public async Task No_body_of_a_tracking_call_is_answered_by_a_bug()
    {
        await using var server = await MlflowServer.Start();
        var (run, experiment) = await Seed(server);
        var bodies = new List<(string Path, string Body)>();
        // what a call wants is often there, so that the rest is reached
        var request = Gen.Select(Of(Posts), Object(Node(run, experiment, 2)), Gen.Int[0, 3], (path, body, base0) =>
        {
            if (base0 > 0)
            {
                body["run_id"] ??= run;
                body["experiment_id"] ??= experiment;
                body["key"] ??= "k";
                body["value"] ??= path.EndsWith("log-metric", StringComparison.Ordinal) ? 1 : "v";
                body["timestamp"] ??= 1;
                body["experiment_ids"] ??= new JsonArray(experiment);
            }
            return (path, body.ToJsonString());
        });
        await Each(request, async sample =>
        {
            var (method, path) = sample.path.Split(' ') is [var other, var rest] ? (other, rest) : ("POST", sample.path);
            var (status, answer) = await server.Send(method, path[0] == '/' ? path : $"{Api}/{path}", sample.Item2);
            Assert.True(status is 200 or 201 or 400 or 403 or 404 or 405 or 501, $"{sample.path} {sample.Item2}: {status} {answer}");
        });
        Assert.Equal(200, (await server.Send("GET", $"{Api}/runs/get?run_id={run}")).Status);
    }

    [Fact]
    public async Task No_filter_order_or_query_is_answered_by_a_bug()
    {
        await using var server = await MlflowServer.Start();
        var (run, experiment) = await Seed(server);
        var filter = Piece(run).Array[0, 10].Select(string.Concat);
        await Each(Gen.Select(filter, Gen.Frequency((2, Gen.Const("")), (1, filter)), Of("runs/search", "experiments/search", "logged-models/search")), async sample =>
        {
            var body = new JsonObject { ["experiment_ids"] = new JsonArray(experiment), ["filter"] = sample.Item1, ["max_results"] = 3 };
            if (sample.Item2.Length > 0) body["order_by"] = sample.Item3 == "logged-models/search" ? new JsonArray(new JsonObject { ["field_name"] = sample.Item2 }) : new JsonArray(sample.Item2);
            var (status, answer) = await server.Send("POST", $"{Api}/{sample.Item3}", body.ToJsonString());
            Assert.True(status is 200 or 400, $"{sample.Item3} {body}: {status} {answer}");
        });
        await Each(Gen.Select(Of(Gets), Gen.Select(Of(Names), Text(run, experiment)).Array[0, 5]), async sample =>
        {
            var query = string.Join('&', sample.Item2.Select(m => $"{m.Item1}={Uri.EscapeDataString(Whole(m.Item2[..Math.Min(m.Item2.Length, 500)]))}"));
            var (status, answer) = await server.Send("GET", $"{Api}/{sample.Item1}?{query}");
            Assert.True(status is 200 or 400 or 404 or 501, $"{sample.Item1} {query}: {status} {answer}");
        });
    }

    [Fact]
    public async Task No_query_of_GraphQL_is_answered_by_a_bug()
    {
        await using var server = await MlflowServer.Start();
        var (run, experiment) = await Seed(server);
        var piece = Gen.OneOf(
            Of("query", "mutation", "fragment", "on", "F", "...", "...F", "{", "}", "(", ")", "[", "]", ":", "!", "$", "$v", "@include(if: true)", "@skip(if: $v)", "@x", "#", "\n", "\"", "\"\"\"", "\\u00", "1", "-1.5e3", "null", "true", "a:", ",", "é", "\u0000",
                "mlflowGetRun", "mlflowSearchRuns", "mlflowGetExperiment", "input:", "runId:", "experimentId:", "run", "info", "status", "experiment", "name", "modelVersions", "test", "inputString:", "output", "__typename", "__schema",
                "{ run { info { runId } experiment { name } modelVersions { name } } }", "query Q($v: Boolean = true)", "fragment F on MlflowRunExtension { info { status } ...F }"),
            Gen.Const($"mlflowGetRun(input: {{runId: \"{run}\"}})"), Gen.Const($"mlflowSearchRuns(input: {{experimentIds: [\"{experiment}\"]}}) {{ runs {{ data {{ metrics {{ key value }} }} }} }}"), Gen.String[0, 4]);
        await Each(Gen.Select(piece.Array[0, 14].Select(pieces => string.Join(' ', pieces)), Object(Node(run, experiment, 1)), Gen.Bool), async sample =>
        {
            var body = new JsonObject { ["query"] = sample.Item3 ? "{ " + sample.Item1 + " }" : sample.Item1, ["variables"] = sample.Item2.DeepClone() };
            var (status, answer) = await server.Send("POST", "/graphql", body.ToJsonString());
            Assert.True(status == 200 && JsonNode.Parse(answer)!.AsObject().ContainsKey("data"), $"{body}: {status} {answer}");
        });
    }

    // half of a surrogate pair can't be in an address
    static string Whole(string text) => string.Concat(text.Where(c => !char.IsSurrogate(c)));

    static async Task Each<T>(Gen<T> gen, Func<T, Task> check)
    {
        for (var done = 0; done < Count;)
        {
            var some = new List<T>();
            gen.Sample(some.Add, iter: Math.Min(1000, Count - done), threads: 1);
            done += some.Count;
            await Parallel.ForEachAsync(some, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (sample, _) =>
            {
                try
                {
                    await check(sample);
                }
                catch (TaskCanceledException e)
                {
                    throw new TimeoutException($"no answer to {sample}", e); // it hangs, or the machine is very busy
                }
            });
        }
    }

    static async Task<(string Run, string Experiment)> Seed(MlflowServer server)
    {
        var experiment = (string)JsonNode.Parse((await server.Send("POST", Api + "/experiments/create", """{"name":"fuzz"}""")).Body)!["experiment_id"]!;
        var run = (string)JsonNode.Parse((await server.Send("POST", Api + "/runs/create", $$"""{"experiment_id":"{{experiment}}","run_name":"R"}""")).Body)!["run"]!["info"]!["run_id"]!;
        await server.Send("POST", Api + "/runs/log-batch", $$"""{"run_id":"{{run}}","metrics":[{"key":"m","value":0.7,"timestamp":1}],"params":[{"key":"p","value":"v"}],"tags":[{"key":"a b","value":"xx"}]}""");
        return (run, experiment);
    }
}
