using Grpc.Net.Client;

namespace Takt.Protocols.Tests.OpenInference;

/// <summary>One server for the tests that leave it as it was; the others start their own.</summary>
public sealed class GrpcFixture : IAsyncLifetime
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

    internal static GrpcChannel Connect(ServedModel model) => GrpcChannel.ForAddress(model.Server.GrpcAddress!, new GrpcChannelOptions { MaxSendMessageSize = null, MaxReceiveMessageSize = null });
}
