using Google.Protobuf;
using Grpc.AspNetCore.Server.Model;
using Grpc.Core;
using Inference;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>Which call answers which method. Inference takes its messages as bytes (<see cref="WireMessage"/>), all others as generated classes.</summary>
sealed class GrpcMethods : IServiceMethodProvider<GrpcCalls>
{
    public void OnServiceMethodDiscovery(ServiceMethodProviderContext<GrpcCalls> context)
    {
        Add(context, "ServerLive", ServerLiveRequest.Parser, (calls, _, _) => calls.ServerLive());
        Add(context, "ServerReady", ServerReadyRequest.Parser, (calls, _, _) => calls.ServerReady());
        Add(context, "ModelReady", ModelReadyRequest.Parser, (calls, request, call) => calls.ModelReady(request, call));
        Add(context, "ServerMetadata", ServerMetadataRequest.Parser, (calls, _, _) => calls.ServerMetadata());
        Add(context, "ModelMetadata", ModelMetadataRequest.Parser, (calls, request, call) => calls.ModelMetadata(request, call));
        Add(context, "RepositoryIndex", RepositoryIndexRequest.Parser, (calls, request, call) => calls.RepositoryIndex(request, call));
        Add(context, "RepositoryModelLoad", RepositoryModelLoadRequest.Parser, (calls, request, call) => calls.Load<RepositoryModelLoadResponse>(request.ModelName, request.Parameters.Keys, load: true, call));
        Add(context, "RepositoryModelUnload", RepositoryModelUnloadRequest.Parser, (calls, request, call) => calls.Load<RepositoryModelUnloadResponse>(request.ModelName, request.Parameters.Keys, load: false, call));
        Add(context, "ModelConfig", ModelConfigRequest.Parser, (calls, request, call) => calls.ModelConfig(request, call));
        Add(context, "ModelStatistics", ModelStatisticsRequest.Parser, (calls, request, call) => calls.ModelStatistics(request, call));
        Add(context, "TraceSetting", TraceSettingRequest.Parser, (calls, _, call) => calls.Settings<TraceSettingResponse>(LoadedModelFacts.NoTraceSettings, call));
        Add(context, "LogSettings", LogSettingsRequest.Parser, (calls, _, call) => calls.Settings<LogSettingsResponse>(LoadedModelFacts.NoLogSettings, call));
        context.AddUnaryMethod(new Method<WireMessage, WireMessage>(MethodType.Unary, GrpcHealth.Inference, "ModelInfer", WireMessage.Marshaller, WireMessage.Marshaller), Post,
            (calls, request, call) => calls.ModelInfer(request, call));
        context.AddDuplexStreamingMethod(new Method<WireMessage, WireMessage>(MethodType.DuplexStreaming, GrpcHealth.Inference, "ModelStreamInfer", WireMessage.Marshaller, WireMessage.Marshaller), Post,
            (calls, requests, answers, call) => calls.ModelStreamInfer(requests, answers, call));
    }

    static readonly List<object> Post = [new Microsoft.AspNetCore.Routing.HttpMethodMetadata(["POST"])];

    static void Add<TRequest, TAnswer>(ServiceMethodProviderContext<GrpcCalls> context, string name, MessageParser<TRequest> parser, UnaryServerMethod<GrpcCalls, TRequest, TAnswer> answer)
        where TRequest : class, IMessage<TRequest> where TAnswer : class, IMessage<TAnswer> =>
        context.AddUnaryMethod(new Method<TRequest, TAnswer>(MethodType.Unary, GrpcHealth.Inference, name, Messages(parser.ParseFrom), Messages<TAnswer>(_ => throw new NotSupportedException())), Post, answer);

    static Marshaller<T> Messages<T>(Func<System.Buffers.ReadOnlySequence<byte>, T> parse) where T : class, IMessage<T> => new((message, context) =>
    {
        context.SetPayloadLength(message.CalculateSize());
        message.WriteTo(context.GetBufferWriter());
        context.Complete();
    }, context => parse(context.PayloadAsReadOnlySequence()));
}
