using System.Net;
using System.Runtime.CompilerServices;
using Grpc.AspNetCore.Server.Model;
using Grpc.Health.V1;
using Grpc.Reflection;
using Grpc.Reflection.V1Alpha;
using Inference;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>The port where gRPC is answered, and what is answered there: inference, health and reflection. Nothing of it is loaded where the port is not asked for.</summary>
static class GrpcEndpoint
{
    /// <summary>HTTP/2 only: in clear text nothing tells it from HTTP/1.1, which has a port of its own.</summary>
    public static void ListenGrpc(this KestrelServerOptions kestrel, IPAddress host, int port)
    {
        // a client that is gone without a word holds its stream no longer than this
        kestrel.Limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(60);
        kestrel.Limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(20);
        kestrel.Listen(host, port, listen => listen.Protocols = HttpProtocols.Http2);
    }

    public static void AddOpenInferenceGrpc(this IServiceCollection services)
    {
        services.AddGrpc(grpc =>
        {
            grpc.MaxReceiveMessageSize = InferCall.MostBytes;
            grpc.MaxSendMessageSize = null; // an answer has as many rows as its request, of which the number is bounded
            grpc.CompressionProviders = [new GrpcCompression("gzip", InferCall.MostBytes), new GrpcCompression("deflate", InferCall.MostBytes)];
        });
        services.AddLogging(log => log.AddFilter("Grpc", LogLevel.None)); // to the library a client that hangs up is an error; what is one, GrpcErrors logs
        services.AddSingleton<Wanted>();
        services.AddSingleton<GrpcCalls>();
        services.AddSingleton<GrpcHealth>();
        services.AddSingleton<GrpcDrain>();
        services.AddHostedService(provider => provider.GetRequiredService<GrpcDrain>());
        services.AddSingleton<IServiceMethodProvider<GrpcCalls>, GrpcMethods>();
        Google.Protobuf.Reflection.ServiceDescriptor[] all = [GRPCInferenceService.Descriptor, Health.Descriptor, ServerReflection.Descriptor, Grpc.Reflection.V1.ServerReflection.Descriptor];
        services.AddSingleton(new ReflectionServiceImpl(all));
        services.AddSingleton(new ReflectionV1ServiceImpl(all));
    }

    /// <summary>Does nothing where <see cref="AddOpenInferenceGrpc"/> was not called.</summary>
    public static void MapOpenInferenceGrpc(this IEndpointRouteBuilder routes)
    {
        if (routes.ServiceProvider.GetService<Wanted>() is not null) Map(routes);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGrpcService<GrpcCalls>();
        routes.MapGrpcService<GrpcHealth>();
        routes.MapGrpcService<ReflectionServiceImpl>();
        routes.MapGrpcService<ReflectionV1ServiceImpl>();
    }

    sealed class Wanted;
}
