using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Takt.Server.Protocols.OpenTelemetry;

namespace Takt.Protocols.Tests.Mlflow;

/// <summary>Traces over HTTP: what clients send, and what nobody should.</summary>
public sealed class TraceTests
{
    /// <summary>One span with attributes of every kind, an event and a status, as an exporter packs it.</summary>
    static readonly byte[] Sample = Request(Span(Bytes(16, 7), Bytes(8, 1), [], "ask"));

    /// <summary>How many inputs are tried; the variable TAKT_FUZZ asks for more.</summary>
    static int Times(int usual) => int.TryParse(Environment.GetEnvironmentVariable("TAKT_FUZZ"), out var asked) ? asked : usual;

    const string TraceId = "tr-07070707070707070707070707070707";

    [Fact]
    public async Task Spans_of_an_exporter_become_a_trace_that_can_be_read_and_found()
    {
        await using var server = await MlflowServer.Start();
        Assert.Equal((200, 0), await Export(server, Sample));
        var (status, body) = await server.Send("GET", $"/api/3.0/mlflow/traces/get?trace_id={TraceId}");
        Assert.Equal(200, status);
        var span = JsonNode.Parse(body)!["trace"]!["spans"]![0]!;
        Assert.Equal(("ask", "STATUS_CODE_ERROR", "went wrong"), ((string)span["name"]!, (string)span["status"]!["code"]!, (string)span["status"]!["message"]!));
        var attributes = span["attributes"]!.AsArray().ToDictionary(a => (string)a!["key"]!, a => a!["value"]!.ToJsonString());
        Assert.Equal("""{"string_value":"w\u00F6rds"}""", attributes["text"]);
        Assert.Equal("""{"bool_value":true}""", attributes["flag"]);
        Assert.Equal("""{"int_value":-5}""", attributes["whole"]);
        Assert.Equal("""{"double_value":0.5}""", attributes["real"]);
        Assert.Equal("""{"double_value":"NaN"}""", attributes["nan"]);
        Assert.Equal("""{"array_value":{"values":[{"int_value":1},{}]}}""", attributes["list"]);
        Assert.Equal("""{"kvlist_value":{"values":[{"key":"k","value":{"string_value":"v"}}]}}""", attributes["map"]);
        Assert.Equal("boom", (string)span["events"]![0]!["name"]!);
        Assert.Contains("\"ERROR\"", await Search(server, "span.attributes.text = 'wörds' AND span.name LIKE 'a%'"));
        Assert.DoesNotContain(TraceId, await Search(server, "span.attributes.text = 'words'"));
        Assert.Equal(200, (await server.Send("GET", $"/ajax-api/2.0/mlflow/get-trace-artifact?request_id={TraceId}")).Status);
    }

    [Fact]
    public async Task Links_of_spans_to_others_are_given_back_whatever_they_came_in()
    {
        await using var server = await MlflowServer.Start();
        byte[] link = [.. Tagged(1, Bytes(16, 2)), .. Tagged(2, Bytes(8, 3)), .. Tagged(4, Pair("kind", Tagged(1, "handoff"u8.ToArray())))], bare = [.. Tagged(1, Bytes(16, 4)), .. Tagged(2, Bytes(8, 5))];
        Assert.Equal(200, (await Export(server, Request([.. Span(Bytes(16, 7), Bytes(8, 1), [], "packed"), .. Tagged(13, link), .. Tagged(13, bare)]))).Status);
        var json = """
            {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "08080808080808080808080808080808", "spanId": "0101010101010101", "name": "told", "startTimeUnixNano": "1", "endTimeUnixNano": "2",
              "links": [{"traceId": "02020202020202020202020202020202", "spanId": "0303030303030303", "attributes": [{"key": "kind", "value": {"stringValue": "handoff"}}]},
                        {"traceId": "04040404040404040404040404040404", "spanId": "0505050505050505", "traceState": "a=b", "flags": 1}]}]}]}]}
            """;
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/traces") { Content = new StringContent(json, new MediaTypeHeaderValue("application/json")), Headers = { { "x-mlflow-experiment-id", "0" } } };
        Assert.Equal(HttpStatusCode.OK, (await server.Client.SendAsync(request)).StatusCode);
        foreach (var trace in (string[])[TraceId, TraceId.Replace('7', '8')])
        {
            var (_, body) = await server.Send("GET", $"/api/3.0/mlflow/traces/get?trace_id={trace}");
            Assert.Equal("""[{"trace_id":"AgICAgICAgICAgICAgICAg==","span_id":"AwMDAwMDAwM=","attributes":[{"key":"kind","value":{"string_value":"handoff"}}]},{"trace_id":"BAQEBAQEBAQEBAQEBAQEBA==","span_id":"BQUFBQUFBQU="}]""",
                JsonNode.Parse(body)!["trace"]!["spans"]![0]!["links"]!.ToJsonString());
            (_, body) = await server.Send("GET", $"/ajax-api/2.0/mlflow/get-trace-artifact?request_id={trace}");
            Assert.Equal(("tr-04040404040404040404040404040404", "0505050505050505", null),
                JsonNode.Parse(body)!["spans"]![0]!["links"]![1] is { } second ? ((string?)second["trace_id"], (string?)second["span_id"], second["attributes"]) : default);
        }
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("deflate")]
    public async Task A_packed_body_is_unpacked(string encoding)
    {
        await using var server = await MlflowServer.Start();
        using var packed = new MemoryStream();
        await using (Stream stream = encoding == "gzip" ? new GZipStream(packed, CompressionLevel.Fastest, true) : new ZLibStream(packed, CompressionLevel.Fastest, true)) stream.Write(Sample);
        Assert.Equal(200, (await Export(server, packed.ToArray(), encoding)).Status);
        Assert.Equal(200, (await server.Send("GET", $"/api/3.0/mlflow/traces/{TraceId}")).Status);
        Assert.Equal(400, (await Export(server, Sample, encoding)).Status);
    }

    [Fact]
    public async Task What_is_no_trace_is_refused_with_its_reason()
    {
        await using var server = await MlflowServer.Start();
        Assert.Equal(400, (await Export(server, Sample, type: "text/plain")).Status);
        Assert.Equal(400, (await Export(server, Sample, type: "application/json")).Status);
        Assert.Equal(422, (await Export(server, Sample, experiment: null)).Status);
        Assert.Equal(404, (await Export(server, Sample, experiment: "99")).Status);
        Assert.Equal(404, (await Export(server, Sample, experiment: "no number")).Status);
        Assert.Equal(415, (await Export(server, Sample, "br")).Status);
        Assert.Equal(400, (await Export(server, "this is not valid protobuf data at all"u8.ToArray())).Status);
        Assert.Equal(400, (await Export(server, [])).Status);
        Assert.Equal(422, (await Export(server, Request(Span([], Bytes(8, 1), [], "no trace")))).Status);
        Assert.Equal(422, (await Export(server, Request(Span(Bytes(16, 1), Bytes(4, 1), [], "short")))).Status);
        var bomb = new byte[33 << 20];
        using var packed = new MemoryStream();
        await using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, true)) gzip.Write(bomb);
        Assert.Equal(413, (await Export(server, packed.ToArray(), "gzip")).Status);
        Assert.Equal(413, (await Export(server, bomb)).Status);
    }

    [Fact]
    public void A_request_cut_at_any_byte_or_of_random_bytes_is_read_or_refused_and_nothing_else()
    {
        var refused = 0;
        for (var length = 0; length < Sample.Length; length++) refused += Refused(Sample.AsSpan(0, length)) ? 1 : 0;
        Assert.True(refused > Sample.Length / 2);
        var random = new Random(1);
        for (var i = 0; i < Times(40_000); i++)
        {
            var bytes = i % 2 == 0 ? (byte[])Sample.Clone() : new byte[random.Next(64)];
            if (i % 2 == 0) for (var n = random.Next(1, 4); n > 0; n--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            else random.NextBytes(bytes);
            Refused(bytes);
        }
        byte[] deep = Tagged(1, "x"u8.ToArray());
        for (var i = 0; i < 500; i++) deep = Tagged(5, Tagged(1, deep));
        Assert.True(Refused(Request(Tagged(9, [.. Tagged(1, "k"u8.ToArray()), .. Tagged(2, deep)]))));

        static bool Refused(ReadOnlySpan<byte> bytes)
        {
            try
            {
                foreach (var span in OtlpRequest.Parse(bytes).Spans)
                    if (span.Trace.Length == 16 && span.Id.Length == 8 && span.Parent.Length is 0 or 8) Takt.Runs.Traces.SpanText.Of(span);
                return false;
            }
            catch (Exception e) when (e is FormatException or TaktException)
            {
                return true;
            }
        }
    }

    [Fact]
    public async Task A_trace_that_tells_another_place_for_its_files_neither_shows_nor_removes_what_is_there()
    {
        await using var server = await MlflowServer.Start();
        foreach (var team in (string[])["team-a", "team-b"]) await server.Send("POST", "/api/3.0/mlflow/workspaces", $$"""{"name":"{{team}}"}""");
        foreach (var (workspace, path) in ((string, string)[])[("team-b", "secret/traces.json"), ("team-a", "secret/traces.json")])
            Assert.Equal(200, (await server.Send("PUT", $"/api/2.0/mlflow-artifacts/artifacts/{path}", $"\"{workspace}\"", workspace)).Status);
        var (_, made) = await server.Send("POST", "/api/2.0/mlflow/experiments/create", """{"name": "mine"}""", "team-a");
        var experiment = (string)JsonNode.Parse(made)!["experiment_id"]!;
        foreach (var (id, place) in ((string, string)[])[("secret", "workspaces/team-b/secret"), ("cret", "secret")])
        {
            var (status, told) = await server.Send("POST", "/api/3.0/mlflow/traces", $$$"""
                {"trace": {"trace_info": {"trace_id": "{{{id}}}", "request_time": "2026-01-01T00:00:00Z", "state": "OK", "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "{{{experiment}}}" } } } } }
                """, "team-a");
            Assert.True(status == 200, told);
            Assert.Equal(200, (await server.Send("PATCH", $"/api/3.0/mlflow/traces/{id}/tags", $$"""{"key": "mlflow.artifactLocation", "value": "mlflow-artifacts:/{{place}}"}""", "team-a")).Status);
            Assert.Equal((200, """{"traces_deleted":1}"""), await server.Send("POST", "/api/2.0/mlflow/traces/delete-traces", $$"""{"experiment_id": "{{experiment}}", "request_ids": ["{{id}}"]}""", "team-a"));
        }
        var (_, started) = await server.Send("POST", "/api/2.0/mlflow/traces", $$"""{"experiment_id": "{{experiment}}", "timestamp_ms": 1000}""", "team-a");
        var older = (string)JsonNode.Parse(started)!["trace_info"]!["request_id"]!;
        await server.Send("PATCH", $"/api/2.0/mlflow/traces/{older}/tags", """{"key": "mlflow.artifactLocation", "value": "mlflow-artifacts:/workspaces/team-b/secret"}""", "team-a");
        Assert.DoesNotContain("team-b", (await server.Send("GET", $"/ajax-api/2.0/mlflow/get-trace-artifact?request_id={older}", null, "team-a")).Body);
        Assert.Equal((200, "\"team-b\""), await server.Send("GET", "/api/2.0/mlflow-artifacts/artifacts/secret/traces.json", null, "team-b"));
        Assert.Equal((200, "\"team-a\""), await server.Send("GET", "/api/2.0/mlflow-artifacts/artifacts/secret/traces.json", null, "team-a"));
    }

    [Fact]
    public async Task A_trace_of_a_2_x_client_starts_ends_and_keeps_its_spans_as_a_file()
    {
        await using var server = await MlflowServer.Start();
        var (_, started) = await server.Send("POST", "/api/2.0/mlflow/traces", """{"experiment_id": "0", "timestamp_ms": 1000, "request_metadata": [{"key": "a", "value": "b"}], "tags": [{"key": "mlflow.traceName", "value": "n"}]}""");
        var info = JsonNode.Parse(started)!["trace_info"]!;
        var id = (string)info["request_id"]!;
        Assert.Equal(("IN_PROGRESS", 0L), ((string)info["status"]!, (long)info["execution_time_ms"]!));
        var location = info["tags"]!.AsArray().Single(t => (string)t!["key"]! == "mlflow.artifactLocation")!["value"]!.GetValue<string>();
        using (var file = new StringContent("""{"spans": []}""")) Assert.True((await server.Client.PutAsync($"/api/2.0/mlflow-artifacts/artifacts/{location["mlflow-artifacts:/".Length..]}/traces.json", file)).IsSuccessStatusCode);
        var (_, ended) = await server.Send("PATCH", $"/api/2.0/mlflow/traces/{id}", """{"timestamp_ms": 1500, "status": "OK", "tags": [{"key": "c", "value": "d"}]}""");
        Assert.Equal(("OK", 500L), ((string)JsonNode.Parse(ended)!["trace_info"]!["status"]!, (long)JsonNode.Parse(ended)!["trace_info"]!["execution_time_ms"]!));
        Assert.Contains(id, (await server.Send("GET", "/api/2.0/mlflow/traces?experiment_ids=0&max_results=10&filter=name%20%3D%20'n'")).Body);
        Assert.Equal("""{"spans": []}""", (await server.Send("GET", $"/ajax-api/2.0/mlflow/get-trace-artifact?request_id={id}")).Body);
        Assert.Equal((200, """{"traces_deleted":0}"""), await server.Send("POST", "/api/2.0/mlflow/traces/delete-traces", """{"experiment_id": "0", "max_timestamp_millis": 0}"""));
        await server.Send("POST", "/api/2.0/mlflow/traces/delete-traces", $$"""{"experiment_id": "0", "request_ids": ["{{id}}"]}""");
        Assert.Equal(404, (await server.Send("GET", $"/api/2.0/mlflow/traces/{id}/info")).Status);
        Assert.Contains($"No trace tag with key 'c' for trace with ID '{id}'", (await server.Send("DELETE", $"/api/2.0/mlflow/traces/{id}/tags", """{"key": "c"}""")).Body);
        Assert.Equal(404, (int)(await server.Client.GetAsync($"/api/2.0/mlflow-artifacts/artifacts/{location["mlflow-artifacts:/".Length..]}/traces.json")).StatusCode);
    }

    [Fact]
    public async Task A_trace_without_spans_is_whole_unless_its_client_counted_some()
    {
        const string Traces = "/api/3.0/mlflow/traces";
        await using var server = await MlflowServer.Start();
        foreach (var (id, stats) in ((string, string)[])[("tr-none", ""), ("tr-late", """, "trace_metadata": {"mlflow.trace.sizeStats": "{\"num_spans\": 1}"} """)])
            Assert.Equal(200, (await server.Send("POST", Traces, $$"""{"trace": {"trace_info": {"trace_id": "{{id}}", "trace_location": {"mlflow_experiment": {"experiment_id": "0"} }, "state": "OK"{{stats}} } } }""")).Status);
        var (_, found) = await server.Send("GET", Traces + "/batchGet?trace_ids=tr-none&trace_ids=tr-late");
        Assert.Equal("tr-none", (string)Assert.Single(JsonNode.Parse(found)!["traces"]!.AsArray())!["trace_info"]!["trace_id"]!);
        Assert.Equal(200, (await server.Send("GET", Traces + "/get?trace_id=tr-none")).Status);
        Assert.Equal(404, (await server.Send("GET", Traces + "/get?trace_id=tr-late")).Status);
        // of traces without a single failure nothing can be told
        Assert.Equal("""{"filter1_count":2,"filter2_count":0,"joint_count":0,"total_count":2}""", (await server.Send("POST", Traces + "/calculate-filter-correlation",
            """{"experiment_ids": ["0"], "filter_string1": "status = 'OK'", "filter_string2": "status = 'ERROR'"}""")).Body);
    }

    [Fact]
    public async Task A_trace_that_is_told_of_after_its_link_to_a_run_is_found_by_the_run()
    {
        await using var server = await MlflowServer.Start();
        var run = (string)JsonNode.Parse((await server.Send("POST", "/api/2.0/mlflow/runs/create", """{"experiment_id":"0"}""")).Body)!["run"]!["info"]!["run_id"]!;
        const string Traces = "/api/3.0/mlflow/traces", Link = "/api/2.0/mlflow/traces/link-to-run";
        Assert.Equal((200, "{}"), await server.Send("POST", Link, $$"""{"run_id": "{{run}}", "trace_ids": ["tr-1", "tr-1"]}"""));
        Assert.Equal(404, (await server.Send("POST", Link, """{"run_id": "of nobody", "trace_ids": ["tr-1"]}""")).Status);
        Assert.Equal(400, (await server.Send("POST", Link, $$"""{"run_id": "{{run}}", "trace_ids": ["{{new string('a', 251)}}"]}""")).Status);
        // until then there is no trace: whoever links to one that never comes leaves nothing to be seen, counted or deleted
        Assert.Equal("{}", await Search(server, $"run_id = '{run}'"));
        Assert.Equal("{}", await Search(server, ""));
        Assert.Equal(404, (await server.Send("GET", Traces + "/tr-1")).Status);
        Assert.Equal(404, (await server.Send("PATCH", Traces + "/tr-1/tags", """{"key": "k", "value": "v"}""")).Status);
        Assert.Contains("\"total_count\":0", (await server.Send("POST", Traces + "/calculate-filter-correlation",
            """{"experiment_ids": ["0"], "filter_string1": "status = 'OK'", "filter_string2": "status = 'ERROR'"}""")).Body);
        Assert.Equal("""{"traces_deleted":0}""", (await server.Send("POST", Traces + "/delete-traces", """{"experiment_id": "0", "max_timestamp_millis": 9999999999999}""")).Body);
        await server.Send("POST", "/api/3.0/mlflow/traces",
            """{"trace": {"trace_info": {"trace_id": "tr-1", "trace_location": {"mlflow_experiment": {"experiment_id": "0"} }, "request_time": "2026-01-01T00:00:00Z", "execution_duration": "1s", "state": "OK"} } }""");
        var found = Assert.Single(JsonNode.Parse(await Search(server, $"run_id = '{run}'"))!["traces"]!.AsArray())!;
        Assert.Equal(("OK", "2026-01-01T00:00:00Z", "1s"), ((string)found["state"]!, (string)found["request_time"]!, (string)found["execution_duration"]!));
    }

    [Fact]
    public async Task Times_and_values_are_written_as_protobuf_writes_them()
    {
        await using var server = await MlflowServer.Start();
        var (_, body) = await server.Send("POST", "/api/3.0/mlflow/traces", """
            {"trace": {"trace_info": {"trace_id": "tr-1", "trace_location": {"mlflow_experiment": {"experiment_id": "0"}}, "request_time": "2026-01-01T00:00:00.5Z", "execution_duration": "1.5s", "state": "OK"}}}
            """);
        Assert.Contains("\"request_time\":\"2026-01-01T00:00:00.500Z\",\"execution_duration\":\"1.500s\"", body);
        (_, body) = await server.Send("POST", "/api/3.0/mlflow/traces/tr-1/assessments", """{"assessment": {"assessment_name": "f", "source": {"source_type": "HUMAN"}, "feedback": {"value": {"a": [1, 2.5]}}}}""");
        Assert.Contains("\"feedback\":{\"value\":{\"a\": [1.0, 2.5]}}", body);
        (_, body) = await server.Send("POST", "/api/3.0/mlflow/traces/tr-1/assessments",
            """{"assessment": {"assessment_name": "e", "expectation": {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": "[1, {\"b\": 2}]"}}}}""");
        Assert.Contains("\"value\":\"[1, {\\\"b\\\": 2}]\"", body);
        (_, body) = await server.Send("POST", "/api/3.0/mlflow/traces/tr-1/assessments", """{"assessment": {"assessment_name": "f", "feedback": {"value": null}}}""");
        Assert.Contains("\"feedback\":{\"value\":null}", body);
        Assert.Contains("\"feedback\":{\"value\":null}", (await server.Send("GET", "/api/3.0/mlflow/traces/get?trace_id=tr-1")).Body);
    }

    [Fact]
    public async Task Whatever_is_sent_to_an_endpoint_of_traces_no_answer_is_a_bug()
    {
        await using var server = await MlflowServer.Start();
        await Export(server, Sample);
        string[] paths =
        [
            "POST /api/3.0/mlflow/traces", "POST /api/3.0/mlflow/traces/search", "POST /api/3.0/mlflow/traces/delete-traces", "POST /api/3.0/mlflow/traces/batchGetInfos",
            "POST /api/3.0/mlflow/traces/calculate-filter-correlation", $"PATCH /api/3.0/mlflow/traces/{TraceId}/tags", $"DELETE /api/3.0/mlflow/traces/{TraceId}/tags",
            $"POST /api/3.0/mlflow/traces/{TraceId}/assessments", $"PATCH /api/3.0/mlflow/traces/{TraceId}/assessments/a-1", "POST /api/2.0/mlflow/traces", $"PATCH /api/2.0/mlflow/traces/{TraceId}",
            "POST /api/2.0/mlflow/traces/link-to-run", "POST /api/2.0/mlflow/traces/link-prompts", "POST /api/3.0/mlflow/datasets/create", "POST /api/3.0/mlflow/datasets/search",
            "PATCH /api/3.0/mlflow/datasets/d-1/tags", "POST /api/3.0/mlflow/datasets/d-1/records", "POST /api/3.0/mlflow/datasets/d-1/add-experiments",
            "POST /api/3.0/mlflow/scorers/register", "DELETE /api/3.0/mlflow/scorers/delete",
        ];
        string[] names =
        [
            "trace", "trace_info", "trace_id", "trace_location", "mlflow_experiment", "experiment_id", "request_time", "execution_duration", "state", "tags", "trace_metadata", "assessments", "locations",
            "filter", "order_by", "max_results", "page_token", "assessment", "assessment_name", "feedback", "expectation", "serialized_value", "value", "error", "source", "source_type", "update_mask", "metadata",
            "key", "request_ids", "max_timestamp_millis", "trace_ids", "run_id", "prompt_versions", "name", "version", "records", "experiment_ids", "filter_string", "filter_string1", "filter_string2",
            "serialized_scorer", "timestamp_ms", "status", "request_metadata",
        ];
        string[] values =
        [
            "null", "true", "0", "-1", "1e400", "12345678901234567890", "\"\"", "\"0\"", "\"x\"", "\"\\ud800\"", "\"\\u0000\"", "[]", "{}", "[null]", "[[]]", "\"OK\"", "\"1.5s\"", "\"9999999999999s\"",
            "\"2026-01-01T00:00:00Z\"", "\"tag.a = 'b'\"", "\"span.attributes.x RLIKE '('\"", "\"timestamp DESC\"", "\"feedback,rationale\"", "\"[{\\\"inputs\\\": {\\\"a\\\": \\\"\\\\ud800\\\"}}]\"",
            "\"{\\\"a\\\": [1]}\"", "\"JSON_FORMAT\"", "[{\"mlflow_experiment\": {\"experiment_id\": \"0\"}}]", $"[\"{TraceId}\"]",
        ];
        var random = new Random(2);
        for (var i = 0; i < Times(1_500); i++)
        {
            var path = paths[random.Next(paths.Length)].Split(' ');
            var (status, body) = await server.Send(path[0], path[1], Any(0));
            Assert.True(status is 200 or 400 or 404, $"{status} {body}");
        }

        string Any(int depth)
        {
            var json = new StringBuilder("{");
            for (var n = random.Next(5); n >= 0; n--)
                json.Append(json.Length > 1 ? "," : "").Append('"').Append(names[random.Next(names.Length)]).Append("\":").Append(depth < 4 && random.Next(3) == 0 ? Any(depth + 1) : values[random.Next(values.Length)]);
            return json.Append('}').ToString();
        }
    }

    [Fact]
    public async Task No_filter_is_answered_with_a_bug()
    {
        await using var server = await MlflowServer.Start();
        await Export(server, Sample);
        string[] words =
        [
            "status", "name", "text", "run_id", "prompt", "timestamp_ms", "end_time", "tag.a", "tags.`b c`", "metadata.x", "span.name", "span.attributes.text", "span.attributes.", "span.type", "span.content", "feedback.f",
            "expectation.`e`", "issue.id", "=", "!=", ">", "<=", "LIKE", "ILIKE", "RLIKE", "IN", "NOT IN", "IS NULL", "IS NOT NULL", "AND", "OR", "(", ")", ",", "('a', 'b')", "'a'", "\"b\"", "'%a_'", "'[a-z'", "'(a+)+$'",
            "5", "1e9", "-1", "NaN", "'", "`", ".", "'a/1'", "'\u05d0\ud83d\ude00'", "not", "is", "null",
        ];
        var random = new Random(3);
        for (var i = 0; i < Times(1_500); i++)
        {
            var filter = string.Join(' ', Enumerable.Range(0, random.Next(1, 9)).Select(_ => words[random.Next(words.Length)]));
            if (i % 2 == 0) filter = string.Join(" AND ", Enumerable.Range(0, random.Next(1, 4)).Select(_ => $"{words[random.Next(18)]} {words[18 + random.Next(11)]} {words[34 + random.Next(10)]}"));
            var (status, body) = await server.Send("POST", "/api/3.0/mlflow/traces/search",
                new JsonObject { ["locations"] = new JsonArray(new JsonObject { ["mlflow_experiment"] = new JsonObject { ["experiment_id"] = "0" } }), ["filter"] = filter }.ToJsonString());
            Assert.True(status is 200 or 400, $"{filter}: {status} {body}");
        }
    }

    static async Task<(int Status, int Length)> Export(MlflowServer server, byte[] body, string? encoding = null, string type = "application/x-protobuf", string? experiment = "0")
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/traces") { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
        if (encoding is not null) request.Content.Headers.ContentEncoding.Add(encoding);
        if (experiment is not null) request.Headers.Add("x-mlflow-experiment-id", experiment);
        using var response = await server.Client.SendAsync(request);
        if (response.StatusCode == HttpStatusCode.OK) Assert.Equal("application/x-protobuf", response.Content.Headers.ContentType!.MediaType);
        return ((int)response.StatusCode, (await response.Content.ReadAsByteArrayAsync()).Length);
    }

    static async Task<string> Search(MlflowServer server, string filter) => (await server.Send("POST", "/api/3.0/mlflow/traces/search",
        new JsonObject { ["locations"] = new JsonArray(new JsonObject { ["mlflow_experiment"] = new JsonObject { ["experiment_id"] = "0" } }), ["filter"] = filter }.ToJsonString())).Body;

    static byte[] Span(byte[] trace, byte[] id, byte[] parent, string name) =>
    [
        .. Tagged(1, trace), .. Tagged(2, id), .. Tagged(4, parent), .. Tagged(5, Encoding.UTF8.GetBytes(name)), .. Fixed(7, 1_700_000_000_000_000_000), .. Fixed(8, 1_700_000_001_000_000_000),
        .. Attribute("text", Tagged(1, "wörds"u8.ToArray())), .. Attribute("flag", [2 << 3, 1]), .. Attribute("whole", [3 << 3, 0xFB, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1]),
        .. Attribute("real", Fixed(4, BitConverter.DoubleToUInt64Bits(0.5))), .. Attribute("nan", Fixed(4, BitConverter.DoubleToUInt64Bits(double.NaN))),
        .. Attribute("list", Tagged(5, [.. Tagged(1, [3 << 3, 1]), .. Tagged(1, [])])), .. Attribute("map", Tagged(6, Tagged(1, [.. Tagged(1, "k"u8.ToArray()), .. Tagged(2, Tagged(1, "v"u8.ToArray()))]))),
        .. Tagged(11, [.. Fixed(1, 1_700_000_000_500_000_000), .. Tagged(2, "boom"u8.ToArray())]), .. Tagged(15, [.. Tagged(2, "went wrong"u8.ToArray()), 3 << 3, 2]),
    ];

    static byte[] Request(byte[] span) => Tagged(1, [.. Tagged(1, Attribute2("service.name", Tagged(1, "shop"u8.ToArray()))), .. Tagged(2, Tagged(2, span))]);

    static byte[] Attribute(string key, byte[] value) => Tagged(9, Pair(key, value));

    static byte[] Attribute2(string key, byte[] value) => Tagged(1, Pair(key, value));

    static byte[] Pair(string key, byte[] value) => [.. Tagged(1, Encoding.UTF8.GetBytes(key)), .. Tagged(2, value)];

    static byte[] Tagged(int field, byte[] value)
    {
        var bytes = new List<byte> { (byte)((field << 3) | 2) };
        var length = (uint)value.Length;
        for (; length >= 0x80; length >>= 7) bytes.Add((byte)(length | 0x80));
        bytes.Add((byte)length);
        return [.. bytes, .. value];
    }

    static byte[] Fixed(int field, ulong value) => [(byte)((field << 3) | 1), .. BitConverter.GetBytes(value)];

    static byte[] Bytes(int length, byte value) => [.. Enumerable.Repeat(value, length)];
}
