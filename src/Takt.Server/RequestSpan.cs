using System.Diagnostics;
using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Takt.Deployments;
using Takt.Server.Protocols.Prometheus;

namespace Takt.Server;

/// <summary>The span of one request for predictions, by OpenTelemetry's conventions for HTTP and RPC servers. Its sender's trace is gone on with (W3C traceparent and tracestate).</summary>
static class RequestSpan
{
    /// <param name="endpoint">A deployment, a model version, or what somebody took for one.</param>
    /// <param name="route">As routing names it; of gRPC the service and method, <c>inference.GRPCInferenceService/ModelInfer</c>.</param>
    /// <returns>Null: nobody listens, or the request is in no sample.</returns>
    public static Activity? Start(HttpContext http, ActivitySource source, ReadOnlySpan<char> endpoint, string route, bool rpc = false)
    {
        var headers = http.Request.Headers;
        var isPart = ActivityContext.TryParse(headers.TraceParent, headers.TraceState, isRemote: true, out var parent);
        Activity.Current = null; // the web server's own, where somebody asked for it, is nobody's span
        var span = source.StartActivity(rpc ? route : $"{http.Request.Method} {route}", ActivityKind.Server, parent, [new("takt.endpoint", endpoint.ToString())]);
        // nobody's span either, but it tells the log and whom we ask what the sender's trace is
        if (span is null && isPart) new Activity("") { TraceStateString = parent.TraceState }.SetParentId(parent.TraceId, parent.SpanId, parent.TraceFlags).Start();
        if (span is not { IsAllDataRequested: true }) return span;
        if (rpc)
        {
            var cut = route.IndexOf('/', StringComparison.Ordinal);
            span.SetTag("rpc.system", "grpc").SetTag("rpc.service", route[..cut]).SetTag("rpc.method", route[(cut + 1)..]);
        }
        else
        {
            span.SetTag("http.request.method", http.Request.Method).SetTag("http.route", route).SetTag("url.path", http.Request.Path.Value).SetTag("url.scheme", http.Request.Scheme);
            if (headers.UserAgent.ToString() is { Length: > 0 } agent) span.SetTag("user_agent.original", agent);
        }
        if (http.Request.Host is { HasValue: true } host)
        {
            span.SetTag("server.address", host.Host);
            if (host.Port is { } port) span.SetTag("server.port", port);
        }
        return span.SetTag("network.protocol.version", http.Request.Protocol.Replace("HTTP/", "", StringComparison.Ordinal));
    }

    /// <summary>Whether the request may have a span, or is part of somebody's trace.</summary>
    public static bool IsWanted(HttpContext http, TaktApp app) => app.ServingTraces.Source.HasListeners() || http.Request.Headers.TraceParent.Count > 0;

    /// <summary>Answers within the span of the request.</summary>
    public static Task<IResult> Around(HttpContext http, TaktApp app, string endpoint, Func<Task<IResult>> answer) => IsWanted(http, app) ? Traced(http, app, endpoint, answer) : answer();

    static async Task<IResult> Traced(HttpContext http, TaktApp app, string endpoint, Func<Task<IResult>> answer)
    {
        var span = Start(http, app.ServingTraces.Source, endpoint, (http.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? "");
        try
        {
            var result = await answer();
            span.By(http.Features.Get<HttpDurations.Answerer>()?.Revision);
            span.End((result as IStatusCodeHttpResult)?.StatusCode ?? http.Response.StatusCode);
            return result;
        }
        catch (Exception e)
        {
            span.End(e is OperationCanceledException ? HttpDurations.ClientGone : 500);
            throw;
        }
    }

    /// <summary>Who answered.</summary>
    public static void By(this Activity? span, Revision? revision)
    {
        if (span is not { IsAllDataRequested: true } || revision is null) return;
        span.SetTag("takt.endpoint", revision.Endpoint).SetTag("takt.revision", revision.Number).SetTag("takt.model", revision.Name);
    }

    /// <summary>Ends it; only what the server is to blame for is an error, as the conventions have it.</summary>
    public static void End(this Activity? span, int status)
    {
        if (span is null) return;
        span.SetTag("http.response.status_code", status);
        if (status >= 500) span.SetStatus(ActivityStatusCode.Error).SetTag("error.type", status.ToString(CultureInfo.InvariantCulture));
        span.Dispose();
    }

    /// <inheritdoc cref="End"/>
    /// <param name="code">gRPC's.</param>
    public static void EndRpc(this Activity? span, int code, string? message)
    {
        if (span is null) return;
        span.SetTag("rpc.grpc.status_code", code);
        if (code is 2 or 4 or 12 or 13 or 14 or 15) span.SetStatus(ActivityStatusCode.Error, message).SetTag("error.type", code.ToString(CultureInfo.InvariantCulture));
        span.Dispose();
    }
}
