using System.Buffers.Binary;
using System.Diagnostics;
using System.IO.Compression;
using System.Net;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Grpc.Net.Compression;
using Inference;
using Takt.Deployments;
using Takt.Server;
using static Grpc.Health.V1.HealthCheckResponse.Types;
using Input = Inference.ModelInferRequest.Types.InferInputTensor;

namespace Takt.Protocols.Tests.OpenInference;

/// <summary>The protocol over gRPC, through a socket and the official client.</summary>
public sealed class GrpcTests(GrpcTests.Fixture fixture) : IClassFixture<GrpcTests.Fixture>
{
    readonly ServedModel _model = fixture.Model;
    readonly GrpcChannel _channel = fixture.Channel;
    readonly GRPCInferenceService.GRPCInferenceServiceClient _client = new(fixture.Channel);

    /// <summary>One server for the tests that leave it as it was; the others start their own.</summary>
    public sealed class Fixture : IAsyncLifetime
    {
        internal ServedModel Model { get; private set; } = null!;

        internal GrpcChannel Channel { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            Model = await ServedModel.Start(grpc: true);
            Channel = Connect(Model);
        }

        public async ValueTask DisposeAsync()
        {
            Channel.Dispose();
            await Model.DisposeAsync();
        }
    }

    static GrpcChannel Connect(ServedModel model) => GrpcChannel.ForAddress(model.Server.GrpcAddress!, new GrpcChannelOptions { MaxSendMessageSize = null, MaxReceiveMessageSize = null });

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
        var got = await Send("ModelInfer", sent);
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

    static readonly (string Message, Action<ModelInferRequest> Break)[] Broken =
    [
        ("inputs is missing", r => r.Inputs.Clear()),
        ("unknown input 'xx'; did you mean 'x'?", r => r.Inputs[0].Name = "xx"),
        ("input 1 has no name", r => r.Inputs[0].Name = ""),
        ("input 'x' has no shape", r => r.Inputs[0].Shape.Clear()),
        ("holds -1", r => r.Inputs[0].Shape[0] = -1),
        ("over 8 dimensions", r => r.Inputs[0].Shape.Add(Enumerable.Repeat(1L, 8))),
        ("has shape [2,3]", r => r.Inputs[0].Shape.Add(3)),
        ("has 2 rows, others have 3", r => r.Inputs[0].Shape[0] = 3),
        ("1 to 100000 are allowed", r => r.Inputs[0].Shape[0] = r.Inputs[1].Shape[0] = 1L << 40),
        ("datatype BYTES; the model takes FP64", r => r.Inputs[0].Datatype = "BYTES"),
        ("datatype FP9", r => r.Inputs[0].Datatype = "FP9"),
        ("raw_input_contents has 1 entries for 2 inputs", r => r.RawInputContents.RemoveAt(1)),
        ("input 'x' has contents, and the request raw_input_contents", r => r.Inputs[0].Contents = new InferTensorContents { Fp64Contents = { 1, 2 } }),
        ("holds an infinity", r => r.RawInputContents[0] = Bytes(1, double.PositiveInfinity)),
        ("ends within value 2 of 2", r => r.RawInputContents[1] = ByteString.CopyFrom(r.RawInputContents[1].Span[..^1])),
        ("has 1 bytes more than its 2 values", r => r.RawInputContents[1] = ByteString.CopyFrom([.. r.RawInputContents[1].Span, 0])),
        ("value 1 is no UTF-8", r => r.RawInputContents[1] = ByteString.CopyFrom([1, 0, 0, 0, 0xFF, 0, 0, 0, 0])),
        ("the model has no output 'nope'", r => r.Outputs.Add(new ModelInferRequest.Types.InferRequestedOutputTensor { Name = "nope" })),
        ("event_time must be a time", r => r.Parameters["event_time"] = new InferParameter { StringParam = "soon" }),
        ("event_time must be a time", r => r.Parameters["event_time"] = new InferParameter { Int64Param = -1 }),
        ("2 times", r => { r.Inputs.Add(r.Inputs[0].Clone()); r.RawInputContents.Add(r.RawInputContents[0]); }),
        ("input 'x' has 0 values; its shape [2] says 2", r => r.RawInputContents.Clear()),
        ("has more values than its shape", r => { r.RawInputContents.Clear(); r.Inputs[0].Contents = new InferTensorContents { Fp64Contents = { 1, 2, 3 } }; }),
        ("has int64_contents; the values of FP64 stand in fp64_contents", r => { r.RawInputContents.Clear(); r.Inputs[0].Contents = new InferTensorContents { Int64Contents = { 1, 2 } }; }),
        ("value 2: 300 is no UINT8", r => { r.RawInputContents.Clear(); r.Inputs[0].Datatype = "UINT8"; r.Inputs[0].Contents = new InferTensorContents { UintContents = { 1, 300 } }; }),
        ("model_name is missing", r => r.ModelName = ""),
    ];

    public static IEnumerable<TheoryDataRow<int, string>> Faults() => Broken.Select((b, i) => new TheoryDataRow<int, string>(i, b.Message));

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task A_request_that_does_not_fit_is_refused_in_words(int which, string message)
    {
        var request = Raw("1");
        Broken[which].Break(request);
        await Refused(StatusCode.InvalidArgument, message, _client.ModelInferAsync(request));
    }

    [Fact]
    public async Task Every_fault_is_named_at_once_and_a_long_list_is_cut_to_what_clients_take()
    {
        var request = Raw("1");
        (request.Inputs[0].Name, request.Inputs[1].Datatype) = ("xx", "FP64");
        var fault = await Assert.ThrowsAsync<RpcException>(async () => await _client.ModelInferAsync(request));
        Assert.Contains("unknown input 'xx'", fault.Status.Detail);
        Assert.Contains("input 'x' (FP64) is missing", fault.Status.Detail);
        Assert.Contains("input 'c' has datatype FP64", fault.Status.Detail);
        for (var i = 0; i < 2000; i++)
        {
            request.Inputs.Add(new Input { Name = $"ü{i}", Datatype = "FP64", Shape = { 1 } });
            request.RawInputContents.Add(ByteString.Empty);
        }
        fault = await Assert.ThrowsAsync<RpcException>(async () => await _client.ModelInferAsync(request));
        Assert.Equal(StatusCode.InvalidArgument, fault.StatusCode);
        Assert.EndsWith("…", fault.Status.Detail);
    }

    [Fact]
    public async Task Each_kind_of_error_has_its_status()
    {
        await Refused(StatusCode.NotFound, "no model is served as 'nope'", _client.ModelInferAsync(new ModelInferRequest(Raw("1")) { ModelName = "nope" }));
        await Refused(StatusCode.NotFound, "no version '9'", _client.ModelInferAsync(new ModelInferRequest(Raw("1")) { ModelVersion = "9" }));
        await Refused(StatusCode.NotFound, "no model is served as 'nope'", _client.ModelMetadataAsync(new ModelMetadataRequest { Name = "nope" }));
        await Refused(StatusCode.NotFound, "no deployment 'nope'", _client.RepositoryModelLoadAsync(new RepositoryModelLoadRequest { ModelName = "nope" }));
        await Refused(StatusCode.NotFound, "no deployment 'nope'", _client.RepositoryModelUnloadAsync(new RepositoryModelUnloadRequest { ModelName = "nope" }));
        await Refused(StatusCode.Unimplemented, "'config' is not supported", _client.RepositoryModelLoadAsync(new RepositoryModelLoadRequest { ModelName = "m", Parameters = { ["config"] = new ModelRepositoryParameter { StringParam = "{}" } } }));
        await _client.RepositoryModelLoadAsync(new RepositoryModelLoadRequest { ModelName = "m" }); // it is
        var shared = Raw("1");
        shared.Inputs[0].Parameters["shared_memory_region"] = new InferParameter { StringParam = "r" };
        await Refused(StatusCode.Unimplemented, "shared memory", _client.ModelInferAsync(shared));
        Assert.Equal("1", (await _client.ModelInferAsync(new ModelInferRequest(Raw("1")) { ModelVersion = "1" })).ModelVersion);
        Assert.Equal("m@1", (await _client.ModelInferAsync(new ModelInferRequest(Raw("1")) { ModelName = "m@1" })).ModelName);
    }

    [Fact]
    public async Task A_full_queue_is_unavailable_with_a_time_to_try_again_and_a_deadline_or_a_client_that_leaves_frees_its_place()
    {
        var turn = _model.Server.App.Router.Find("m")!.Champion.Turn;
        var inside = 0;
        while (turn.TryEnter()) inside++; // nobody gets in from here on
        await Refused(StatusCode.DeadlineExceeded, "", _client.ModelInferAsync(Raw("1"), deadline: DateTime.UtcNow.AddMilliseconds(300)));
        await Refused(StatusCode.DeadlineExceeded, "", _client.ModelInferAsync(Typical(parameters: true), deadline: DateTime.UtcNow.AddMilliseconds(300)));
        using (var leaving = new CancellationTokenSource())
        {
            var call = _client.ModelInferAsync(Raw("1"), cancellationToken: leaving.Token);
            while (turn.Waiting == 0) await Task.Delay(5);
            leaving.Cancel();
            await Refused(StatusCode.Cancelled, "", call);
        }
        while (turn.Waiting > 0) await Task.Delay(5); // none of the three waits any longer
        turn.Leave(TimeSpan.FromMinutes(1)); // such a request is known to take so long that nobody may wait behind many
        Assert.True(turn.TryEnter());
        var queue = new List<Task>();
        while (turn.Enter("m", default).AsTask() is { IsFaulted: false } place) queue.Add(place);
        var fault = await Refused(StatusCode.Unavailable, "more requests than it can answer", _client.ModelInferAsync(Raw("1")));
        Assert.Equal(("1", "1000"), (fault.Trailers.GetValue("retry-after"), fault.Trailers.GetValue("grpc-retry-pushback-ms")));
        for (var i = 0; i < inside + queue.Count; i++) turn.Leave(TimeSpan.Zero);
        await Task.WhenAll(queue);
        await _client.ModelInferAsync(Raw("1"));
    }

    [Fact]
    public async Task A_stream_answers_in_order_and_goes_on_after_a_request_that_fails()
    {
        using var stream = _client.ModelStreamInfer();
        foreach (var id in (string[])["1", "2", "3", "4"])
        {
            var request = id == "3" ? Typical(parameters: true) : Raw(id);
            request.Id = id;
            if (id == "2") request.Inputs[0].Name = "xx";
            if (id == "3") request.Parameters["triton_enable_empty_final_response"] = new InferParameter { BoolParam = true };
            await stream.RequestStream.WriteAsync(request);
        }
        await stream.RequestStream.CompleteAsync();
        var answers = new List<ModelStreamInferResponse>();
        await foreach (var answer in stream.ResponseStream.ReadAllAsync()) answers.Add(answer);
        Assert.Equal(["1", "2", "3", "4"], answers.Select(a => a.InferResponse.Id));
        Assert.Contains("unknown input 'xx'", answers[1].ErrorMessage);
        Assert.Empty(answers[1].InferResponse.Outputs);
        foreach (var good in (int[])[0, 2, 3])
        {
            Assert.Equal("", answers[good].ErrorMessage);
            Assert.Equal(Doubles(answers[0].InferResponse), Doubles(answers[good].InferResponse));
        }
        Assert.True(answers[2].InferResponse.Parameters["triton_final_response"].BoolParam);
    }

    [Fact]
    public async Task A_stream_ends_with_the_status_of_the_first_failure_where_the_client_asks_for_that()
    {
        using var stream = _client.ModelStreamInfer(new Metadata { { "triton_grpc_error", "true" } });
        await stream.RequestStream.WriteAsync(Raw("1"));
        Assert.True(await stream.ResponseStream.MoveNext());
        await stream.RequestStream.WriteAsync(new ModelInferRequest(Raw("2")) { ModelName = "nope" });
        var fault = await Assert.ThrowsAsync<RpcException>(() => stream.ResponseStream.MoveNext());
        Assert.Equal(StatusCode.NotFound, fault.StatusCode);
    }

    [Fact]
    public async Task A_server_that_stops_ends_streams_and_watches_and_says_why()
    {
        var own = await ServedModel.Start(grpc: true);
        using var channel = Connect(own);
        using var stream = new GRPCInferenceService.GRPCInferenceServiceClient(channel).ModelStreamInfer();
        await stream.RequestStream.WriteAsync(Raw("1"));
        Assert.True(await stream.ResponseStream.MoveNext());
        using var watch = new Health.HealthClient(channel).Watch(new HealthCheckRequest());
        Assert.True(await watch.ResponseStream.MoveNext());
        var stop = own.DisposeAsync();
        Assert.True(await watch.ResponseStream.MoveNext());
        Assert.Equal(ServingStatus.NotServing, watch.ResponseStream.Current.Status);
        await Ends(() => watch.ResponseStream.MoveNext());
        await Ends(() => stream.ResponseStream.MoveNext());
        await stop;

        // Unavailable by the server's word; the client makes Internal of a connection that was closed before that word arrived
        static async Task Ends(Func<Task<bool>> next)
        {
            var end = await Assert.ThrowsAsync<RpcException>(next);
            Assert.True(end.StatusCode == StatusCode.Unavailable || (end.StatusCode == StatusCode.Internal && end.Status.DebugException is not null), end.ToString());
        }
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
    public async Task A_message_that_is_too_large_is_refused_whether_it_is_packed_or_not()
    {
        var request = Raw("1");
        request.RawInputContents[0] = ByteString.CopyFrom(new byte[64 << 20]);
        var fault = await Assert.ThrowsAsync<RpcException>(async () => await _client.ModelInferAsync(request));
        Assert.Equal(StatusCode.ResourceExhausted, fault.StatusCode);
        using var packing = GrpcChannel.ForAddress(_model.Server.GrpcAddress!, new GrpcChannelOptions { MaxSendMessageSize = null, CompressionProviders = [new GzipCompressionProvider(CompressionLevel.Fastest)] });
        var gzip = new Metadata { { "grpc-internal-encoding-request", "gzip" } };
        var client = new GRPCInferenceService.GRPCInferenceServiceClient(packing);
        await Refused(StatusCode.ResourceExhausted, "unpacks to over", client.ModelInferAsync(request, gzip)); // some 300 KB on the wire
        Assert.Equal("2", (await client.ModelInferAsync(Raw("2"), gzip)).Id);
    }

    [Fact]
    public async Task A_call_that_is_no_message_is_refused_and_so_is_one_over_HTTP_1()
    {
        var (status, message) = await SendRaw("ModelInfer", [0x0A, 0x7F]);
        Assert.Equal(("3", "the message is no ModelInferRequest"), (status, Uri.UnescapeDataString(message)));
        Assert.Equal("12", (await SendRaw("ModelConfig", [])).Status);
        using var http = new HttpClient { BaseAddress = _model.Server.Address };
        using var call = new HttpRequestMessage(HttpMethod.Post, "/inference.GRPCInferenceService/ModelInfer") { Content = Frame(Raw("1").ToByteArray()) };
        Assert.Equal(HttpStatusCode.UpgradeRequired, (await http.SendAsync(call)).StatusCode);
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
        using var channel = Connect(own);
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

    internal static ModelInferRequest Raw(string id) => new()
    {
        ModelName = "m",
        Id = id,
        Inputs = { new Input { Name = "x", Datatype = "FP64", Shape = { 2 } }, new Input { Name = "c", Datatype = "BYTES", Shape = { 2 } } },
        RawInputContents = { Bytes(0.1, 0.9), ByteString.CopyFrom([1, 0, 0, 0, (byte)'a', 1, 0, 0, 0, (byte)'b']) },
    };

    internal static ModelInferRequest Contents(string id) => new()
    {
        ModelName = "m",
        Id = id,
        Inputs =
        {
            new Input { Name = "x", Datatype = "FP64", Shape = { 2, 1 }, Contents = new InferTensorContents { Fp64Contents = { 0.1, 0.9 } } },
            new Input { Name = "c", Datatype = "BYTES", Shape = { 2 }, Contents = new InferTensorContents { BytesContents = { ByteString.CopyFromUtf8("a"), ByteString.CopyFromUtf8("b") } } },
        },
    };

    /// <param name="parameters">It has one, so that it takes the long way.</param>
    static ModelInferRequest Typical(bool parameters)
    {
        var request = Raw("9");
        if (parameters) request.Parameters["priority"] = new InferParameter { Uint64Param = 1 };
        return request;
    }

    static ModelInferRequest Numbers(string dataType, bool raw, params int[] values)
    {
        var request = raw ? Raw("1") : Contents("1");
        request.Inputs[0].Datatype = dataType;
        if (raw)
        {
            request.RawInputContents[0] = ByteString.CopyFrom(values.SelectMany(v => dataType switch
            {
                "FP64" => BitConverter.GetBytes((double)v),
                "FP32" => BitConverter.GetBytes((float)v),
                "FP16" => BitConverter.GetBytes((Half)v),
                "BF16" => BitConverter.GetBytes((float)v)[2..],
                "INT64" or "UINT64" => BitConverter.GetBytes((long)v),
                "INT32" or "UINT32" => BitConverter.GetBytes(v),
                "INT16" or "UINT16" => BitConverter.GetBytes((short)v),
                _ => new[] { (byte)v },
            }).ToArray());
            return request;
        }
        var contents = request.Inputs[0].Contents = new InferTensorContents();
        foreach (var value in values)
            if (dataType == "FP64") contents.Fp64Contents.Add(value);
            else if (dataType == "FP32") contents.Fp32Contents.Add(value);
            else if (dataType == "INT64") contents.Int64Contents.Add(value);
            else if (dataType == "UINT64") contents.Uint64Contents.Add((ulong)value);
            else if (dataType[0] == 'U') contents.UintContents.Add((uint)value);
            else contents.IntContents.Add(value);
        return request;
    }

    static ByteString Bytes(params double[] values) => ByteString.CopyFrom(MemoryMarshal.AsBytes(values.AsSpan()));

    static double[] Doubles(ModelInferResponse answer) => MemoryMarshal.Cast<byte, double>(Assert.Single(answer.RawOutputContents).Span).ToArray();

    static async Task<RpcException> Refused<T>(StatusCode status, string message, AsyncUnaryCall<T> call)
    {
        var fault = await Assert.ThrowsAsync<RpcException>(async () => await call);
        Assert.Contains(message, fault.Status.Detail);
        Assert.Equal(status, fault.StatusCode);
        return fault;
    }

    /// <summary>The message alone, as any HTTP/2 client would send it.</summary>
    async Task<byte[]> Send(string method, byte[] message)
    {
        using var answer = await Post(method, message);
        var body = await answer.Content.ReadAsByteArrayAsync();
        Assert.Equal("0", answer.TrailingHeaders.GetValues("grpc-status").Single());
        Assert.Equal((0, body.Length - 5), (body[0], BinaryPrimitives.ReadInt32BigEndian(body.AsSpan(1))));
        return body[5..];
    }

    async Task<(string Status, string Message)> SendRaw(string method, byte[] message)
    {
        using var answer = await Post(method, message);
        await answer.Content.ReadAsByteArrayAsync();
        string Of(string name) => (answer.TrailingHeaders.TryGetValues(name, out var values) || answer.Headers.TryGetValues(name, out values)) ? values.Single() : "";
        return (Of("grpc-status"), Of("grpc-message"));
    }

    async Task<HttpResponseMessage> Post(string method, byte[] message)
    {
        using var http = new HttpClient { BaseAddress = _model.Server.GrpcAddress };
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/inference.GRPCInferenceService/{method}") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = Frame(message) };
        request.Headers.Add("te", "trailers");
        return await http.SendAsync(request);
    }

    static ByteArrayContent Frame(byte[] message)
    {
        var frame = new byte[5 + message.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), message.Length);
        message.CopyTo(frame, 5);
        return new ByteArrayContent(frame) { Headers = { ContentType = new("application/grpc") } };
    }
}
