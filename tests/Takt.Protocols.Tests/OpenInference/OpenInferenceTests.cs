using System.Text.Json.Nodes;
using CsCheck;
using Takt.Data;

namespace Takt.Protocols.Tests.OpenInference;

public sealed class OpenInferenceTests : IAsyncLifetime
{
    const string Good = """{"id":"42","inputs":[{"name":"x","shape":[2],"datatype":"FP64","data":[0.1,0.9]},{"name":"c","shape":[2,1],"datatype":"BYTES","data":[["a"],["b"]]}]}""";

    static readonly long Iterations = Environment.GetEnvironmentVariable("TAKT_FUZZ") is { Length: > 0 } n ? long.Parse(n) : 20_000;

    ServedModel _model = null!;

    public async ValueTask InitializeAsync() => _model = await ServedModel.Start();

    public ValueTask DisposeAsync() => _model.DisposeAsync();

    [Fact]
    public async Task An_answer_has_the_protocols_form_and_the_id_comes_back()
    {
        var (status, body) = await _model.Post("/v2/models/m/infer", Good);
        Assert.Equal(200, status);
        var json = JsonNode.Parse(body)!;
        Assert.Equal("m", json["model_name"]!.GetValue<string>());
        Assert.Equal("1", json["model_version"]!.GetValue<string>());
        Assert.Equal("42", json["id"]!.GetValue<string>());
        Assert.StartsWith("p-", json["parameters"]!["prediction_id"]!.GetValue<string>());
        var output = json["outputs"]![0]!;
        Assert.Equal(("probability", "FP64", "[2]"), (output["name"]!.GetValue<string>(), output["datatype"]!.GetValue<string>(), output["shape"]!.ToJsonString()));
        Assert.True(output["data"]![0]!.GetValue<double>() < 0.5 && output["data"]![1]!.GetValue<double>() > 0.5);
    }

    [Fact]
    public async Task Members_may_come_in_any_order_and_integers_are_numbers_too()
    {
        var (status, _) = await _model.Post("/v2/models/m/versions/1/infer",
            """{"inputs":[{"data":[1],"datatype":"INT64","parameters":{"a":[1,{}]},"name":"x","shape":[1]},{"shape":[1],"data":["zz"],"name":"c","datatype":"BYTES"}],"outputs":[{"name":"probability"}]}""");
        Assert.Equal(200, status);
    }

    [Fact]
    public async Task Metadata_and_health_are_as_clients_expect()
    {
        Assert.Equal(200, (int)(await _model.Http.GetAsync("/v2/health/ready")).StatusCode);
        Assert.Equal(200, (int)(await _model.Http.GetAsync("/v2/models/m/ready")).StatusCode);
        Assert.Equal(404, (int)(await _model.Http.GetAsync("/v2/models/none/ready")).StatusCode);
        Assert.Equal("""{"name":"m","versions":["1"],"platform":"lightgbm_lightgbm","inputs":[{"name":"x","datatype":"FP64","shape":[-1]},{"name":"c","datatype":"BYTES","shape":[-1]}],"outputs":[{"name":"probability","datatype":"FP64","shape":[-1]}]}""",
            await _model.Http.GetStringAsync("/v2/models/m"));
    }

    [Theory]
    [InlineData("{", "not JSON")]
    [InlineData("[]", "must be a JSON object")]
    [InlineData("{}", "inputs is missing")]
    [InlineData("""{"inputs":[{"name":"x","shape":[-1],"datatype":"FP64","data":[]}]}""", "shape holds -1")]
    [InlineData("""{"inputs":[{"name":"x","shape":[1000000000],"datatype":"FP64","data":[1]},{"name":"c","shape":[1000000000],"datatype":"BYTES","data":["a"]}]}""", "1 to 100000 are allowed")]
    [InlineData("""{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":["1"]},{"name":"c","shape":[1],"datatype":"BYTES","data":["a"]}]}""", "is no FP64")]
    [InlineData("""{"inputs":[{"name":"x","shape":[2],"datatype":"FP64","data":[1]},{"name":"c","shape":[2],"datatype":"BYTES","data":["a","b"]}]}""", "says 2")]
    [InlineData("""{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[1]},{"name":"x","shape":[1],"datatype":"FP64","data":[1]},{"name":"c","shape":[1],"datatype":"BYTES","data":["a"]}]}""", "2 times")]
    [InlineData("""{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[NaN]}]}""", "not JSON")]
    [InlineData("""{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[1]},{"name":"c","shape":[1],"datatype":"BYTES","data":["a"]}],"outputs":[{"name":"nope"}]}""", "no output 'nope'")]
    public async Task A_malformed_request_is_400_in_words(string body, string message)
    {
        var (status, answer) = await _model.Post("/v2/models/m/infer", body);
        Assert.Equal(400, status);
        Assert.Contains(message, JsonNode.Parse(answer)!["error"]!.GetValue<string>());
    }

    [Fact]
    public async Task Every_fault_is_named_at_once()
    {
        var (_, answer) = await _model.Post("/v2/models/m/infer", """{"inputs":[{"name":"xx","shape":[1],"datatype":"FP64","data":[1]},{"name":"c","shape":[1],"datatype":"FP64","data":[1]}]}""");
        var error = JsonNode.Parse(answer)!["error"]!.GetValue<string>();
        Assert.Contains("unknown input 'xx'; did you mean 'x'?", error);
        Assert.Contains("input 'x' (FP64) is missing", error);
        Assert.Contains("input 'c' has datatype FP64", error);
    }

    [Fact]
    public void Cut_at_any_byte_a_request_is_refused_and_never_a_bug()
    {
        for (var cut = 0; cut < Good.Length; cut++)
        {
            var body = System.Text.Encoding.UTF8.GetBytes(Good[..cut]);
            Assert.Throws<TaktException>(() => Takt.Server.Protocols.OpenInference.InferRequest.Parse(body));
        }
    }

    [Fact]
    public void Changed_at_any_place_a_request_is_answered_or_refused_and_never_a_bug() => Gen.Select(Gen.Int[0, Good.Length - 1], Gen.Char["{}[]\",:0-1ea\\"]).Sample((at, c) =>
    {
        var body = System.Text.Encoding.UTF8.GetBytes(Good[..at] + c + Good[(at + 1)..]);
        var signature = _model.Server.App.Router.Find("m")!.Champion.Model!.Signature;
        try
        {
            Takt.Server.Protocols.OpenInference.InferRequest.Parse(body).ToTable(body, signature);
        }
        catch (TaktException e)
        {
            Assert.Equal(TaktError.Invalid, e.Error);
        }
    }, iter: Iterations);

    [Fact]
    public async Task A_challenger_that_refuses_what_the_champion_takes_is_rolled_back_and_no_client_notices()
    {
        await _model.Register("wider", seed: 2, extra: true);
        await _model.Server.App.Deployments.Deploy(new("m", [0.5, 1], TimeSpan.Zero, 20, ["error_rate > 1%"], null, true, null), "m@2");
        while (_model.Server.App.Router.Find("m")!.Challenger is null) await Task.Delay(20);
        for (var i = 0; i < 200; i++) Assert.Equal(200, (await _model.Post("/v2/models/m/infer", Good)).Status);
        for (var i = 0; i < 200 && _model.Server.App.Deployments.Get("m").Rollout!.Active; i++) await Task.Delay(50);
        Assert.Equal(Takt.Deployments.RolloutState.RolledBack, _model.Server.App.Deployments.Get("m").Rollout!.State);
        Assert.Equal("m@1", _model.Server.App.Deployments.Get("m").Live!.Model);
        Assert.Equal(200, (await _model.Post("/v2/models/m/infer", Good)).Status);
    }

    [Theory]
    [InlineData("binary", true)]
    [InlineData("regression", false)] // another output than the one that clients ask for
    public async Task Without_any_rule_a_challenger_that_refuses_the_champions_clients_is_rolled_back_too(string task, bool extra)
    {
        await _model.Register("other", seed: 2, extra, task);
        await _model.Server.App.Deployments.Deploy(new("m", [0.5, 1], TimeSpan.FromHours(1), 1000, [], null, true, null), "m@2");
        while (_model.Server.App.Router.Find("m")!.Challenger is null) await Task.Delay(20);
        var asking = Good.Replace("\"id\"", "\"outputs\":[{\"name\":\"probability\"}],\"id\"", StringComparison.Ordinal);
        for (var i = 0; i < 20; i++) Assert.Equal(200, (await _model.Post("/v2/models/m/infer", asking)).Status);
        for (var i = 0; i < 200 && _model.Server.App.Deployments.Get("m").Rollout!.Active; i++) await Task.Delay(50);
        Assert.Equal(Takt.Deployments.RolloutState.RolledBack, _model.Server.App.Deployments.Get("m").Rollout!.State);
        Assert.Contains("refused", _model.Server.App.Deployments.Get("m").Rollout!.Evidence);
    }

    [Fact]
    public void A_body_with_raw_tensors_changed_at_any_place_is_read_or_refused_and_never_a_bug()
    {
        const string Header = """{"inputs":[{"name":"x","shape":[2],"datatype":"FP64","parameters":{"binary_data_size":16}},{"name":"c","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":10}}],"outputs":[{"name":"probability","parameters":{"binary_data":true}}]}""";
        byte[] whole = [.. System.Text.Encoding.UTF8.GetBytes(Header), .. BitConverter.GetBytes(0.1), .. BitConverter.GetBytes(0.9), 1, 0, 0, 0, (byte)'a', 1, 0, 0, 0, (byte)'b'];
        var signature = _model.Server.App.Router.Find("m")!.Champion.Model!.Signature;
        Assert.Equal(2, Takt.Server.Protocols.OpenInference.InferRequest.Parse(whole, Header.Length).ToTable(whole, signature).Rows);
        Gen.Select(Gen.Int[0, whole.Length - 1], Gen.Byte, Gen.Int[0, 2], Gen.Int[-2, 2]).Sample((at, value, how, header) =>
        {
            byte[] body = how switch { 0 => [.. whole[..at], value, .. whole[(at + 1)..]], 1 => [.. whole[..at], value, .. whole[at..]], _ => [.. whole[..at], .. whole[(at + 1)..]] };
            try
            {
                var request = Takt.Server.Protocols.OpenInference.InferRequest.Parse(body, Header.Length + header);
                request.ToTable(body, signature);
                request.RequireOutputs(signature);
            }
            catch (TaktException e)
            {
                Assert.Equal(TaktError.Invalid, e.Error);
            }
        }, iter: Iterations);
    }

    [Fact]
    public async Task A_raw_body_is_the_values_of_the_models_inputs_and_is_answered_raw()
    {
        var refused = await PostRaw("m", new byte[8]);
        Assert.Equal(400, (int)refused.StatusCode);
        Assert.Contains("this model takes x (FP64), c (BYTES)", await refused.Content.ReadAsStringAsync());
        await _model.Train("numbers", ["x", "z"]);
        await _model.Train("one", ["x"]);
        foreach (var (endpoint, bytes, rows) in (IEnumerable<(string, byte[], int)>)[("numbers", Raw(0.1, 0.9, 0.9, 0.1, 0.5, 0.5), 3), ("one", Raw(0.1, 0.9), 2)])
        {
            using var answer = await PostRaw(endpoint, bytes);
            Assert.Equal(200, (int)answer.StatusCode);
            var body = await answer.Content.ReadAsByteArrayAsync();
            var header = int.Parse(answer.Headers.GetValues("Inference-Header-Content-Length").Single());
            Assert.Equal(rows * 8, JsonNode.Parse(body.AsSpan(0, header))!["outputs"]![0]!["parameters"]!["binary_data_size"]!.GetValue<int>());
            Assert.Equal(rows * 8, body.Length - header);
            foreach (var cut in (int[])[0, 1, bytes.Length - 1]) Assert.Equal(400, (int)(await PostRaw(endpoint, bytes[..cut])).StatusCode);
        }
        static byte[] Raw(params double[] values) => values.SelectMany(BitConverter.GetBytes).ToArray();
        async Task<HttpResponseMessage> PostRaw(string endpoint, byte[] body)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, $"/v2/models/{endpoint}/infer") { Content = new ByteArrayContent(body) };
            request.Headers.Add("Inference-Header-Content-Length", "0");
            return await _model.Http.SendAsync(request);
        }
    }

    [Fact]
    public void The_short_way_and_the_long_way_read_the_same() => Gen.Select(Gen.Int[0, Good.Length - 1], Gen.Char["{}[]\",:0-1eabx\\."], Gen.Int[0, 2]).Sample((at, c, how) =>
    {
        var text = how switch { 0 => Good[..at] + c + Good[(at + 1)..], 1 => Good[..at] + c + Good[at..], _ => Good[..at] + Good[(at + 1)..] };
        var body = System.Text.Encoding.UTF8.GetBytes(text);
        var model = _model.Server.App.Router.Find("m")!.Champion.Model!;
        var batch = Takt.Deployments.RowBatch.Take();
        if (!Takt.Server.Protocols.OpenInference.TabularRequest.TryRead(body, model.Rows!, batch, out var id))
        {
            batch.GiveBack();
            return;
        }
        var request = Takt.Server.Protocols.OpenInference.InferRequest.Parse(body); // what the short way takes the long way takes
        var table = request.ToTable(body, model.Signature);
        Assert.Equal(request.Id ?? "", System.Text.Encoding.UTF8.GetString(body.AsSpan()[id]));
        Assert.Equal(table.Rows, batch.Rows);
        model.Rows!.Score(batch.Matrix, batch.Rows, batch.Scores);
        Assert.Equal(model.Predict(table).Columns[0].Numbers, batch.Scores.ToArray());
        batch.GiveBack();
    }, iter: Iterations);

    [Fact]
    public async Task The_short_way_logs_what_the_long_way_logs()
    {
        var long_ = Good.Replace("{\"id\"", "{\"parameters\":{},\"id\"", StringComparison.Ordinal);
        var ids = new List<string>();
        foreach (var body in (string[])[Good, long_, Good.Replace("0.1", "null", StringComparison.Ordinal).Replace("\"b\"", "\"nie gesehen é\"", StringComparison.Ordinal)])
            ids.Add(JsonNode.Parse((await _model.Post("/v2/models/m/infer", body)).Body)!["parameters"]!["prediction_id"]!.GetValue<string>());
        var rows = JsonNode.Parse(await _model.Http.GetStringAsync("/api/v1/deployments/m/predictions"))!["predictions"]!.AsArray();
        Assert.Equal(6, rows.Count);
        var of = ids.ConvertAll(id => rows.Where(r => r!["id"]!.GetValue<string>().StartsWith(id, StringComparison.Ordinal)).OrderBy(r => r!["id"]!.GetValue<string>()).ToList());
        foreach (var row in (int[])[0, 1])
            foreach (var column in (string[])["in_x", "in_c", "out_probability", "revision", "model_version", "error"])
                Assert.Equal(of[1][row]![column]?.ToJsonString(), of[0][row]![column]?.ToJsonString());
        Assert.Null(of[2][0]!["in_x"]);
        Assert.Equal("nie gesehen é", of[2][1]!["in_c"]!.GetValue<string>());
    }

    static byte[] Raw(double[] x, string[] c, string type = "FP64", string parameters = "\"binary_data_output\":true")
    {
        var body = new MemoryStream();
        using var writer = new BinaryWriter(body);
        foreach (var value in x)
            if (type == "FP64") writer.Write(value);
            else if (type == "FP16") writer.Write((Half)value);
            else writer.Write((ushort)(BitConverter.SingleToInt32Bits((float)value) >> 16));
        var first = (int)body.Length;
        foreach (var text in c)
        {
            var bytes = System.Text.Encoding.UTF8.GetBytes(text);
            writer.Write(bytes.Length);
            writer.Write(bytes);
        }
        var head = System.Text.Encoding.UTF8.GetBytes($$$"""{"parameters":{{{{parameters}}}},"inputs":[{"name":"x","shape":[{{{x.Length}}}],"datatype":"{{{type}}}","parameters":{"binary_data_size":{{{first}}}}},{"name":"c","shape":[{{{c.Length}}}],"datatype":"BYTES","parameters":{"binary_data_size":{{{body.Length - first}}}}}]}""");
        return [.. BitConverter.GetBytes(head.Length), .. head, .. body.ToArray()];
    }

    async Task<(int Status, int Head, byte[] Body)> PostRaw(byte[] raw, string? header = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/m/infer") { Content = new ByteArrayContent(raw[4..]) };
        request.Headers.Add("Inference-Header-Content-Length", header ?? BitConverter.ToInt32(raw).ToString());
        using var answer = await _model.Http.SendAsync(request);
        return ((int)answer.StatusCode, answer.Headers.TryGetValues("Inference-Header-Content-Length", out var head) ? int.Parse(head.Single()) : -1, await answer.Content.ReadAsByteArrayAsync());
    }

    [Theory]
    [InlineData("FP64")]
    [InlineData("FP16")]
    [InlineData("BF16")]
    public async Task Binary_tensors_in_and_out_give_the_numbers_of_JSON(string type)
    {
        var expected = JsonNode.Parse((await _model.Post("/v2/models/m/infer", Good.Replace("0.1,0.9", "0.125,0.875", StringComparison.Ordinal))).Body)!["outputs"]![0]!["data"]!.AsArray().Select(v => v!.GetValue<double>());
        var (status, head, body) = await PostRaw(Raw([0.125, 0.875], ["a", "b"], type));
        Assert.Equal(200, status);
        var json = JsonNode.Parse(body[..head])!["outputs"]![0]!;
        Assert.Equal((16, null), (json["parameters"]!["binary_data_size"]!.GetValue<int>(), json["data"]));
        Assert.Equal(expected, [BitConverter.ToDouble(body, head), BitConverter.ToDouble(body, head + 8)]);
    }

    [Fact]
    public async Task Binary_tensors_with_any_byte_cut_off_or_too_much_or_a_wrong_header_are_400()
    {
        var good = Raw([0.125, 0.875], ["a", "b"]);
        for (var cut = 5; cut < good.Length; cut++) Assert.Equal(400, (await PostRaw(good[..cut])).Status);
        Assert.Equal(400, (await PostRaw([.. good, 0])).Status);
        foreach (var header in (string[])["0", "-1", "x", "99999999999", "1"]) Assert.Equal(400, (await PostRaw(good, header)).Status);
        Assert.Equal(400, (await PostRaw(Raw([double.PositiveInfinity], ["a"]))).Status);
        Assert.Equal(200, (await PostRaw(Raw([double.NaN], ["a"]))).Status);
    }

    [Fact]
    public async Task A_model_is_found_by_alias_and_by_version_and_the_index_lists_what_is_loaded()
    {
        await _model.Server.App.Models.SetAlias("m", "champion", 1);
        foreach (var name in (string[])["m@champion", "m@1"]) Assert.Equal(200, (await _model.Post($"/v2/models/{name}/infer", Good)).Status);
        Assert.Equal(404, (await _model.Post("/v2/models/m@nobody/infer", Good)).Status);
        Assert.Equal("""[{"name":"m","version":"1","state":"READY","reason":""}]""", (await _model.Post("/v2/repository/index", "{}")).Body);
    }

    [Fact]
    public async Task Redacted_columns_are_never_logged_and_of_a_sample_only_its_share_is()
    {
        var book = _model.Server.App.Deployments;
        await book.Deploy(new("r", [1], TimeSpan.Zero, 0, [], null, true, null, Redact: ["c", "probability"]), "m@1");
        await book.Deploy(new("s", [1], TimeSpan.Zero, 0, [], null, true, null, LogSample: 0.25), "m@1");
        foreach (var endpoint in (string[])["r", "s"]) await _model.Ready(endpoint);
        foreach (var body in (string[])[Good, Good.Replace("{\"id\"", "{\"parameters\":{},\"id\"", StringComparison.Ordinal)]) Assert.Contains("[0.", (await _model.Post("/v2/models/r/infer", body)).Body);
        for (var i = 0; i < 400; i++) await _model.Post("/v2/models/s/infer", Good);
        var rows = JsonNode.Parse(await _model.Http.GetStringAsync("/api/v1/deployments/r/predictions"))!["predictions"]!.AsArray();
        Assert.Equal(4, rows.Count);
        Assert.All(rows, row => Assert.True(row!["in_c"] is null && row["out_probability"] is null && row["in_x"] is not null));
        Assert.InRange(JsonNode.Parse(await _model.Http.GetStringAsync("/api/v1/deployments/s/predictions?limit=1000"))!["predictions"]!.AsArray().Count, 2 * 50, 2 * 150);
    }

    [Theory]
    [InlineData("\"42\"", "\"\\ud800\"")]
    [InlineData("\"c\"", "\"\\ud800\"")]
    [InlineData("\"BYTES\"", "\"\\ud800\"")]
    [InlineData("\"a\"", "\"\\udc00x\"")]
    [InlineData("\"inputs\"", "\"\\ud800\":1,\"inputs\"")]
    public async Task A_lone_surrogate_anywhere_is_400_or_ignored_and_never_500(string from, string to) =>
        Assert.InRange((await _model.Post("/v2/models/m/infer", Good.Replace(from, to, StringComparison.Ordinal))).Status, 200, 400);

    [Fact]
    public async Task Chunked_labels_beyond_the_limit_are_refused()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/deployments/m/labels") { Content = new StreamContent(new Endless((32 << 20) + 1)) };
        request.Headers.TransferEncodingChunked = true;
        using var answer = await _model.Http.SendAsync(request);
        Assert.Equal(413, (int)answer.StatusCode);
    }

    [Fact]
    public async Task A_version_in_the_path_is_the_one_that_answers()
    {
        await _model.Register("again", seed: 2, extra: false);
        await _model.Server.App.Deployments.Deploy(new("m", [0.5, 1], TimeSpan.FromHours(1), 20, [], null, true, null), "m@2");
        while (_model.Server.App.Router.Find("m")!.Challenger is null) await Task.Delay(20);
        foreach (var version in (string[])["1", "2"])
            for (var i = 0; i < 10; i++)
                Assert.Equal(version, JsonNode.Parse((await _model.Post($"/v2/models/m/versions/{version}/infer", Good)).Body)!["model_version"]!.GetValue<string>());
    }

    [Fact]
    public async Task Text_that_is_no_Unicode_is_refused()
    {
        var (status, _) = await _model.Post("/v2/models/m/infer", Good.Replace("\"a\"", "\"\\ud800\"", StringComparison.Ordinal));
        Assert.Equal(400, status);
    }

    [Fact]
    public async Task A_prediction_is_logged_and_takes_a_label_later()
    {
        var (_, body) = await _model.Post("/v2/models/m/infer", Good);
        var id = JsonNode.Parse(body)!["parameters"]!["prediction_id"]!.GetValue<string>();
        var (status, _) = await _model.Post("/api/v1/deployments/m/labels", $$"""{"labels":[{"id":"{{id}}:1","label":true}]}""");
        Assert.Equal(200, status);
        var rows = JsonNode.Parse(await _model.Http.GetStringAsync("/api/v1/deployments/m/predictions"))!["predictions"]!.AsArray();
        var row = rows.Single(r => r!["id"]!.GetValue<string>() == id + ":1")!;
        Assert.Equal((1.0, 0.9, "b"), (row["label"]!.GetValue<double>(), row["in_x"]!.GetValue<double>(), row["in_c"]!.GetValue<string>()));
    }

    [Fact]
    public async Task Predictions_of_numbers_that_JSON_does_not_have_are_told_all_the_same()
    {
        var book = _model.Server.App.Deployments;
        await book.Deploy(new("infinite", [1], TimeSpan.Zero, 0, [], null, true, null), "m@1");
        await _model.Ready("infinite");
        var answer = await _model.Server.App.Router.Infer("infinite", new Table([Column.Of("x", [double.PositiveInfinity]), Column.Of("c", ["a"])]), null, default);
        var row = JsonNode.Parse(await _model.Http.GetStringAsync("/api/v1/deployments/infinite/predictions"))!["predictions"]!.AsArray().Single(r => r!["id"]!.GetValue<string>() == answer.Id + ":0")!;
        Assert.Equal("Infinity", row["in_x"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_label_finds_its_prediction_by_the_key_that_the_request_said()
    {
        Task<(int, string)> Ask(string parameters) => _model.Post("/v2/models/m/infer", Good.Replace("\"id\":\"42\"", "\"parameters\":" + parameters, StringComparison.Ordinal));
        var (_, body) = await Ask("""{"key":["order-17","order-18"]}""");
        var id = JsonNode.Parse(body)!["parameters"]!["prediction_id"]!.GetValue<string>();
        using var plain = new HttpRequestMessage(HttpMethod.Post, "/v2/models/m/infer") { Content = new StringContent(Good), Headers = { { "X-Takt-Key", "order-19, order-20" } } };
        Assert.True((await _model.Http.SendAsync(plain)).IsSuccessStatusCode);
        using var csv = new HttpRequestMessage(HttpMethod.Post, "/endpoints/m/invocations") { Content = new StringContent("x,c\n0.5,a\n", null, "text/csv"), Headers = { { "X-Takt-Key", "order-21" } } };
        Assert.True((await _model.Http.SendAsync(csv)).IsSuccessStatusCode);
        var (status, _) = await _model.Post("/api/v1/deployments/m/labels", """{"labels":[{"key":"order-18","label":1},{"key":"order-20","label":0},{"key":"order-21","label":7},{"key":"order-99","label":1}]}""");
        Assert.Equal(200, status);
        var rows = JsonNode.Parse(await _model.Http.GetStringAsync("/api/v1/deployments/m/predictions"))!["predictions"]!.AsArray();
        Assert.Equal("order-18", rows.Single(r => r!["id"]!.GetValue<string>() == id + ":1")!["key"]!.GetValue<string>());
        Assert.Equal((IEnumerable<(string, double?)>)[("order-17", null), ("order-18", 1.0), ("order-19", null), ("order-20", 0.0), ("order-21", 7.0)],
            rows.Where(r => r!["key"] is not null).Select(r => (r!["key"]!.GetValue<string>(), r["label"]?.GetValue<double>())).OrderBy(r => r.Item1, StringComparer.Ordinal));
        foreach (var (parameters, why) in (IEnumerable<(string, string)>)[("""{"key":"order-1"}""", "1 keys for 2 rows"), ("""{"key":["a",""]}""", "the key of row 1"), ("""{"key":7}""", "parameters.key must be a text")])
        {
            var (refused, answer) = await Ask(parameters);
            Assert.Equal(400, refused);
            Assert.Contains(why, answer);
        }
        Assert.Equal(400, (await _model.Post("/api/v1/deployments/m/labels", """{"labels":[{"key":"a","id":"p-1:0","label":1}]}""")).Item1);
    }
}
