using System.Text.Json.Nodes;
using CsCheck;

namespace Takt.Protocols.Tests.Mlflow;

public sealed class BadInputTests
{
    const string Api = "/api/2.0/mlflow";

    [Theory]
    [InlineData("../../etc/passwd")]
    [InlineData("%2e%2e/%2e%2e/etc/passwd")]
    [InlineData("a/%252e%252e/%252e%252e/b")]
    [InlineData("a/..%2f..%2fb")]
    [InlineData("a/..%5c..%5cb")]
    [InlineData("%2fetc/passwd")]
    [InlineData("C:/x")]
    [InlineData("a//b")]
    public async Task No_path_leads_out_of_the_artifacts(string path)
    {
        await using var server = await MlflowServer.Start();
        foreach (var method in (string[])["GET", "PUT", "DELETE"])
        {
            var (status, body) = await server.Send(method, "/api/2.0/mlflow-artifacts/artifacts/" + path, method == "PUT" ? "{}" : null);
            Assert.True(status is 400 or 404, $"{method} {path}: {status} {body}");
        }
        Assert.Equal(400, (await server.Send("GET", "/api/2.0/mlflow-artifacts/artifacts?path=" + Uri.EscapeDataString("../x"))).Status);
    }

    [Theory]
    [InlineData("text/plain", "Bad Request. Content-Type must be one of ['application/json'].")]
    [InlineData("application/x-www-form-urlencoded", "Bad Request. Content-Type must be one of ['application/json'].")]
    [InlineData(null, "Bad Request. Content-Type header is missing.")]
    [InlineData("application/json; charset=utf-8", null)]
    public async Task Only_what_says_that_it_is_JSON_is_taken_for_it(string? type, string? refusal)
    {
        await using var server = await MlflowServer.Start();
        using var content = new ByteArrayContent("""{"name":"plain"}"""u8.ToArray());
        if (type is not null) content.Headers.TryAddWithoutValidation("Content-Type", type);
        using var answer = await server.Client.PostAsync(Api + "/experiments/create", content);
        Assert.Equal(refusal is null ? 200 : 400, (int)answer.StatusCode);
        if (refusal is not null) Assert.Equal(refusal, (string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["message"]);
        Assert.Equal(refusal is null, await server.App.Experiments.FindByName("plain") is not null);
    }

    [Theory]
    [InlineData("/health")]
    [InlineData("/version")]
    public async Task A_balancer_may_ask_for_the_head_only(string path)
    {
        await using var server = await MlflowServer.Start();
        Assert.Equal((200, ""), await server.Send("HEAD", path));
    }

    [Fact]
    public async Task A_renamed_Default_stays_experiment_0_and_leaves_its_name_to_others()
    {
        await using var server = await MlflowServer.Start();
        Assert.Equal(200, (await server.Send("POST", Api + "/experiments/update", """{"experiment_id":"0","new_name":"renamed"}""")).Status);
        Assert.Equal("""{"experiment_id":"1"}""", (await server.Send("POST", Api + "/experiments/create", """{"name":"next"}""")).Body);
        Assert.Equal(404, (await server.Send("GET", Api + "/experiments/get-by-name?experiment_name=Default")).Status);
        Assert.Contains("\"renamed\"", (await server.Send("GET", Api + "/experiments/get?experiment_id=0")).Body);
        Assert.Equal("""{"experiment_id":"2"}""", (await server.Send("POST", Api + "/experiments/create", """{"name":"Default"}""")).Body);
        Assert.Equal(200, (await server.Send("POST", Api + "/runs/create", """{"experiment_id":"0"}""")).Status);
    }

    [Theory]
    [InlineData("runs/create", "not json", "JSON")]
    [InlineData("runs/create", "[1]", "JSON")]
    [InlineData("runs/create", """{"start_time":"soon"}""", "start_time")]
    [InlineData("runs/create", """{"tags":{"a":1}}""", "tags")]
    [InlineData("runs/log-metric", """{"run_id":"x","key":"k","value":"many"}""", "value")]
    [InlineData("runs/log-metric", """{"run_id":"x","key":"k","value":1,"timestamp":-1}""", "timestamp")]
    [InlineData("runs/log-metric", """{"run_id":"x","key":"k","value":1,"timestamp":92233720368547758070}""", "timestamp")]
    [InlineData("runs/log-metric", """{"run_id":"x","key":"k","value":1}""", "timestamp")]
    [InlineData("runs/log-metric", """{"key":"k","value":1}""", "run_id")]
    [InlineData("runs/log-metric", """{"run_id":"x","key":"k","value":"","timestamp":1}""", "Missing value for required parameter 'value'")]
    [InlineData("runs/log-metric", """{"run_id":"x","key":"k","value":1,"timestamp":""}""", "Invalid value \"\" for parameter 'timestamp'")]
    [InlineData("runs/log-metric", """{"run_id":"x","key":"k","value":1,"timestamp":1,"dataset_name":"d"}""", "Both dataset_name and dataset_digest must be provided")]
    [InlineData("runs/log-batch", """{"run_id":"x","metrics":[{"key":"k","value":null,"timestamp":1}]}""", "'metrics[0].value'")]
    [InlineData("runs/log-inputs", """{"datasets":["a dataset"]}""", "run_id")]
    [InlineData("runs/log-inputs", """{"run_id":"../x"}""", "Invalid value \"../x\" for parameter 'run_id' supplied.")]
    [InlineData("runs/outputs", """{"run_id":"x"}""", "Missing value for required parameter 'models'")]
    [InlineData("runs/set-tag", """{"run_id":"x","key":"\ud800","value":"1"}""", "key")]
    [InlineData("experiments/create", """{"name":7}""", "name")]
    [InlineData("experiments/create", "null", "name")]
    [InlineData("experiments/create", """{"name":"x","artifact_location":"a\u0000b"}""", "artifact_location")]
    [InlineData("runs/search", """{"experiment_ids":["0"],"page_token":"%%%"}""", "page token")]
    [InlineData("runs/search", """{"experiment_ids":["0"],"max_results":50001}""", "max_results")]
    public async Task A_wrong_request_is_told_what_is_wrong(string path, string body, string word)
    {
        await using var server = await MlflowServer.Start();
        var (status, answer) = await server.Send("POST", $"{Api}/{path}", body);
        Assert.Equal(400, status);
        Assert.Equal("INVALID_PARAMETER_VALUE", (string?)JsonNode.Parse(answer)!["error_code"]);
        Assert.Contains(word, (string?)JsonNode.Parse(answer)!["message"]);
    }

    [Fact]
    public async Task A_list_that_is_empty_is_not_missing()
    {
        await using var server = await MlflowServer.Start();
        (string Path, string List, string More)[] calls =
        [
            ("/api/2.0/mlflow/logged-models/search", "experiment_ids", ""),
            ("/api/3.0/mlflow/traces/search", "locations", ""),
            ("/api/2.0/mlflow/traces/link-to-run", "trace_ids", """, "run_id": "of nobody" """),
            ("/api/3.0/mlflow/traces/calculate-filter-correlation", "experiment_ids", """, "filter_string1": "status = 'OK'", "filter_string2": "status = 'OK'" """),
        ];
        foreach (var (path, list, rest) in calls)
        {
            var (status, answer) = await server.Send("POST", path, $"{{\"{list}\": []{rest}}}");
            Assert.True(status == 200, answer);
            foreach (var none in (string[])["\"other\": 1", $"\"{list}\": null"])
            {
                (status, answer) = await server.Send("POST", path, "{" + none + rest + "}");
                Assert.True(status == 400 && answer.Contains($"Missing value for required parameter '{list}'", StringComparison.Ordinal), $"{path} {none}: {status} {answer}");
            }
        }
        var (refused, told) = await server.Send("POST", Api + "/webhooks", """{"name": "a", "url": "https://example.com", "events": []}""");
        Assert.True(refused == 400 && told.Contains("must be a non-empty list of WebhookEvent objects", StringComparison.Ordinal), told);
    }

    [Fact]
    public async Task What_nobody_could_have_made_and_what_is_deleted_is_not_there()
    {
        await using var server = await MlflowServer.Start();
        var name = new string('a', 257);
        Assert.Equal(400, (await server.Send("POST", Api + "/registered-models/create", $$"""{"name": "{{name}}"}""")).Status);
        Assert.Equal(404, (await server.Send("GET", $"{Api}/registered-models/get?name={name}")).Status);
        Assert.Equal(404, (await server.Send("POST", Api + "/model-versions/create", $$"""{"name": "{{name}}", "source": "s3://b/x"}""")).Status);
        const string Scorers = "/api/3.0/mlflow/scorers";
        Assert.Equal(200, (await server.Send("POST", Scorers + "/register", """{"experiment_id": "0", "name": "s", "serialized_scorer": "{}"}""")).Status);
        var (status, told) = await server.Send("DELETE", Scorers + "/delete", """{"experiment_id": "0", "name": "s", "version": 2}""");
        Assert.True(status == 404 && told.Contains("Scorer with name 's' and version 2 not found", StringComparison.Ordinal), told);
        Assert.Equal(200, (await server.Send("DELETE", Scorers + "/delete", """{"experiment_id": "0", "name": "s", "version": 1}""")).Status);
        Assert.Equal(404, (await server.Send("DELETE", Scorers + "/delete", """{"experiment_id": "0", "name": "s"}""")).Status);
    }

    [Fact]
    public async Task A_body_whose_bytes_are_no_UTF_8_is_told_so()
    {
        await using var server = await MlflowServer.Start();
        foreach (var path in (string[])["experiments/create", "runs/log-metric", "runs/log-batch"])
        {
            using var body = new ByteArrayContent([.. "{\"run_id\":\"x\",\"key\":\""u8, 0xff, .. "\",\"name\":\"n\",\"value\":1,\"timestamp\":1}"u8]);
            body.Headers.ContentType = new("application/json");
            using var answer = await server.Client.PostAsync($"{Api}/{path}", body);
            Assert.Equal(400, (int)answer.StatusCode);
            Assert.Contains("not text in UTF-8", await answer.Content.ReadAsStringAsync());
        }
        var (status, told) = await server.Send("POST", Api + "/experiments/search", """{"filter":"\udfff"}""");
        Assert.True(status == 400 && told.Contains("half of a surrogate pair", StringComparison.Ordinal), told);
        (status, told) = await server.Send("POST", "/api/3.0/mlflow/datasets/create", """{"name":"d","tags":"{\"\\ud800\": 1}"}""");
        Assert.True(status == 400 && told.Contains("half of a surrogate pair", StringComparison.Ordinal), told);
    }

    [Fact]
    public async Task Half_of_a_surrogate_pair_in_a_name_deep_in_a_judgement_is_kept_with_a_mark()
    {
        const string Traces = "/api/3.0/mlflow/traces";
        await using var server = await MlflowServer.Start();
        Assert.Equal(200, (await server.Send("POST", Traces, """{"trace":{"trace_info":{"trace_id":"tr-1","trace_location":{"type":"MLFLOW_EXPERIMENT","mlflow_experiment":{"experiment_id":"0"}},"request_time":"2026-01-01T00:00:00Z","state":"OK"}}}""")).Status);
        var (status, answer) = await server.Send("POST", Traces + "/tr-1/assessments", """{"assessment":{"assessment_name":"a","feedback":{"value":{"a\ud800":true}}}}""");
        Assert.True(status == 200, answer);
        Assert.Contains("a\\\\ud800", answer);
    }

    [Theory]
    [InlineData("runs", "metrics.m = true", "Invalid clause(s) in filter string: 'metrics.m', '=', 'true'")]
    [InlineData("runs", "metrics.m > 1 OR metrics.m < 2", "Invalid clause(s) in filter string: 'OR'")]
    [InlineData("runs", "(metrics.m > 1)", "Invalid clause(s) in filter string: '(metrics.m > 1)'")]
    [InlineData("runs", "metrics.m IS NOT NULL", "Invalid clause(s) in filter string: 'metrics.m', 'IS', 'NOT NULL'")]
    [InlineData("runs", "params.p = \"open", "Invalid clause(s) in filter string: 'params.p', '=', '\"', 'open'")]
    [InlineData("runs", "params.p IN ('a','b')", "Expected a quoted string value for parameter (e.g. 'my-value'). Got value ('a','b')")]
    [InlineData("runs", "metrics.m > 'a' AND nope", "Invalid clause(s) in filter string: 'nope'")]
    [InlineData("runs", "run_id IN ()", "While parsing a list in the query, expected a non-empty list of string values, but got empty list")]
    [InlineData("runs", "5 = 'v'", "Invalid comparison clause. Expected 'Identifier' found '5'")]
    [InlineData("runs", "metrics.m > 1 AND", null)]
    [InlineData("experiments", "name = true", "Invalid clause(s) in filter string: name, =, true")]
    [InlineData("experiments", "tags.t RLIKE 'v'", "Invalid comparator for tag: RLIKE")]
    [InlineData("experiments", "name = null", "Expected a quoted string value for attributes. Got value null")]
    [InlineData("experiments", "nope LIKE (5)", "Invalid attribute key 'nope' specified. Valid keys are '{'name', 'creation_time', 'last_update_time'}'")]
    [InlineData("registered-models", "evilhax = true", "Invalid clause(s) in filter string: evilhax, =, true")]
    [InlineData("registered-models", "name = 5", "Expected a quoted string value or a list of quoted string values for attributes. Got value 5")]
    [InlineData("model-versions", "name = 5", "Only the '{'creation_timestamp', 'version_number', 'last_updated_timestamp'}' attributes support comparison with numeric values.")]
    [InlineData("model-versions", "name IN ('a')", "Only the 'run_id' attribute supports comparison with a list of quoted string values.")]
    [InlineData("model-versions", "run_id NOT IN ('a')", "Invalid comparator for attribute: NOT IN")]
    public async Task A_filter_that_cannot_be_read_is_told_in_MLflows_words(string of, string filter, string? message)
    {
        await using var server = await MlflowServer.Start();
        var (status, answer) = of is "runs" or "experiments"
            ? await server.Send("POST", $"{Api}/{of}/search", new JsonObject { ["experiment_ids"] = new JsonArray("0"), ["max_results"] = 5, ["filter"] = filter }.ToJsonString())
            : await server.Send("GET", $"{Api}/{of}/search?filter={Uri.EscapeDataString(filter)}");
        Assert.Equal((message is null ? 200 : 400, message), (status, (string?)JsonNode.Parse(answer)!["message"]));
    }

    [Theory]
    [InlineData("runs/log-metric", """{"run_id":"RUN","key":"k","value":true,"timestamp":7,"step":3}""", "\"value\":1,\"timestamp\":7,\"step\":3")]
    [InlineData("runs/log-metric", """{"run_id":"RUN","key":"k","value":false,"timestamp":7}""", "\"value\":0,\"timestamp\":7")]
    [InlineData("runs/log-metric", """{"run_id":"RUN","key":"k","value":NaN,"timestamp":7}""", "\"value\":\"NaN\",\"timestamp\":7")]
    [InlineData("runs/log-batch", """{"run_id":"RUN","metrics":[{"key":"k","value": -Infinity,"timestamp":7}]}""", "\"value\":-1.7976931348623157")]
    [InlineData("runs/log-metric", """{"run_id":"RUN","key":"k","value":NaNs,"timestamp":7}""", null)]
    [InlineData("runs/log-metric", """{"run_id":"RUN","key":"k","value":2,"timestamp":1764441000123.75,"step":4}""", "\"timestamp\":1764441000123,\"step\":4")]
    [InlineData("runs/log-metric", """{"run_id":"RUN","key":"k","value":2,"timestamp":7,"step":1.9}""", "\"timestamp\":7,\"step\":1")]
    [InlineData("runs/log-batch", """{"run_id":"RUN","metrics":[{"key":"k","value":true,"timestamp":1.5}]}""", "\"value\":1,\"timestamp\":1")]
    [InlineData("runs/log-metric", """{"run_id":"RUN","key":"k","value":2,"timestamp":"1.5"}""", null)]
    [InlineData("runs/log-metric", """{"run_id":"RUN","key":"k","value":2,"timestamp":true}""", null)]
    [InlineData("runs/log-metric", """{"run_id":"RUN","key":"k","value":2,"timestamp":9223372036854775808}""", null)]
    [InlineData("runs/log-metric", """{"run_id":"RUN","key":"k\n","value":2,"timestamp":1}""", null)]
    [InlineData("runs/create", """{"experiment_id":"0","tags":"x"}""", null)]
    [InlineData("runs/create", """{"experiment_id":1.5}""", null)]
    [InlineData("runs/update", """{"run_id":"RUN","status":"NOPE"}""", null)]
    public async Task What_has_a_meaning_is_taken_and_read_back_and_nothing_else_is_stored(string path, string body, string? stored)
    {
        await using var server = await MlflowServer.Start();
        // an experiment's id as a number, as the oldest clients send it
        var run = (string)JsonNode.Parse((await server.Send("POST", Api + "/runs/create", """{"experiment_id":0}""")).Body)!["run"]!["info"]!["run_id"]!;
        var (status, answer) = await server.Send("POST", $"{Api}/{path}", body.Replace("RUN", run, StringComparison.Ordinal));
        Assert.True(status == (stored is null ? 400 : 200), answer);
        var now = (await server.Send("GET", $"{Api}/runs/get?run_id={run}")).Body;
        if (stored is null) Assert.DoesNotContain("\"metrics\"", now);
        else Assert.Contains(stored, now);
        Assert.Contains("RUNNING", now);
    }

    [Fact]
    public async Task A_batch_over_the_limit_is_refused_and_a_param_that_changes_undoes_its_batch()
    {
        await using var server = await MlflowServer.Start();
        var run = (string)JsonNode.Parse((await server.Send("POST", Api + "/runs/create", """{"experiment_id":"0"}""")).Body)!["run"]!["info"]!["run_id"]!;
        var metrics = string.Join(',', Enumerable.Range(0, 1001).Select(i => $$"""{"key":"m","value":{{i}},"timestamp":1,"step":{{i}}}"""));
        var (status, answer) = await server.Send("POST", Api + "/runs/log-batch", $$"""{"run_id":"{{run}}","metrics":[{{metrics}}]}""");
        Assert.Equal(400, status);
        Assert.Contains("at most 1000 metrics", answer);
        Assert.Equal(200, (await server.Send("POST", Api + "/runs/log-parameter", $$"""{"run_id":"{{run}}","key":"p","value":"1"}""")).Status);
        var batch = $$"""{"run_id":"{{run}}","metrics":[{"key":"m","value":1,"timestamp":1}],"params":[{"key":"p","value":"2"}]}""";
        (status, answer) = await server.Send("POST", Api + "/runs/log-batch", batch);
        Assert.Equal(400, status);
        Assert.Equal($"Changing param values is not allowed. Params were already logged='[{{'key': 'p', 'old_value': '1', 'new_value': '2'}}]' for run ID='{run}'.", (string?)JsonNode.Parse(answer)!["message"]);
        Assert.Equal("{}", (await server.Send("GET", $"{Api}/metrics/get-history?run_id={run}&metric_key=m")).Body);
    }

    [Fact]
    public async Task History_has_every_point_once_in_pages()
    {
        await using var server = await MlflowServer.Start();
        var run = (string)JsonNode.Parse((await server.Send("POST", Api + "/runs/create", """{"experiment_id":"0"}""")).Body)!["run"]!["info"]!["run_id"]!;
        var metrics = string.Join(',', Enumerable.Range(0, 500).Select(i => $$"""{"key":"m","value":{{i}}.5,"timestamp":{{i}},"step":{{i}}}"""));
        for (var twice = 0; twice < 2; twice++)
            Assert.Equal(200, (await server.Send("POST", Api + "/runs/log-batch", $$"""{"run_id":"{{run}}","metrics":[{{metrics}}]}""")).Status);
        var values = new List<double>();
        for (var token = ""; token is not null;)
        {
            var page = JsonNode.Parse((await server.Send("GET", $"{Api}/metrics/get-history?run_id={run}&metric_key=m&max_results=200&page_token={Uri.EscapeDataString(token)}")).Body)!;
            values.AddRange(page["metrics"]!.AsArray().Select(m => (double)m!["value"]!));
            token = (string?)page["next_page_token"];
        }
        Assert.Equal(Enumerable.Range(0, 500).Select(i => i + 0.5), values);
    }

    static Gen<string>[] Pieces(params string[] pieces) => [.. pieces.Select(p => Gen.Const(p))];

    [Fact]
    public async Task No_filter_is_answered_by_a_bug()
    {
        await using var server = await MlflowServer.Start();
        var piece = Gen.OneOf(Gen.Const("metrics.a > 1"), Gen.Const("metrics.a"), Gen.OneOf(Pieces("metrics.", "params.", "tags.", "attributes.", "dataset.", "a", "run_id", "start_time", "`", "\"", "'", "''", "=", "!=", ">", "~", " AND ", " IN ", "NOT IN", " LIKE ", "(", ")", ",", "1", "1e999", "NaN", " ", "%", "\u0000", "é")), Gen.String[0, 4]);
        var filters = new List<string>();
        Gen.Select(piece.Array[0, 12], string.Concat).Sample(filters.Add, iter: 2000, threads: 1);
        foreach (var filter in filters)
        {
            var body = new JsonObject { ["experiment_ids"] = new JsonArray("0"), ["filter"] = filter }.ToJsonString();
            var (status, answer) = await server.Send("POST", Api + "/runs/search", body);
            Assert.True(status is 200 or 400, $"{body}: {status} {answer}");
        }
    }
}
