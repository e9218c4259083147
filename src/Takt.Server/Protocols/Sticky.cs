using Microsoft.AspNetCore.Http;
using Takt.Deployments;

namespace Takt.Server.Protocols;

static class Sticky
{
    public const string KeyHeader = "X-Takt-Key";

    /// <summary>What the caller calls the request's rows; null: it does not say.</summary>
    public static PredictionKeys? Keys(this HttpContext http) => http.Request.Headers[KeyHeader] is { Count: > 0 } values ? new PredictionKeys([.. values.Select(v => v ?? "")], inOne: true) : null;

    /// <summary>What keeps the caller at its revision, where the endpoint goes by a header and a rollout is under way; null: nothing.</summary>
    public static string? StickyKey(this HttpContext http, TaktApp app, string endpoint) =>
        app.Router.KeyHeader(endpoint) is { } name && http.Request.Headers[name] is { Count: > 0 } values ? values[0] : null;
}
