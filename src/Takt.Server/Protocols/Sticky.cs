using Microsoft.AspNetCore.Http;

namespace Takt.Server.Protocols;

static class Sticky
{
    /// <summary>What keeps the caller at its revision, where the endpoint goes by a header and a rollout is under way; null: nothing.</summary>
    public static string? StickyKey(this HttpContext http, TaktApp app, string endpoint) =>
        app.Router.KeyHeader(endpoint) is { } name && http.Request.Headers[name] is { Count: > 0 } values ? values[0] : null;
}
