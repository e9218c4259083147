using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Takt.Storage;

namespace Takt.Server.Protocols.Mlflow;

/// <summary><c>/api/3.0/mlflow/workspaces…</c></summary>
sealed class WorkspaceCalls(Workspaces workspaces)
{
    public Task List(HttpContext http, MlflowRequest request)
    {
        var all = workspaces.List();
        return MlflowAnswer.Write(http, json =>
        {
            json.WriteStartArray("workspaces");
            foreach (var workspace in all)
            {
                json.WriteStartObject();
                Write(json, workspace);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        });
    }

    public async Task Create(HttpContext http, MlflowRequest request) =>
        await Answer(http, await workspaces.Create(request.Text("name"), request.TextOrNull("description"), Root(request)), 201);

    public Task Get(HttpContext http, MlflowRequest request)
    {
        var name = Name(http);
        if (name != Workspace.DefaultName) Workspaces.CheckName(name);
        return Answer(http, workspaces.Get(name));
    }

    public async Task Update(HttpContext http, MlflowRequest request) =>
        await Answer(http, await workspaces.Update(Name(http), request.TextOrNull("description"), Root(request)));

    public async Task Delete(HttpContext http, MlflowRequest request)
    {
        var mode = http.Request.Query["mode"].ToString() switch
        {
            "" or "RESTRICT" => WorkspaceRemoval.Restrict,
            "CASCADE" => WorkspaceRemoval.Cascade,
            "SET_DEFAULT" => WorkspaceRemoval.SetDefault,
            var other => throw TaktException.Invalid($"Invalid deletion mode '{other}'. Must be one of: SET_DEFAULT, CASCADE, RESTRICT"),
        };
        try
        {
            await workspaces.Remove(Name(http), mode);
            http.Response.StatusCode = 204;
        }
        catch (TaktException e) when (e.Error == TaktError.Conflict)
        {
            await MlflowAnswer.Error(http, 500, "INVALID_STATE", e.Message); // MLflow's own status for it
        }
    }

    static string Name(HttpContext http) => (string)http.Request.RouteValues["workspace"]!;

    static string? Root(MlflowRequest request)
    {
        var root = request.TextOrNull("default_artifact_root")?.Trim();
        if (root is { Length: > 0 } && (root.Contains('#') || root.Contains(';'))) throw TaktException.Invalid("'default_artifact_root' URL can't include fragments or params.");
        return root;
    }

    static Task Answer(HttpContext http, WorkspaceInfo workspace, int status = 200) => MlflowAnswer.Write(http, json =>
    {
        json.WriteStartObject("workspace");
        Write(json, workspace);
        json.WriteEndObject();
    }, status);

    static void Write(Utf8JsonWriter json, WorkspaceInfo workspace)
    {
        json.WriteString("name", workspace.Name);
        if (workspace.Description is not null) json.WriteString("description", workspace.Description);
        if (workspace.ArtifactRoot is not null) json.WriteString("default_artifact_root", workspace.ArtifactRoot);
    }
}
