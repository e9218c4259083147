using Grpc.Core;
using Grpc.Health.V1;
using Inference;
using static Grpc.Health.V1.HealthCheckResponse.Types;
using static Takt.Protocols.Tests.OpenInference.GrpcRequests;

namespace Takt.Protocols.Tests.OpenInference;

/// <summary>Calls of gRPC that go on: streams of requests, and watches.</summary>
public sealed class GrpcStreamTests(GrpcFixture fixture) : IClassFixture<GrpcFixture>
{
    readonly GRPCInferenceService.GRPCInferenceServiceClient _client = new(fixture.Channel);

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
    public async Task A_model_that_can_not_answer_is_not_ready_over_gRPC_as_over_REST()
    {
        await using var own = await ServedModel.Start(grpc: true);
        using var channel = GrpcFixture.Connect(own);
        GatedModel.InPlaceOf(own).Unready = "its workers do not start";
        Assert.Equal(503, (int)(await own.Http.GetAsync("/v2/models/m/ready")).StatusCode);
        Assert.False((await new GRPCInferenceService.GRPCInferenceServiceClient(channel).ModelReadyAsync(new ModelReadyRequest { Name = "m" })).Ready);
    }

    [Fact]
    public async Task A_server_that_stops_ends_streams_and_watches_and_says_why()
    {
        var own = await ServedModel.Start(grpc: true);
        using var channel = GrpcFixture.Connect(own);
        var streams = Enumerable.Range(0, 8).Select(_ => new GRPCInferenceService.GRPCInferenceServiceClient(channel).ModelStreamInfer()).ToList();
        foreach (var stream in streams)
        {
            await stream.RequestStream.WriteAsync(Raw("1"));
            Assert.True(await stream.ResponseStream.MoveNext());
        }
        using var watch = new Health.HealthClient(channel).Watch(new HealthCheckRequest());
        Assert.True(await watch.ResponseStream.MoveNext());
        var ends = streams.ConvertAll(s => s.ResponseStream.MoveNext()); // they wait for it: .NET's client forgets what it has received, and not been asked for, when a connection ends
        var stop = own.DisposeAsync();
        Assert.True(await watch.ResponseStream.MoveNext());
        Assert.Equal(ServingStatus.NotServing, watch.ResponseStream.Current.Status);
        await Ends(() => watch.ResponseStream.MoveNext());
        foreach (var end in ends) await Ends(() => end);
        await stop;
        foreach (var stream in streams) stream.Dispose();

        static async Task Ends(Func<Task<bool>> next)
        {
            var end = await Assert.ThrowsAsync<RpcException>(next);
            Assert.True(end is { StatusCode: StatusCode.Unavailable, Status: { DebugException: null, Detail: var said } } && said.StartsWith("the server stops", StringComparison.Ordinal), end.ToString()); // its word, not what the client makes of a closed connection
        }
    }
}
