using System.IO.Compression;
using System.Net;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Compression;
using Inference;
using Takt.Deployments;
using static Takt.Protocols.Tests.OpenInference.GrpcRequests;
using Input = Inference.ModelInferRequest.Types.InferInputTensor;

namespace Takt.Protocols.Tests.OpenInference;

/// <summary>What is refused over gRPC, with which status and in which words.</summary>
public sealed class GrpcFaultTests(GrpcFixture fixture) : IClassFixture<GrpcFixture>
{
    readonly ServedModel _model = fixture.Model;
    readonly GRPCInferenceService.GRPCInferenceServiceClient _client = new(fixture.Channel);

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

    [Theory]
    [InlineData("00 0000FFFF 0A01")] // ends within its message
    [InlineData("00 FFFFFFFF 0A01")]
    [InlineData("00 000000")]
    [InlineData("01 00000002 0A01")] // packed, by nobody knows what
    [InlineData("07 00000002 0A01")]
    [InlineData("")]
    [InlineData("00 00000002 0A01 00 00000002 0A01")] // two messages where there is one
    public async Task A_frame_that_is_none_is_refused_and_the_next_call_is_answered(string frame)
    {
        var (status, _) = await SendFrame(_model, "ModelInfer", Convert.FromHexString(frame.Replace(" ", "", StringComparison.Ordinal)));
        Assert.InRange(int.Parse(status), 1, 16);
        await _client.ModelInferAsync(Raw("1"));
    }

    [Fact]
    public async Task A_refused_call_is_counted_by_its_own_status_and_not_as_a_success_of_HTTP()
    {
        await using var own = await ServedModel.Start(grpc: true);
        using var channel = GrpcFixture.Connect(own);
        var client = new GRPCInferenceService.GRPCInferenceServiceClient(channel);
        var (router, old) = (own.Server.App.Router, own.Server.App.Router.Find("m")!.Champion);
        router.Set("m", new Route(new Slot(old.Revision with { Spec = old.Revision.Spec with { Limits = new LimitSpec(0.001, Burst: 1) } }, await own.Server.App.Models.Load(own.Server.App.Models.Resolve("m@1"))), null, 0));
        await client.ModelInferAsync(Raw("1"));
        await Refused(StatusCode.ResourceExhausted, "try again in", client.ModelInferAsync(Raw("1")));
        await Refused(StatusCode.NotFound, "nope", client.ModelMetadataAsync(new ModelMetadataRequest { Name = "nope" }));
        string metrics;
        do metrics = await own.Http.GetStringAsync("/metrics"); // a call is counted after its client has heard
        while (!metrics.Contains("_count{http_request_method=\"POST\",http_route=\"/inference.GRPCInferenceService/ModelMetadata\"", StringComparison.Ordinal));
        string Counted(string method, string status) => $"_count{{http_request_method=\"POST\",http_route=\"/inference.GRPCInferenceService/{method}\",http_response_status_code=\"200\",rpc_grpc_status_code=\"{status}\"";
        Assert.Contains(Counted("ModelInfer", "0") + ",takt_endpoint=\"m\"", metrics);
        Assert.Contains(Counted("ModelInfer", "8") + "} 1\n", metrics);
        Assert.Contains(Counted("ModelMetadata", "5") + "} 1\n", metrics);
    }

    [Fact]
    public async Task A_call_that_is_no_message_is_refused_and_so_is_one_over_HTTP_1()
    {
        var (status, message) = await SendRaw(_model, "ModelInfer", [0x0A, 0x7F]);
        Assert.Equal(("3", "the message is no ModelInferRequest"), (status, Uri.UnescapeDataString(message)));
        Assert.Equal("12", (await SendRaw(_model, "SystemSharedMemoryStatus", [])).Status);
        using var http = new HttpClient { BaseAddress = _model.Server.Address };
        using var call = new HttpRequestMessage(HttpMethod.Post, "/inference.GRPCInferenceService/ModelInfer") { Content = Frame(Raw("1").ToByteArray()) };
        Assert.Equal(HttpStatusCode.UpgradeRequired, (await http.SendAsync(call)).StatusCode);
    }
}
