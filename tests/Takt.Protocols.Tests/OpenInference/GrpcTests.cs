using System.Diagnostics;
using System.Text.Json.Nodes;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Inference;
using Takt.Deployments;
using Takt.Server;
using static Takt.Protocols.Tests.OpenInference.GrpcRequests;
using static Grpc.Health.V1.HealthCheckResponse.Types;

namespace Takt.Protocols.Tests.OpenInference;

/// <summary>The protocol over gRPC, through a socket and the official client.</summary>
public sealed class GrpcTests(GrpcFixture fixture) : IClassFixture<GrpcFixture>
{
    readonly ServedModel _model = fixture.Model;
    readonly GrpcChannel _channel = fixture.Channel;
    readonly GRPCInferenceService.GRPCInferenceServiceClient _client = new(fixture.Channel);

    [Fact]
    public async Task Raw_values_and_contents_are_answered_as_JSON_is_and_the_id_comes_back()
    {
        var json = JsonNode.Parse((await _model.Post("/v2/models/m/infer", """{"inputs":[{"name":"x","shape":[2],"datatype":"FP64","data":[0.1,0.9]},{"name":"c","shape":[2],"datatype":"BYTES","data":["a","b"]}]}""")).Body)!;
        var expected = json["outputs"]![0]!["data"]!.AsArray().Select(n => n!.GetValue<double>()).ToArray();
        foreach (var request in (ModelInferRequest[])[Raw("42"), Contents("42")])
        {
            var answer = await _client.ModelInferAsync(request);
            Assert.Equal(("m", "1", "42"), (answer.ModelName, answer.ModelVersion, answer.Id));
            Assert.Equal("m@1", answer.Parameters["model"].StringParam);
            var output = Assert.Single(answer.Outputs);
            Assert.Equal(("probability", "FP64", 2L), (output.Name, output.Datatype, Assert.Single(output.Shape)));
            Assert.Null(output.Contents);
            Assert.Equal(expected, Doubles(answer));
        }
    }

    [Fact]
    public async Task The_long_way_answers_in_the_same_form_as_the_short_way_and_in_contents_when_asked()
    {
        var request = Raw("7");
        var brief = await _client.ModelInferAsync(request);
        request.Parameters["event_time"] = new InferParameter { StringParam = "2001-01-22T10:00:00Z" };
        var full = await _client.ModelInferAsync(request);
        full.Parameters["prediction_id"] = brief.Parameters["prediction_id"];
        Assert.Equal(brief, full);
        request.Parameters["binary_data_output"] = new InferParameter { BoolParam = false };
        var typed = await _client.ModelInferAsync(request);
        Assert.Empty(typed.RawOutputContents);
        Assert.Equal(Doubles(brief), typed.Outputs[0].Contents.Fp64Contents);
        request.Parameters["binary_data_output"] = new InferParameter { StringParam = "no" };
        await Refused(StatusCode.InvalidArgument, "must be a bool_param", _client.ModelInferAsync(request));
    }

    /// <summary>Frozen: what unmodified clients send and read. A change of these bytes breaks them.</summary>
    [Fact]
    public async Task The_bytes_on_the_wire_are_those_of_the_protocol()
    {
        const string Request = "0A016D 1A023432" // model_name "m", id "42"
            + "2A0C 0A0178 120446503634 1A0102" // inputs: x FP64 [2]
            + "2A0D 0A0163 12054259544553 1A0102" // c BYTES [2]
            + "3A10 9A9999999999B93F CDCCCCCCCCCCEC3F" // raw_input_contents: 0.1, 0.9
            + "3A0A 01000000 61 01000000 62"; // "a", "b"
        const string Answer = "0A016D 120131 1A023432" // model_name, model_version "1", id
            + "2235 0A0D70726564696374696F6E5F6964 1224 1A22 ID" // parameters: prediction_id
            + "220E 0A056D6F64656C 1205 1A036D4031" // model "m@1"
            + "2A16 0A0B70726F626162696C697479 120446503634 1A0102" // outputs: probability FP64 [2]
            + "3210 SCORES"; // raw_output_contents
        var sent = Convert.FromHexString(Request.Replace(" ", "", StringComparison.Ordinal));
        Assert.Equal(Raw("42"), ModelInferRequest.Parser.ParseFrom(sent));
        var got = await Send(_model, "ModelInfer", sent);
        var parsed = ModelInferResponse.Parser.ParseFrom(got);
        var id = System.Text.Encoding.ASCII.GetBytes(parsed.Parameters["prediction_id"].StringParam);
        Assert.Equal(PredictionId.Length, id.Length);
        Assert.Equal(Answer.Replace("ID", Convert.ToHexString(id), StringComparison.Ordinal).Replace("SCORES", Convert.ToHexString(parsed.RawOutputContents[0].Span), StringComparison.Ordinal).Replace(" ", "", StringComparison.Ordinal), Convert.ToHexString(got));
        Assert.Equal((true, true), (Doubles(parsed)[0] < 0.5, Doubles(parsed)[1] > 0.5));
    }

    [Theory]
    [InlineData("FP64", true)]
    [InlineData("FP32", true)]
    [InlineData("INT64", true)]
    [InlineData("INT32", true)]
    [InlineData("INT16", true)]
    [InlineData("INT8", true)]
    [InlineData("UINT64", true)]
    [InlineData("UINT32", true)]
    [InlineData("UINT16", true)]
    [InlineData("UINT8", true)]
    [InlineData("FP16", false)]
    [InlineData("BF16", false)]
    public async Task Every_datatype_of_numbers_is_taken_raw_and_all_but_those_of_two_bytes_in_contents(string dataType, bool hasContents)
    {
        var expected = Doubles(await _client.ModelInferAsync(Numbers("FP64", raw: true, 0, 1)));
        Assert.Equal(expected, Doubles(await _client.ModelInferAsync(Numbers(dataType, raw: true, 0, 1))));
        if (hasContents) Assert.Equal(expected, Doubles(await _client.ModelInferAsync(Numbers(dataType, raw: false, 0, 1))));
        else await Refused(StatusCode.InvalidArgument, $"{dataType} has no field in contents", _client.ModelInferAsync(Numbers(dataType, raw: false, 0, 1)));
        var cut = Numbers(dataType, raw: true, 0, 1);
        cut.RawInputContents[0] = ByteString.CopyFrom(cut.RawInputContents[0].Span[..^1]);
        await Refused(StatusCode.InvalidArgument, "bytes; 2", _client.ModelInferAsync(cut));
    }

    [Fact]
    public async Task Metadata_readiness_and_the_index_are_those_of_REST()
    {
        Assert.True((await _client.ServerLiveAsync(new ServerLiveRequest())).Live);
        Assert.True((await _client.ServerReadyAsync(new ServerReadyRequest())).Ready);
        Assert.True((await _client.ModelReadyAsync(new ModelReadyRequest { Name = "m", Version = "1" })).Ready);
        Assert.False((await _client.ModelReadyAsync(new ModelReadyRequest { Name = "m", Version = "2" })).Ready);
        Assert.False((await _client.ModelReadyAsync(new ModelReadyRequest { Name = "nope" })).Ready);
        var server = await _client.ServerMetadataAsync(new ServerMetadataRequest());
        Assert.Equal(("takt", TaktHost.Version), (server.Name, server.Version));
        Assert.Equal(await _model.Http.GetStringAsync("/v2"), new JsonObject { ["name"] = server.Name, ["version"] = server.Version, ["extensions"] = new JsonArray([.. server.Extensions]) }.ToJsonString());
        var model = await _client.ModelMetadataAsync(new ModelMetadataRequest { Name = "m" });
        Assert.Equal("""{ "name": "m", "versions": [ "1" ], "platform": "lightgbm_lightgbm", "inputs": [ { "name": "x", "datatype": "FP64", "shape": [ "-1" ] }, { "name": "c", "datatype": "BYTES", "shape": [ "-1" ] } ], "outputs": [ { "name": "probability", "datatype": "FP64", "shape": [ "-1" ] } ] }""",
            JsonFormatter.Default.Format(model));
        Assert.Equal("""{ "models": [ { "name": "m", "version": "1", "state": "READY" } ] }""", JsonFormatter.Default.Format(await _client.RepositoryIndexAsync(new RepositoryIndexRequest { Ready = true })));
        await Refused(StatusCode.Unimplemented, "repository_name", _client.RepositoryIndexAsync(new RepositoryIndexRequest { RepositoryName = "r" }));
    }

    [Fact]
    public async Task Health_is_told_by_endpoint_and_a_watch_sees_one_come_and_go()
    {
        var health = new Health.HealthClient(_channel);
        foreach (var name in (string[])["", "inference.GRPCInferenceService", "m"]) Assert.Equal(ServingStatus.Serving, (await health.CheckAsync(new HealthCheckRequest { Service = name })).Status);
        await Refused(StatusCode.NotFound, "'n' is neither", health.CheckAsync(new HealthCheckRequest { Service = "n" }));
        using var watch = health.Watch(new HealthCheckRequest { Service = "n" });
        Assert.True(await watch.ResponseStream.MoveNext());
        Assert.Equal(ServingStatus.ServiceUnknown, watch.ResponseStream.Current.Status);
        await _model.Server.App.Deployments.Deploy(new DeploymentSpec("n", [1], TimeSpan.Zero, 0, [], null, true, null), "m@1");
        do Assert.True(await watch.ResponseStream.MoveNext());
        while (watch.ResponseStream.Current.Status == ServingStatus.NotServing); // told while it loads, if somebody looked then
        Assert.Equal(ServingStatus.Serving, watch.ResponseStream.Current.Status);
        _model.Server.App.Router.Remove("n");
        Assert.True(await watch.ResponseStream.MoveNext());
        Assert.Equal(ServingStatus.NotServing, watch.ResponseStream.Current.Status);
        await _model.Server.App.Deployments.Delete("n"); // the next tick would load it again
        while (_model.Server.App.Router.Find("n") is not null) await Task.Delay(20);
    }

    [Fact]
    public async Task Reflection_lists_the_services_and_describes_them_in_both_versions()
    {
        string[] services = ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection", "inference.GRPCInferenceService"];
        using (var call = new Grpc.Reflection.V1.ServerReflection.ServerReflectionClient(_channel).ServerReflectionInfo())
        {
            await call.RequestStream.WriteAsync(new Grpc.Reflection.V1.ServerReflectionRequest { ListServices = "" });
            Assert.True(await call.ResponseStream.MoveNext());
            Assert.Equal(services, call.ResponseStream.Current.ListServicesResponse.Service.Select(s => s.Name).Order(StringComparer.Ordinal));
            await call.RequestStream.WriteAsync(new Grpc.Reflection.V1.ServerReflectionRequest { FileContainingSymbol = "inference.GRPCInferenceService" });
            Assert.True(await call.ResponseStream.MoveNext());
            Assert.Equal(GRPCInferenceService.Descriptor.File.SerializedData, call.ResponseStream.Current.FileDescriptorResponse.FileDescriptorProto[0]);
        }
        using var old = new Grpc.Reflection.V1Alpha.ServerReflection.ServerReflectionClient(_channel).ServerReflectionInfo();
        await old.RequestStream.WriteAsync(new Grpc.Reflection.V1Alpha.ServerReflectionRequest { ListServices = "" });
        Assert.True(await old.ResponseStream.MoveNext());
        Assert.Equal(services, old.ResponseStream.Current.ListServicesResponse.Service.Select(s => s.Name).Order(StringComparer.Ordinal));
    }

    /// <summary>gRPC's C core speaks here, not .NET: it knows nothing of the protocol but what reflection tells.</summary>
    [Fact]
    public async Task A_foreign_client_finds_its_way_by_reflection_and_is_answered()
    {
        var start = new ProcessStartInfo("/usr/bin/python3") { RedirectStandardOutput = true, RedirectStandardError = true, ArgumentList = { "-B", Path.Combine(AppContext.BaseDirectory, "OpenInference", "foreign_client.py"), _model.Server.GrpcAddress!.Authority } };
        using var python = Process.Start(start)!;
        var faults = python.StandardError.ReadToEndAsync();
        var lines = (await python.StandardOutput.ReadToEndAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        await python.WaitForExitAsync();
        Assert.True(python.ExitCode == 0, await faults);
        var scores = Convert.ToHexString((await _client.ModelInferAsync(Raw("1"))).RawOutputContents[0].Span).ToLowerInvariant();
        Assert.Equal([
            "services grpc.health.v1.Health grpc.reflection.v1.ServerReflection grpc.reflection.v1alpha.ServerReflection inference.GRPCInferenceService",
            $"raw 42 {scores}", $"contents 42 {scores}", $"gzip 42 {scores}",
            "unknown model: NOT_FOUND no model is served as 'nope'", "unknown method: UNIMPLEMENTED",
            $"stream 1 {scores}", "stream 2 error unknown input 'xx'", $"stream 3 {scores}",
        ], lines);
    }

    [Fact]
    public async Task A_prediction_is_logged_with_what_was_asked_and_takes_its_label()
    {
        var request = Typical(parameters: true);
        request.Parameters["event_time"] = new InferParameter { Int64Param = 980_157_600_000 };
        var ids = new List<string> { (await _client.ModelInferAsync(Raw("1"))).Parameters["prediction_id"].StringParam, (await _client.ModelInferAsync(request)).Parameters["prediction_id"].StringParam };
        var (status, _) = await _model.Post("/api/v1/deployments/m/labels", $$"""{"labels":[{"id":"{{ids[0]}}:0","label":1},{"id":"{{ids[1]}}:1","label":0}]}""");
        Assert.Equal(200, status);
        var log = JsonNode.Parse(await _model.Http.GetStringAsync("/api/v1/deployments/m/predictions?limit=10"))!.ToJsonString();
        foreach (var id in ids) Assert.Contains(id, log);
        Assert.Contains("2001-01-22T10:00:00", log);
    }

    [Fact]
    public async Task A_key_in_the_metadata_keeps_a_client_at_its_revision_as_a_header_does()
    {
        await using var own = await ServedModel.Start(grpc: true);
        using var channel = GrpcFixture.Connect(own);
        var client = new GRPCInferenceService.GRPCInferenceServiceClient(channel);
        await own.Register("second", seed: 2, extra: false);
        await own.Server.App.Deployments.Deploy(new DeploymentSpec("m", [0.5, 1], TimeSpan.FromHours(1), 100_000, [], null, true, null, Sticky: "header X-User"), "m@2");
        while (own.Server.App.Router.Find("m") is not { Challenger: not null, Share: > 0, Sticky: not null }) await Task.Delay(20);
        var seen = new HashSet<string>();
        for (var user = 0; user < 12; user++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/m/infer") { Content = new StringContent("""{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[0.1]},{"name":"c","shape":[1],"datatype":"BYTES","data":["a"]}]}""") };
            request.Headers.Add("X-User", $"u{user}");
            using var answer = await own.Http.SendAsync(request);
            var version = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["model_version"]!.GetValue<string>();
            var key = new Metadata { { "x-user", $"u{user}" } };
            for (var i = 0; i < 3; i++) Assert.Equal(version, (await client.ModelInferAsync(i == 2 ? Typical(parameters: true) : Raw("1"), key)).ModelVersion);
            seen.Add(version);
        }
        Assert.Equal(2, seen.Count);
    }

    [Fact]
    public async Task A_port_that_is_taken_is_named_with_its_flag()
    {
        var folder = Directory.CreateTempSubdirectory("takt-grpc").FullName;
        var taken = _model.Server.GrpcAddress!.Port;
        var project = TaktFolder.At(folder);
        var fault = await Assert.ThrowsAsync<TaktException>(() => TaktServer.Start(project, "127.0.0.1", 0, TaktOptions.Read(project) with { GrpcPort = taken }));
        Assert.Contains($"port {taken} of 127.0.0.1 is in use by another program; choose one with --grpc-port", fault.Message);
        Directory.Delete(folder, recursive: true);
    }
}
