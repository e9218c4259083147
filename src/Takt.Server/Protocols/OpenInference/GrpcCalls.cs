using System.Text;
using Google.Protobuf;
using Grpc.Core;
using Inference;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Takt.Deployments;
using Takt.Models;
using Takt.Server.Protocols.Prometheus;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>
/// Open Inference Protocol v2 over gRPC, with Triton's stream and repository: the same endpoints, validation, log and ids as <see cref="OpenInferenceApi"/>
/// and <see cref="InferCall"/>.
/// </summary>
sealed class GrpcCalls(TaktApp app, IHostApplicationLifetime lifetime, ILogger<GrpcCalls> log)
{
    /// <summary>Triton's: a client that sends it wants a stream to end with the status of the first request that fails.</summary>
    const string StreamErrors = "triton_grpc_error";

    public Task<ServerLiveResponse> ServerLive() => Task.FromResult(new ServerLiveResponse { Live = true });

    public Task<ServerReadyResponse> ServerReady() => Task.FromResult(new ServerReadyResponse { Ready = OpenInferenceApi.IsReady(lifetime, app) });

    /// <summary>As Triton has it: a model that is not there, or can't answer, is not ready, which is no error.</summary>
    public Task<ModelReadyResponse> ModelReady(ModelReadyRequest request, ServerCallContext context) => Answer(context, () =>
    {
        try
        {
            return new ModelReadyResponse { Ready = Require(request.Name, request.Version).Model?.Unready is null };
        }
        catch (TaktException e) when (e.Error == TaktError.NotFound)
        {
            return new ModelReadyResponse();
        }
    });

    public Task<ServerMetadataResponse> ServerMetadata() => Task.FromResult(new ServerMetadataResponse { Name = "takt", Version = TaktHost.Version, Extensions = { OpenInferenceApi.Extensions } });

    public Task<ModelMetadataResponse> ModelMetadata(ModelMetadataRequest request, ServerCallContext context) => Answer(context, () =>
    {
        var slot = Require(request.Name, request.Version);
        return new ModelMetadataResponse
        {
            Name = request.Name,
            Versions = { slot.Version },
            Platform = slot.Model?.Platform ?? "",
            Inputs = { OpenInferenceApi.Told(slot.Model) is { } takes ? Tensors(takes.Inputs) : Tensors(slot.Model?.Signature.Inputs) },
            Outputs = { OpenInferenceApi.Told(slot.Model) is { } gives ? Tensors(gives.Outputs) : Tensors(slot.Model?.Signature.Outputs) },
        };
    });

    public Task<RepositoryIndexResponse> RepositoryIndex(RepositoryIndexRequest request, ServerCallContext context) => Answer(context, () =>
    {
        if (request.RepositoryName.Length > 0) throw new TaktException(TaktError.NotSupported, "'repository_name' is not supported: there is one repository, the deployments of this server");
        return new RepositoryIndexResponse { Models = { OpenInferenceApi.Index(app, request.Ready).Select(m => new RepositoryIndexResponse.Types.ModelIndex { Name = m.Name, Version = m.Version ?? "", State = m.State, Reason = m.Reason }) } };
    });

    public Task<ModelConfigResponse> ModelConfig(ModelConfigRequest request, ServerCallContext context) => Answer(context, () => new ModelConfigResponse { Config = GrpcFacts.Config(request.Name, Require(request.Name, request.Version)) });

    public Task<ModelStatisticsResponse> ModelStatistics(ModelStatisticsRequest request, ServerCallContext context) => Answer(context, () => new ModelStatisticsResponse
    {
        ModelStats = { LoadedModelFacts.Slots(app, request.Name.Length == 0 ? null : request.Name, request.Version.Length == 0 ? null : request.Version).Select(s => GrpcFacts.Statistics(s.Name, s.Slot, app.Time)) },
    });

    public Task<T> Settings<T>(TaktException none, ServerCallContext context) => Answer<T>(context, () => throw none);

    /// <param name="parameters">Of the request; what is not understood is refused.</param>
    public async Task<T> Load<T>(string model, IEnumerable<string> parameters, bool load, ServerCallContext context) where T : new()
    {
        try
        {
            var odd = parameters.Where(p => p != "unload_dependents").Select(p => $"the parameter '{p}' is not supported: what is served is a registered version; register one and load it by NAME@VERSION").ToList();
            if (odd.Count > 0) throw new TaktException(TaktError.NotSupported, odd);
            await (load ? ModelLoads.Load(app, model, context.CancellationToken) : ModelLoads.Unload(app, model, context.CancellationToken));
            return new T();
        }
        catch (Exception e) when (e is not RpcException)
        {
            throw GrpcErrors.Of(e, context, log);
        }
    }

    public async Task<WireMessage> ModelInfer(WireMessage request, ServerCallContext context)
    {
        try
        {
            return await Infer(request.Bytes, context, streamed: false);
        }
        catch (Exception e) when (e is not RpcException)
        {
            throw GrpcErrors.Of(e, context, log);
        }
        finally
        {
            request.GiveBack();
        }
    }

    /// <summary>Answers in order, one request at a time: how far a client may run ahead is HTTP/2's flow control. Ends when the server stops.</summary>
    public async Task ModelStreamInfer(IAsyncStreamReader<WireMessage> requests, IServerStreamWriter<WireMessage> answers, ServerCallContext context)
    {
        var strict = string.Equals(context.RequestHeaders.GetValue(StreamErrors), "true", StringComparison.OrdinalIgnoreCase);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping);
        try
        {
            while (await requests.MoveNext(stop.Token))
            {
                var request = requests.Current;
                WireMessage answer;
                try
                {
                    answer = await Infer(request.Bytes, context, streamed: true);
                }
                catch (Exception e) when (!strict && e is not OperationCanceledException)
                {
                    answer = new WireMessage(new ModelStreamInferResponse { ErrorMessage = GrpcErrors.Of(e, context, log).Status.Detail, InferResponse = new ModelInferResponse { Id = Id(request.Bytes.Span) } });
                }
                finally
                {
                    request.GiveBack();
                }
                await answers.WriteAsync(answer, context.CancellationToken);
            }
        }
        catch (OperationCanceledException) when (!context.CancellationToken.IsCancellationRequested)
        {
            throw GrpcErrors.Of(new TaktException(TaktError.Unavailable, "the server stops; ask again"), context, log);
        }
        catch (Exception e) when (e is not RpcException)
        {
            throw GrpcErrors.Of(e, context, log);
        }
    }

    ValueTask<WireMessage> Infer(ReadOnlyMemory<byte> message, ServerCallContext context, bool streamed) =>
        RequestSpan.IsWanted(context.GetHttpContext(), app) ? Traced(message, context, streamed) : Inferred(message, context, streamed);

    async ValueTask<WireMessage> Traced(ReadOnlyMemory<byte> message, ServerCallContext context, bool streamed)
    {
        var http = context.GetHttpContext();
        var model = TabularMessage.TryScan(message.Span, out var parts) ? Encoding.UTF8.GetString(message.Span[parts.Model]) : "";
        var span = RequestSpan.Start(http, app.ServingTraces.Source, model, $"{GrpcHealth.Inference}/{(streamed ? "ModelStreamInfer" : "ModelInfer")}", rpc: true);
        try
        {
            var answer = await Inferred(message, context, streamed);
            span.By(http.Features.Get<HttpDurations.Answerer>()?.Revision);
            span.EndRpc((int)StatusCode.OK, null);
            return answer;
        }
        catch (Exception e)
        {
            span.EndRpc((int)(e is TaktException known ? GrpcErrors.Code(known.Error) : e is OperationCanceledException ? StatusCode.Cancelled : StatusCode.Internal), e.Message);
            throw;
        }
    }

    async ValueTask<WireMessage> Inferred(ReadOnlyMemory<byte> message, ServerCallContext context, bool streamed)
    {
        context.CancellationToken.ThrowIfCancellationRequested(); // a deadline that is over before it began
        var http = context.GetHttpContext();
        if (!TabularMessage.TryScan(message.Span, out var parts)) throw TaktException.Invalid("the message is no ModelInferRequest");
        var name = Name(message.Span[parts.Model], out var length);
        var deadline = length < 0 ? Deadline.None : Admit(http, name.AsSpan(0, length), message.Length);
        if (await Short(http, message, parts, context.CancellationToken, streamed, deadline) is { } answer) return answer;
        var (model, version) = (Encoding.UTF8.GetString(message.Span[parts.Model]), Encoding.UTF8.GetString(message.Span[parts.Version]));
        if (model.Length == 0) throw TaktException.Invalid("model_name is missing");
        if (version.Length == 0) version = null;
        var slot = OpenInferenceApi.Require(app, model, version);
        if (length < 0) deadline = Admit(http, slot.Revision.Endpoint, message.Length);
        InferRequest request;
        bool final;
        using (ServingTrace.Step("parse")) request = InferMessage.Parse(message.Span, out final);
        var inferred = await InferCall.Ask(http, app, model, version, request, message, context.CancellationToken, deadline.Or(Deadline.In(request.Timeout)));
        http.AnsweredBy(inferred.Revision);
        var response = AnswerMessage.Of(model, request, inferred);
        if (final) response.Parameters["triton_final_response"] = new InferParameter { BoolParam = true };
        return new WireMessage(streamed ? new ModelStreamInferResponse { InferResponse = response } : response);
    }

    /// <summary>As over HTTP; of a stream each request is one.</summary>
    Deadline Admit(HttpContext http, ReadOnlySpan<char> endpoint, int bytes)
    {
        var deadline = http.Admit(app, endpoint);
        return bytes <= app.MostBody(endpoint) ? deadline : throw Admission.TooLarge(app.MostBody(endpoint), bytes);
    }

    /// <returns>Null: take the long way.</returns>
    async ValueTask<WireMessage?> Short(HttpContext http, ReadOnlyMemory<byte> message, TabularMessage.Parts parts, CancellationToken cancel, bool streamed, Deadline deadline)
    {
        if (http.Request.Headers.ContainsKey(Sticky.KeyHeader)) return null;
        if (!parts.IsPlain || !message.Span[parts.Version].IsEmpty) return null;
        var name = Name(message.Span[parts.Model], out var length);
        if (length < 0 || app.Router.KeyIsColumn(name.AsSpan(0, length))) return null; // the second: the rows say which revision answers
        string? key = null;
        if (app.Router.KeyHeader(name.AsSpan(0, length)) is { } sticky) key = http.Request.Headers[sticky] is { Count: > 0 } values ? values[0] : null;
        var slot = app.Router.Enter(name.AsSpan(0, length), key);
        var batch = RowBatch.Take();
        try
        {
            var parse = ServingTrace.Step("parse");
            if (slot.Model?.Rows is not { } rows || AnswerMessage.Of(slot) is not { } answer || !TabularMessage.TryRead(message.Span, parts, rows, batch)) return null;
            parse?.Dispose();
            PredictionId prediction;
            try
            {
                prediction = await app.Router.Score(slot, batch, cancel, deadline);
            }
            catch (Exception e) when (!Router.IsOfTheCaller(e) && app.Router.Find(slot.Revision.Endpoint)?.Champion != slot)
            {
                return null; // counted against the challenger; the long way asks again
            }
            http.AnsweredBy(slot.Revision);
            return answer.Write(prediction, message.Span[parts.Id], batch.Scores, streamed);
        }
        finally
        {
            batch.GiveBack();
            slot.Leave();
        }
    }

    [ThreadStatic]
    static char[]? _name;

    /// <summary>An endpoint's name, in a buffer of the thread's; a length of -1: it is a model's, or too long, or no text.</summary>
    static char[] Name(ReadOnlySpan<byte> utf8, out int length)
    {
        const int Longest = 256;
        var name = _name ??= new char[Longest];
        length = -1;
        if (utf8.Length is 0 or > Longest || utf8.Contains((byte)'@') || System.Text.Unicode.Utf8.ToUtf16(utf8, name, out _, out var written, replaceInvalidSequences: false) != System.Buffers.OperationStatus.Done) return name;
        length = written;
        return name;
    }

    static string Id(ReadOnlySpan<byte> message) => TabularMessage.TryScan(message, out var parts) ? Encoding.UTF8.GetString(message[parts.Id]) : "";

    Slot Require(string model, string version) => OpenInferenceApi.Require(app, model, version.Length == 0 ? null : version);

    static IEnumerable<ModelMetadataResponse.Types.TensorMetadata> Tensors(IReadOnlyList<Field>? fields) =>
        (fields ?? []).Select(f => new ModelMetadataResponse.Types.TensorMetadata { Name = f.Name, Datatype = InferRequest.DataType(f.Type), Shape = { -1 } });

    static IEnumerable<ModelMetadataResponse.Types.TensorMetadata> Tensors(IReadOnlyList<TensorField> fields) =>
        fields.Select(f => new ModelMetadataResponse.Types.TensorMetadata { Name = f.Name, Datatype = Tensor.NameOf(f.Type), Shape = { f.Shape } });

    Task<T> Answer<T>(ServerCallContext context, Func<T> answer)
    {
        try
        {
            return Task.FromResult(answer());
        }
        catch (Exception e)
        {
            throw GrpcErrors.Of(e, context, log);
        }
    }
}
