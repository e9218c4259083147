using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Takt.Server.Api;

/// <summary>
/// Datasets, deployments and monitors are the project's, and the project is in the workspace <c>default</c>: from another one there are none, whatever call asks. In one place, so
/// that a call that is added below one of these addresses can't forget it.
/// </summary>
static class ProjectRows
{
    static readonly (string Path, string Member, string One)[] Kinds =
    [
        ("/api/v1/datasets", "datasets", "dataset"), ("/api/v1/deployments", "deployments", "endpoint"), ("/api/v1/monitors", "monitors", "monitor"),
        ("/api/v1/alerts", "alerts", "alert"), ("/api/v1/triggers", "triggers", "trigger"),
    ];

    public static void UseProjectRows(this WebApplication web) => web.Use((http, next) =>
    {
        if (!http.Request.Headers.ContainsKey(WorkspaceHeader.Name)) return next(http);
        foreach (var (path, member, one) in Kinds)
        {
            if (!http.Request.Path.StartsWithSegments(path, out var rest)) continue;
            var workspace = http.Workspace();
            if (workspace.IsDefault) break;
            if (rest.Value is "" or "/" or null && HttpMethods.IsGet(http.Request.Method))
                return Results.Text(new JsonObject { [member] = new JsonArray() }.ToJsonString(), "application/json").ExecuteAsync(http);
            throw TaktException.NotFound($"no {one} '{rest.Value?.Trim('/').Split('/')[0]}' in workspace '{workspace}': those of the project are in '{Workspace.DefaultName}'");
        }
        return next(http);
    });
}
