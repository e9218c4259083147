using Microsoft.AspNetCore.Http;

namespace Takt.Server.Dashboard;

/// <summary>Which workspace a reader looks at: a cookie, set in the head of each page once there is more than one.</summary>
static class WorkspaceChoice
{
    const string Cookie = "takt-workspace";

    /// <summary>The chosen one; the default when none was chosen, or when it is gone.</summary>
    public static Workspace Of(TaktApp app, HttpContext http)
    {
        if (http.Request.Cookies[Cookie] is not { Length: > 0 } name) return Workspace.Default;
        try
        {
            return app.Workspaces.Require(name);
        }
        catch (TaktException)
        {
            return Workspace.Default;
        }
    }

    /// <summary>Of a program's header, else the reader's choice.</summary>
    public static Workspace Asked(TaktApp app, HttpContext http) => http.Request.Headers.ContainsKey(WorkspaceHeader.Name) ? http.Workspace() : Of(app, http);

    /// <summary>What stands on a page of the project's things in another workspace than the project's.</summary>
    /// <exception cref="TaktException">NotFound, where one thing is asked for.</exception>
    public static Html Elsewhere(string things) => Html.Of($"""
        <section class="card"><div class="empty"><p>{things} belong to the project, which is in the workspace <b>{Workspace.DefaultName}</b>.</p>
        <form method="post" action="/workspace"><input type="hidden" name="workspace" value="{Workspace.DefaultName}"><button class="primary">Go to {Workspace.DefaultName}</button></form></div></section>
        """);

    public static TaktException NotHere(string thing, string name, Workspace workspace) => TaktException.NotFound($"no {thing} '{name}' in workspace '{workspace}'");

    /// <summary>An address with <c>?workspace=NAME</c> can be sent to a colleague: it chooses, and goes on to the same page without it. Null: there is none.</summary>
    public static string? Linked(TaktApp app, HttpContext http)
    {
        if (http.Request.Query["workspace"].ToString() is not { Length: > 0 } name) return null;
        Keep(http, app.Workspaces.Require(name));
        var rest = http.Request.Query.Where(q => q.Key != "workspace").SelectMany(q => q.Value.Select(v => $"{Uri.EscapeDataString(q.Key)}={Uri.EscapeDataString(v ?? "")}"));
        return $"{http.Request.Path.ToUriComponent()}{(string.Join('&', rest) is { Length: > 0 } query ? "?" + query : "")}";
    }

    static void Keep(HttpContext http, Workspace chosen) =>
        http.Response.Cookies.Append(Cookie, chosen.Name, new CookieOptions { HttpOnly = true, SameSite = SameSiteMode.Lax, IsEssential = true, MaxAge = TimeSpan.FromDays(365) });

    /// <summary>Nothing while there is one only.</summary>
    public static Html Switcher(TaktApp app, HttpContext http)
    {
        var all = app.Workspaces.List();
        if (all.Count < 2) return Html.None;
        var now = Of(app, http).Name;
        return Html.Of($"""<form method="post" action="/workspace" class="workspace"><select id="workspace" name="workspace" data-submit aria-label="Workspace">{all.Select(w => Html.Of($"<option{new Html(w.Name == now ? " selected" : "")}>{w.Name}</option>"))}</select></form>""");
    }

    /// <returns>Where to go: to the same list, for a single thing belongs to the workspace that was left.</returns>
    public static string Set(TaktApp app, HttpContext http, IFormCollection form)
    {
        var chosen = app.Workspaces.Require(Forms.Required(form, "workspace"));
        Keep(http, chosen);
        var from = Uri.TryCreate(http.Request.Headers.Referer.ToString(), UriKind.Absolute, out var page) ? page.AbsolutePath.Split('/') : ["", ""];
        return "/" + from.ElementAtOrDefault(1) switch { "runs" or "experiments" or "traces" or "models" or "data" or "pipelines" or "deployments" or "monitors" => from[1], "compare" => "runs", _ => "" };
    }
}
