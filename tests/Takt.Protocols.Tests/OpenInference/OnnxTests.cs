using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Takt.Data;
using Takt.Deployments;
using Takt.Models;

namespace Takt.Protocols.Tests.OpenInference;

/// <summary>ONNX models behind a real server: tensors of every type, and tabular ones through every protocol.</summary>
public sealed class OnnxTests(OnnxServed onnx) : IClassFixture<OnnxServed>
{
    static readonly TensorType[] All = Enum.GetValues<TensorType>();

    readonly ServedModel _served = onnx.Served;

    [Fact]
    public async Task Tensors_of_every_type_come_back_bit_for_bit_as_binary_data()
    {
        var random = new Random(7);
        var values = All.ToDictionary(t => t, t => Bytes(t, 3, random));
        var (head, body) = await Binary("same", new JsonObject
        {
            ["parameters"] = new JsonObject { ["binary_data_output"] = true },
            ["inputs"] = new JsonArray([.. All.Select(t => (JsonNode)new JsonObject
            {
                ["name"] = $"in_{t}",
                ["datatype"] = Tensor.NameOf(t),
                ["shape"] = new JsonArray(3, 2),
                ["parameters"] = new JsonObject { ["binary_data_size"] = values[t].Length },
            })]),
        }, [.. All.Select(t => values[t])]);
        var at = 0;
        foreach (var output in head["outputs"]!.AsArray())
        {
            var type = Tensor.TypeOf((string)output!["datatype"]!)!.Value;
            Assert.Equal($"out_{type}", (string)output["name"]!);
            var size = (int)output["parameters"]!["binary_data_size"]!;
            Assert.Equal(values[type], body[at..(at + size)]);
            at += size;
        }
        Assert.Equal(body.Length, at);
        Assert.Equal(All.Length, head["outputs"]!.AsArray().Count);
    }

    [Fact]
    public async Task Values_at_the_edges_of_every_type_come_back_from_JSON()
    {
        (TensorType Type, string Data)[] edges =
        [
            (TensorType.Bool, "[true,false]"), (TensorType.Uint8, "[0,255]"), (TensorType.Uint16, "[0,65535]"), (TensorType.Uint32, "[0,4294967295]"), (TensorType.Uint64, "[0,18446744073709551615]"),
            (TensorType.Int8, "[-128,127]"), (TensorType.Int16, "[-32768,32767]"), (TensorType.Int32, "[-2147483648,2147483647]"), (TensorType.Int64, "[-9223372036854775808,9223372036854775807]"),
            (TensorType.Fp32, "[1E-45,-3.4028235E+38]"), (TensorType.Fp64, "[5E-324,null]"), (TensorType.Bytes, "[\"\",\"\\u00E4\\u4E2D\\uD83D\\uDE00\"]"),
        ];
        // FP16 and BF16 have no JSON form: both ways they are binary
        var inputs = string.Join(',', edges.Select(e => $$"""{"name":"in_{{e.Type}}","datatype":"{{Tensor.NameOf(e.Type)}}","shape":[1,2],"data":[{{e.Data}}]}""").Append(Half("in_Fp16", "FP16")).Append(Half("in_Bf16", "BF16")));
        var wanted = string.Join(',', edges.Select(e => $$"""{"name":"out_{{e.Type}}"}"""));
        using var answer = await Send("same", $$"""{"id":"7","inputs":[{{inputs}}],"outputs":[{{wanted}}]}""", [new byte[4], new byte[4]]);
        var json = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        Assert.Equal(200, (int)answer.StatusCode);
        Assert.Equal(edges.Select(e => (string?)e.Data), edges.Select(e => (string?)json["outputs"]!.AsArray().Single(o => (string)o!["name"]! == $"out_{e.Type}")!["data"]!.ToJsonString()));

        static string Half(string name, string type) => $$$"""{"name":"{{{name}}}","datatype":"{{{type}}}","shape":[1,2],"parameters":{"binary_data_size":4}}""";
    }

    [Fact]
    public async Task All_that_is_wrong_with_tensors_is_said_at_once()
    {
        var (status, body) = await _served.Post("/v2/models/image/infer", """
            {"inputs":[{"name":"imag","shape":[1],"datatype":"FP32","data":[1]},{"name":"image","shape":[1,3,8],"datatype":"FP64","data":[]},{"name":"image","shape":[1,3,8,9],"datatype":"FP33","data":[]}],"outputs":[{"name":"max"}]}
            """);
        Assert.Equal(400, status);
        string[] wanted =
        [
            "datatype 'FP33'", "'image' has datatype FP64; the model takes FP32 [-1,3,8,8]", "'image' has shape [1,3,8]", "unknown input 'imag'; did you mean 'image'?", "no output 'max'; it has mean, brighter",
        ];
        Assert.All(wanted, w => Assert.Contains(w, (string)JsonNode.Parse(body)!["error"]!));
        (status, body) = await _served.Post("/v2/models/same/infer", """{"inputs":[{"name":"in_Fp16","shape":[1,2],"datatype":"FP16","data":[1,2]}]}""");
        Assert.Equal(400, status);
        Assert.Contains("output 'out_Fp16' is FP16, which has no JSON form", (string)JsonNode.Parse(body)!["error"]!);
        foreach (var (shape, data) in (IEnumerable<(string, string)>)[("[1000000000,1000000000,1000000000,1000000000]", "[1]"), ("[0,3,8,8]", "[1]"), ("[1,3,8,8]", "[1e39]"), ("[1,3,8,8]", "[\"a\"]"), ("[-1,3,8,8]", "[]"), ("[1,3,8,8]", "[1,2]")])
            Assert.Equal(400, (await _served.Post("/v2/models/image/infer", $$"""{"inputs":[{"name":"image","shape":{{shape}},"datatype":"FP32","data":{{data}}},{"name":"gain","shape":[],"datatype":"FP32","data":[1]}]}""")).Status);
    }

    [Fact]
    public async Task The_model_tells_its_tensors_and_scalars_are_tensors_too()
    {
        var about = JsonNode.Parse(await _served.Http.GetStringAsync("/v2/models/image"))!;
        Assert.Equal("""[{"name":"image","datatype":"FP32","shape":[-1,3,8,8]},{"name":"gain","datatype":"FP32","shape":[]}]""", about["inputs"]!.ToJsonString());
        Assert.Equal("onnxruntime_onnx", (string)about["platform"]!);
        var (status, body) = await _served.Post("/v2/models/image/infer", $$"""
            {"inputs":[{"name":"image","shape":[1,3,8,8],"datatype":"FP32","data":[{{string.Join(',', Enumerable.Repeat("[[1,1,1,1,1,1,1,1],[3,3,3,3,3,3,3,3]]", 12))}}]},{"name":"gain","shape":[],"datatype":"FP32","data":[0.5]}],"outputs":[{"name":"mean"}]}
            """);
        Assert.True(status == 200, body);
        Assert.Equal("""[{"name":"mean","datatype":"FP32","shape":[1,3,1,1],"data":[1,1,1]}]""", JsonNode.Parse(body)!["outputs"]!.ToJsonString());
    }

    [Fact]
    public async Task The_log_keeps_scalars_as_columns_and_of_wide_tensors_the_shape_and_a_digest()
    {
        var image = Floats([.. Enumerable.Range(0, 192).Select(i => i / 192f)]);
        var (head, _) = await Binary("image", new JsonObject
        {
            ["inputs"] = new JsonArray(
                new JsonObject { ["name"] = "image", ["datatype"] = "FP32", ["shape"] = new JsonArray(1, 3, 8, 8), ["parameters"] = new JsonObject { ["binary_data_size"] = image.Length } },
                new JsonObject { ["name"] = "gain", ["datatype"] = "FP32", ["shape"] = new JsonArray(), ["data"] = new JsonArray(2) }),
            ["parameters"] = new JsonObject { ["binary_data_output"] = true },
        }, [image]);
        var line = await _served.Post("/v2/models/line/infer", """{"inputs":[{"name":"X","shape":[2,2],"datatype":"FP32","data":[1,2,3,4]}]}""");
        var logged = await Logged("image", head);
        Assert.Equal("[1,3,8,8]", logged["in_image.shape"].Texts[0]);
        Assert.Equal(Convert.ToHexStringLower(System.IO.Hashing.XxHash128.Hash(image)), logged["in_image.xxh128"].Texts[0]);
        Assert.Equal(2, logged["in_gain"].Numbers[0]);
        Assert.NotNull(logged.Find("out_mean.2"));
        Assert.Equal("[1,3,8,8]", logged["out_brighter.shape"].Texts[0]);
        logged = await Logged("line", JsonNode.Parse(line.Body)!); // a matrix of named features is logged under their names: monitors know them
        Assert.Equal([1d, 3d], logged["in_a"].Numbers[..2]);
        Assert.Equal([9d, 19d], logged["out_y"].Numbers[..2]);
    }

    [Theory]
    [InlineData("/endpoints/line/invocations", """{"dataframe_split":{"columns":["b","a"],"data":[[2,1],[4,3]]}}""", """{"predictions":[9,19]}""")]
    [InlineData("/endpoints/line/invocations", """{"instances":[[1,2],[3,4]]}""", """{"predictions":[9,19]}""")]
    [InlineData("/v1/models/line:predict", """{"instances":[{"a":1,"b":2}]}""", """{"predictions":[9]}""")]
    [InlineData("/endpoints/columns/invocations", """{"dataframe_records":[{"n":9007199254740993,"s":"x"},{"n":-1,"s":""}]}""", """{"predictions":[{"twice":18014398509481986,"same":"x"},{"twice":-2,"same":""}]}""")]
    public async Task A_tabular_ONNX_model_answers_rows(string path, string body, string expected)
    {
        var (status, answer) = await _served.Post(path, body);
        Assert.True(status == 200, answer);
        Assert.Equal(expected, answer);
    }

    [Fact]
    public async Task A_tabular_ONNX_model_answers_columns_as_tensors_and_says_floats_as_floats()
    {
        var (status, body) = await _served.Post("/v2/models/line/infer", """{"inputs":[{"name":"a","shape":[1],"datatype":"FP64","data":[0.05]},{"name":"b","shape":[1],"datatype":"FP64","data":[0]}]}""");
        Assert.True(status == 200, body);
        Assert.Equal("""[{"name":"y","datatype":"FP32","shape":[1],"data":[1.1]}]""", JsonNode.Parse(body)!["outputs"]!.ToJsonString());
        var (head, raw) = await Binary("line", JsonNode.Parse("""{"parameters":{"binary_data_output":true},"inputs":[{"name":"a","shape":[1],"datatype":"FP64","data":[1]},{"name":"b","shape":[1],"datatype":"FP64","data":[2]}]}""")!.AsObject(), []);
        Assert.Equal("FP32", (string)head["outputs"]![0]!["datatype"]!);
        Assert.Equal(Floats(9), raw);
        (status, body) = await _served.Post("/v2/models/line/infer", """{"inputs":[{"name":"a","shape":[1],"datatype":"BYTES","data":["x"]},{"name":"c","shape":[1],"datatype":"FP64","data":[0]}]}""");
        Assert.Equal(400, status);
        Assert.Contains("unknown input 'c'", (string)JsonNode.Parse(body)!["error"]!);
    }

    [Fact]
    public async Task A_deployment_that_merges_requests_answers_each_as_one_that_does_not()
    {
        await _served.Server.App.Deployments.Deploy(new DeploymentSpec("merged", [1], TimeSpan.Zero, 0, [], null, true, null, Runtime: new RuntimeSettings(BatchRows: 8, BatchDelay: TimeSpan.FromMilliseconds(2))), "line@1");
        await _served.Ready("merged");
        Assert.Null(_served.Server.App.Router.Find("merged")!.Champion.Model!.Rows);
        await Task.WhenAll(Enumerable.Range(0, 60).Select(async i =>
        {
            Task<(int Status, string Body)> Ask() => (i % 3) switch
            {
                0 => _served.Post("/v2/models/merged/infer", $$"""{"inputs":[{"name":"X","shape":[1,2],"datatype":"FP32","data":[{{i}},1]}]}"""),
                1 => _served.Post("/v2/models/merged/infer", $$"""{"inputs":[{"name":"a","shape":[1],"datatype":"FP64","data":[{{i}}]},{"name":"b","shape":[1],"datatype":"FP64","data":[1]}]}"""),
                _ => _served.Post("/endpoints/merged/invocations", $$"""{"instances":[[{{i}},1],[0,0]]}"""),
            };
            var (status, body) = await Ask();
            for (; status == 503; (status, body) = await Ask()) await Task.Delay(100); // a loaded machine has them wait too long
            Assert.True(status == 200, body);
            Assert.Contains(i % 3 == 2 ? $"[{(2 * i) + 4},1]" : $"\"data\":[{(2 * i) + 4}]", body);
        }));
        var (refused, why) = await _served.Post("/v2/models/merged/infer", """{"inputs":[{"name":"X","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]}""");
        Assert.True(refused == 400 && why.Contains("has shape [1,3]", StringComparison.Ordinal), why);
    }

    [Fact]
    public async Task A_model_of_tensors_only_says_where_it_is_asked()
    {
        var (status, body) = await _served.Post("/endpoints/image/invocations", """{"instances":[[1,2]]}""");
        Assert.Equal(400, status);
        Assert.Contains("/v2/models/image/infer", body);
    }

    [Fact]
    public async Task Tensors_go_over_gRPC_raw_and_as_contents()
    {
        using var channel = Grpc.Net.Client.GrpcChannel.ForAddress(_served.Server.GrpcAddress!);
        var client = new global::Inference.GRPCInferenceService.GRPCInferenceServiceClient(channel);
        var about = await client.ModelMetadataAsync(new global::Inference.ModelMetadataRequest { Name = "image" });
        Assert.Equal([-1L, 3, 8, 8], about.Inputs[0].Shape);
        Assert.Equal("onnxruntime_onnx", about.Platform);
        var random = new Random(3);
        var request = new global::Inference.ModelInferRequest { ModelName = "same" };
        foreach (var type in All)
        {
            request.Inputs.Add(new global::Inference.ModelInferRequest.Types.InferInputTensor { Name = $"in_{type}", Datatype = Tensor.NameOf(type), Shape = { 3, 2 } });
            request.RawInputContents.Add(Google.Protobuf.ByteString.CopyFrom(Bytes(type, 3, random)));
        }
        var answer = await client.ModelInferAsync(request);
        Assert.Equal(request.RawInputContents, answer.RawOutputContents);
        Assert.Equal(All.Select(t => $"out_{t}"), answer.Outputs.Select(o => o.Name));

        var image = new global::Inference.ModelInferRequest.Types.InferInputTensor { Name = "image", Datatype = "FP32", Shape = { 1, 3, 8, 8 }, Contents = new() { Fp32Contents = { Enumerable.Repeat(2f, 192) } } };
        var gain = new global::Inference.ModelInferRequest.Types.InferInputTensor { Name = "gain", Datatype = "FP32", Contents = new() { Fp32Contents = { 0.5f } } };
        answer = await client.ModelInferAsync(new global::Inference.ModelInferRequest { ModelName = "image", Inputs = { image, gain }, Outputs = { new global::Inference.ModelInferRequest.Types.InferRequestedOutputTensor { Name = "mean" } } });
        Assert.Equal(Floats(1, 1, 1), answer.RawOutputContents.Single().ToByteArray());
        image.Shape[3] = 9;
        var refused = await Assert.ThrowsAsync<Grpc.Core.RpcException>(async () => await client.ModelInferAsync(new global::Inference.ModelInferRequest { ModelName = "image", Inputs = { image, gain } }));
        Assert.Equal(Grpc.Core.StatusCode.InvalidArgument, refused.StatusCode);
    }

    [Fact]
    public void The_memory_of_a_model_is_given_back_when_it_is_unloaded()
    {
        const int Megabytes = 32, Cycles = 12;
        var graph = new Takt.ML.Onnx.OnnxGraph("large");
        graph.Input("x", TensorType.Fp32, -1, 1);
        graph.Output("y", TensorType.Fp32, -1, 1);
        graph.Constant(new Tensor("w", TensorType.Fp32, [1, Megabytes << 18], new byte[Megabytes << 20]));
        graph.Node("MatMul", ["x", "w"], ["wide"]);
        graph.Node("ReduceMean", ["wide"], ["y"], ("axes", new List<long> { 1 }), ("keepdims", 1L));
        var package = onnx.Package("large", graph.ToArray(), null);
        long after = 0;
        for (var cycle = 0; cycle < Cycles; cycle++)
        {
            using (var model = _served.Server.App.Models.LoadFolder(package))
                Assert.Equal(Floats(0), model.Tensors!.Run([new Tensor("x", TensorType.Fp32, [1, 1], Floats(3))], [])[0].Data.ToArray());
            if (cycle == 2) after = Resident();
        }
        Assert.InRange(Resident() - after, long.MinValue, 3L * Megabytes << 20); // nine models kept would be more than that

        static long Resident() => long.Parse(File.ReadLines("/proc/self/status").First(l => l.StartsWith("VmRSS", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]) * 1024;
    }

    [Fact]
    public async Task A_version_is_converted_deployed_and_answers_as_before()
    {
        var (status, body) = await _served.Post("/api/v1/models/m/versions/1/convert?to=onnx", "");
        Assert.True(status == 200, body);
        var version = JsonNode.Parse(body)!;
        Assert.Equal("m@1", (string)version["params"]!["converted.from"]!);
        Assert.Equal(2, (int)version["version"]!);
        var app = _served.Server.App;
        await app.Deployments.Deploy(new Takt.Deployments.DeploymentSpec("converted", [1], TimeSpan.Zero, 0, [], null, true, null), "m@2");
        while (app.Router.Find("converted") is null) await Task.Delay(20);
        const string Rows = """{"inputs":[{"name":"x","shape":[3],"datatype":"FP64","data":[0.1,0.9,null]},{"name":"c","shape":[3],"datatype":"BYTES","data":["a","b","never seen"]}]}""";
        var (before, after) = (Data(await _served.Post("/v2/models/m/infer", Rows)), Data(await _served.Post("/v2/models/converted/infer", Rows)));
        Assert.Equal(3, after.Length);
        Assert.Equal("""[{"name":"x","datatype":"FP64","shape":[-1]},{"name":"c","datatype":"BYTES","shape":[-1]}]""", JsonNode.Parse(await _served.Http.GetStringAsync("/v2/models/converted"))!["inputs"]!.ToJsonString()); // as before, not the codes
        for (var i = 0; i < 3; i++) Assert.Equal(before[i], after[i], 1e-6);
        (status, body) = await _served.Post("/api/v1/models/m/versions/2/convert?to=onnx", "");
        Assert.Equal(400, status);
        Assert.Contains("has the flavor onnx already", body);

        static double[] Data((int Status, string Body) answer) => JsonNode.Parse(answer.Body)!["outputs"]![0]!["data"]!.AsArray().Select(n => (double)n!).ToArray();
    }

    [Fact]
    public void A_damaged_model_is_refused_in_words()
    {
        var folder = onnx.Package("damaged", [8, 8, 255, 255], null);
        var e = Assert.Throws<TaktException>(() => _served.Server.App.Models.LoadFolder(folder));
        Assert.Equal(TaktError.Invalid, e.Error);
        Assert.Contains("can't be loaded by ONNX Runtime", e.Message);
    }

    /// <summary>What the log of an endpoint that other tests use too has of one answer.</summary>
    async Task<Table> Logged(string endpoint, JsonNode answer)
    {
        var id = (string)answer["parameters"]!["prediction_id"]!;
        var log = _served.Server.App.Predictions.Of(endpoint);
        await log.Flush();
        using var connection = (await log.Open())!;
        return Tables.Query(connection, $"select * from predictions where starts_with(id, '{id}:') order by id");
    }

    async Task<(JsonNode Head, byte[] Raw)> Binary(string model, JsonObject request, byte[][] tensors)
    {
        using var answer = await Send(model, request.ToJsonString(), tensors);
        var body = await answer.Content.ReadAsByteArrayAsync();
        Assert.True((int)answer.StatusCode == 200, Encoding.UTF8.GetString(body));
        var length = int.Parse(answer.Headers.GetValues("Inference-Header-Content-Length").Single());
        return (JsonNode.Parse(body.AsSpan(0, length))!, body[length..]);
    }

    async Task<HttpResponseMessage> Send(string model, string json, byte[][] tensors)
    {
        var head = Encoding.UTF8.GetBytes(json);
        var content = new ByteArrayContent([.. head, .. tensors.SelectMany(t => t)]);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        content.Headers.Add("Inference-Header-Content-Length", head.Length.ToString());
        return await _served.Http.PostAsync($"/v2/models/{model}/infer", content);
    }

    static byte[] Floats(params float[] values) => OnnxServed.Floats(values);

    /// <summary>Random bits; texts for BYTES.</summary>
    static byte[] Bytes(TensorType type, int rows, Random random)
    {
        if (type != TensorType.Bytes)
        {
            var bytes = new byte[rows * 2 * Tensor.SizeOf(type)];
            if (type == TensorType.Bool) bytes[1] = bytes[2] = 1;
            else random.NextBytes(bytes);
            return bytes;
        }
        var texts = new MemoryStream();
        for (var i = 0; i < rows * 2; i++)
        {
            var text = Encoding.UTF8.GetBytes(new string((char)('a' + i), i * 3) + "\0ä");
            texts.Write(BitConverter.GetBytes(text.Length));
            texts.Write(text);
        }
        return texts.ToArray();
    }
}
