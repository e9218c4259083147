using System.Threading.Channels;
using Grpc.Core;
using Grpc.Health.V1;
using Microsoft.Extensions.Hosting;
using Status = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>
/// <c>grpc.health.v1.Health</c>: of the server (no name, or the service's), and of each endpoint by its name. <c>Watch</c> tells of a change as it happens.
/// </summary>
sealed class GrpcHealth(TaktApp app, IHostApplicationLifetime lifetime) : Health.HealthBase
{
    public const string Inference = "inference.GRPCInferenceService";

    public override Task<HealthCheckResponse> Check(HealthCheckRequest request, ServerCallContext context) => StatusOf(request.Service) is var status and not Status.ServiceUnknown
        ? Task.FromResult(new HealthCheckResponse { Status = status })
        : throw new RpcException(new Grpc.Core.Status(StatusCode.NotFound, $"'{request.Service}' is neither {Inference} nor an endpoint of this server"));

    public override async Task Watch(HealthCheckRequest request, IServerStreamWriter<HealthCheckResponse> answers, ServerCallContext context)
    {
        // one bell, however often it is rung: what is told is the state when it is looked at
        var bell = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
        void Ring(string endpoint) => bell.Writer.TryWrite(true);
        app.Router.Changed += Ring;
        using var stopping = lifetime.ApplicationStopping.Register(() => bell.Writer.TryWrite(true));
        try
        {
            Status? told = null;
            while (true)
            {
                var status = StatusOf(request.Service);
                if (status != told) await answers.WriteAsync(new HealthCheckResponse { Status = status }, context.CancellationToken);
                if (lifetime.ApplicationStopping.IsCancellationRequested) throw new RpcException(new Grpc.Core.Status(StatusCode.Unavailable, "the server stops"));
                told = status;
                await bell.Reader.ReadAsync(context.CancellationToken);
            }
        }
        catch (OperationCanceledException)
        {
            // the client has seen enough
        }
        finally
        {
            app.Router.Changed -= Ring;
        }
    }

    Status StatusOf(string service)
    {
        var known = service is "" or Inference;
        if (!known && app.Router.Find(service) is null) return app.Deployments.Endpoints().Contains(service) ? Status.NotServing : Status.ServiceUnknown;
        return lifetime.ApplicationStopping.IsCancellationRequested ? Status.NotServing : Status.Serving;
    }
}
