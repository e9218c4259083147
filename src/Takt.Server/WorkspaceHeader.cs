using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Takt.Server;

/// <summary>The header that says whose rows a request is about: in MLflow's protocol and in Takt's own API alike.</summary>
static class WorkspaceHeader
{
    public const string Name = "X-MLFLOW-WORKSPACE";

    /// <summary>The request's workspace, checked; <c>default</c> when it names none.</summary>
    /// <exception cref="TaktException">Invalid: no such name is allowed. NotFound: no such workspace.</exception>
    public static Workspace Workspace(this HttpContext http) => http.Request.Headers.TryGetValue(Name, out var value) && value.Count > 0
        ? http.RequestServices.GetRequiredService<TaktApp>().Workspaces.Require(value[0]) : Takt.Workspace.Default;
}
