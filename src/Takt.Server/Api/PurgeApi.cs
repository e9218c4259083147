using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Takt.Models;
using Takt.Pipelines;
using Takt.Server.Protocols;

namespace Takt.Server.Api;

/// <summary>What was deleted, removed for good: GET tells, POST does.</summary>
public static class PurgeApi
{
    public static void MapPurge(this IEndpointRouteBuilder routes, TaktApp app)
    {
        routes.MapGet("/api/v1/gc", (string? olderThan, string? workspace) => View(app.Purge.Plan(Duration("olderThan", olderThan, Purge.DefaultAge), Only(app, workspace)), false));
        routes.MapPost("/api/v1/gc", async (string? olderThan, string? grace, string? workspace, CancellationToken cancel) =>
            View(await app.Purge.Apply(Duration("olderThan", olderThan, Purge.DefaultAge), Duration("grace", grace, Purge.DefaultGrace), cancel, Only(app, workspace)), true));
    }

    static Workspace? Only(TaktApp app, string? workspace) => string.IsNullOrEmpty(workspace) ? null : app.Workspaces.Require(workspace);

    static TimeSpan Duration(string name, string? text, TimeSpan otherwise) => text switch
    {
        null or "" => otherwise,
        "0" => TimeSpan.Zero,
        _ => Quantity.TryDuration(text, out var value) ? value : throw TaktException.Invalid($"{name} is '{text}', not a duration such as 30d, 12h or 0"),
    };

    static IResult View(PurgePlan plan, bool applied) => JsonAnswer.Of(new JsonObject
    {
        ["applied"] = applied,
        ["experiments"] = Texts(plan.Experiments),
        ["runs"] = Texts(plan.Runs),
        ["loggedModels"] = Texts(plan.LoggedModels),
        ["kept"] = Texts(plan.Kept),
        ["blobs"] = plan.Blobs,
        ["uploads"] = plan.Uploads,
        ["freed"] = plan.Freed,
        ["freedBytes"] = plan.FreedBytes,
    });

    static JsonArray Texts(IReadOnlyList<string> texts) => new([.. texts.Select(t => (JsonNode?)t)]);
}
