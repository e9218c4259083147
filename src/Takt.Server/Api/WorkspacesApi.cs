using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Takt.Server.Protocols;
using Takt.Storage;

namespace Takt.Server.Api;

/// <summary>The workspaces of this server.</summary>
public static class WorkspacesApi
{
    public static void MapWorkspaces(this IEndpointRouteBuilder routes, TaktApp app)
    {
        routes.MapGet("/api/v1/workspaces", () => Json(new JsonObject { ["workspaces"] = new JsonArray([.. app.Workspaces.List().Select(View)]) }));
        routes.MapPost("/api/v1/workspaces/{name}", async (string name, string? description) => Json(View(await app.Workspaces.Create(name, description, null))));
        // all=true deletes what is in it as well; else it must be empty
        routes.MapDelete("/api/v1/workspaces/{name}", async (string name, bool? all) =>
        {
            await app.Workspaces.Remove(name, all == true ? WorkspaceRemoval.Cascade : WorkspaceRemoval.Restrict);
            return Json(new JsonObject { ["removed"] = name });
        });
    }

    static JsonObject View(WorkspaceInfo workspace) => new() { ["name"] = workspace.Name, ["description"] = workspace.Description };

    static IResult Json(JsonObject json) => JsonAnswer.Of(json);
}
