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
        http.Response.Cookies.Append(Cookie, chosen.Name, new CookieOptions { HttpOnly = true, SameSite = SameSiteMode.Lax, IsEssential = true, MaxAge = TimeSpan.FromDays(365) });
        var from = Uri.TryCreate(http.Request.Headers.Referer.ToString(), UriKind.Absolute, out var page) ? page.AbsolutePath.Split('/') : ["", ""];
        return "/" + from.ElementAtOrDefault(1) switch { "runs" or "experiments" or "traces" or "models" => from[1], "compare" => "runs", _ => "" };
    }
}
