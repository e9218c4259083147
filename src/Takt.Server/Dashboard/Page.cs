namespace Takt.Server.Dashboard;

/// <summary>The frame around every page.</summary>
static class Page
{
    static readonly (string Path, string Name)[] Places =
        [("/", "Overview"), ("/data", "Data"), ("/pipelines", "Pipelines"), ("/runs", "Runs"), ("/traces", "Traces"), ("/models", "Models"), ("/deployments", "Deployments"), ("/monitors", "Monitors")];

    public static string Show(string path, string title, Html body, string project, Html workspaces) => Html.Of($"""
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
        <title>{title} · {project} · Takt</title>
        <link rel="stylesheet" href="/assets/app.css"><link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
        <script src="/assets/theme.js"></script><script src="/assets/app.js" defer></script>
        </head>
        <body>
        <a class="skip" href="#main">Skip to content</a>
        <header class="top">
        <a class="brand" href="/"><svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true"><path d="M3 12a9 9 0 1 0 3-6.7M3 4v5h5" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" stroke-linejoin="round"/></svg>takt</a>
        <span class="project">{project}</span>{workspaces}
        <nav aria-label="The line">{Places.Select(p => Html.Of($"<a href=\"{p.Path}\"{new Html(Here(p.Path, path) ? " aria-current=\"page\"" : "")}>{p.Name}</a>"))}</nav>
        <button id="theme" type="button" aria-label="Switch between light and dark">◐</button>
        </header>
        <main id="main">{Above(path)}<h1 dir="auto">{title}</h1>{body}</main>
        </body></html>
        """).Value;

    /// <summary>The way back up from the page of one thing.</summary>
    static Html Above(string path)
    {
        var parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        if (path == "/compare" || path == "/experiments") parts = ["runs", ""];
        if (path is "/prompts" or "/logged-models") parts = ["models", ""];
        if (parts is ["logged-models", not ""]) return Html.Of($"<nav class=\"above\" aria-label=\"Above\"><a href=\"/models\">Models</a> / <a href=\"/logged-models\">Logged models</a></nav>");
        if (parts.Length < 2 || Places.FirstOrDefault(p => p.Path == "/" + parts[0]) is not { Name: { } name } place) return Html.None;
        return Html.Of($"<nav class=\"above\" aria-label=\"Above\"><a href=\"{place.Path}\">{name}</a>{(parts is ["models", var model, _, ..] ? Html.Of($" / <a href=\"{ModelPages.Url(Uri.UnescapeDataString(model))}\" dir=\"auto\">{Parts.Cut(Uri.UnescapeDataString(model))}</a>") : Html.None)}</nav>");
    }

    /// <summary>Ways on from a page that could not be shown: the list of what was asked for first.</summary>
    public static Html Links(string path) => new(string.Join(" · ", Places.Where(p => p.Path is "/" or "/runs" or "/models" || Here(p.Path, path)).OrderBy(p => Here(p.Path, path) ? 0 : 1).Select(p => Parts.Link(p.Path, p.Name).Value)));

    static bool Here(string place, string path) => place == "/" ? path == "/" : path == place || path.StartsWith(place + "/", StringComparison.Ordinal) || (place == "/runs" && (path is "/compare" || path.StartsWith("/experiments", StringComparison.Ordinal))) || (place == "/models" && (path is "/prompts" || path.StartsWith("/logged-models", StringComparison.Ordinal)));
}
