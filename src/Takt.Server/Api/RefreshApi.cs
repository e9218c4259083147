using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Takt.Runs;
using Takt.Server.Protocols;

namespace Takt.Server.Api;

/// <summary>Data that is collected on a schedule, and how that goes.</summary>
public static class RefreshApi
{
    public static void MapRefreshes(this IEndpointRouteBuilder routes, TaktApp app) => routes.MapGet("/api/v1/refreshes", () => JsonAnswer.Of(new JsonObject
    {
        ["refreshes"] = View(File.Exists(app.Folder.ProjectFile) ? app.Refreshes.List() : []),
    }));

    /// <summary>As JSON, of the API and of <c>takt status --json</c>.</summary>
    public static JsonArray View(IReadOnlyList<Refresh> refreshes) => new([.. refreshes.Select(r => (JsonNode)new JsonObject
    {
        ["stage"] = r.Stage,
        ["dataset"] = r.Dataset,
        ["schedule"] = r.Schedule,
        ["state"] = r.State,
        ["nextAt"] = Time(r.NextAt),
        ["askedAt"] = Time(r.AskedAt),
        ["succeededAt"] = Time(r.SucceededAt),
        ["failures"] = r.Failures,
        ["error"] = r.Error,
        ["run"] = r.Run,
    })]);

    static string? Time(DateTimeOffset? time) => time?.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
