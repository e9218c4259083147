using Google.Protobuf;
using Inference;
using static Takt.Protocols.Tests.OpenInference.Http2Client;

namespace Takt.Protocols.Tests.OpenInference;

/// <summary>Clients that say or read so slowly that they would hold their requests for ever: each is cut off after the grace that Kestrel gives (headers 10 s, bodies and answers 240 bytes a second after 5 s), and others are answered meanwhile.</summary>
public sealed class SlowClientTests(GrpcFixture fixture) : IClassFixture<GrpcFixture>
{
    static readonly byte[] Grpc = Encode((":method", "POST"), (":scheme", "http"), (":path", "/inference.GRPCInferenceService/ModelInfer"), (":authority", "h"), ("content-type", "application/grpc"), ("te", "trailers"));

    readonly ServedModel _model = fixture.Model;
    readonly GRPCInferenceService.GRPCInferenceServiceClient _client = new(fixture.Channel);

    [Fact]
    public async Task Slow_gRPC_clients_are_cut_off_and_hold_up_nobody()
    {
        var message = GrpcRequests.Raw("1").ToByteArray();
        byte[] body = [0, 0, 0, (byte)(message.Length >> 8), (byte)message.Length, .. message];

        using var dribbles = await Connect(_model.Server.GrpcAddress!); // the first bytes of a body, and no more
        await dribbles.Send(HeadersFrame, EndHeaders, 1, Grpc);
        await dribbles.Send(DataFrame, 0, 1, body[..3]);

        using var stops = await Connect(_model.Server.GrpcAddress!); // a header block that does not end
        await stops.Send(HeadersFrame, 0, 1, Grpc[..20]);

        using var reads = await Connect(_model.Server.GrpcAddress!, window: 0); // a whole request whose answer may not be sent
        await reads.Send(HeadersFrame, EndHeaders, 1, Grpc);
        await reads.Send(DataFrame, EndStream, 1, body);

        Task<List<byte>>[] ends = [dribbles.Ended(1), stops.Ended(1), reads.Ended(1)];
        Assert.Equal("2", (await _client.ModelInferAsync(GrpcRequests.Raw("2"))).Id); // meanwhile
        await Task.WhenAll(ends).WaitAsync(TimeSpan.FromMinutes(2));
        Assert.DoesNotContain(DataFrame, await ends[2]); // not one byte was let through
        Assert.Equal("3", (await _client.ModelInferAsync(GrpcRequests.Raw("3"))).Id);
        while (_model.Server.App.Router.Find("m")!.Champion.Turn.Waiting > 0) await Task.Delay(20);
    }
}
