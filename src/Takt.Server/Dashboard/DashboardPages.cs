using System.Reflection;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Takt.Server.Dashboard;

/// <summary>The dashboard: read-only pages rendered here, a style sheet, and one live chart. Nothing is fetched from elsewhere.</summary>
public static class DashboardPages
{
    static readonly TimeSpan Sample = TimeSpan.FromSeconds(1);

    public static void MapDashboard(this IEndpointRouteBuilder routes, TaktApp app)
    {
        Map("/", _ => OverviewPage.Render(app));
        Map("/data", _ => DataPages.List(app));
        Map("/data/{name}", http => DataPages.One(app, Value(http, "name")));
        Map("/pipelines", _ => PipelinePage.Render(app));
        Map("/runs", http => RunPages.List(app, http.Request.Query["experiment"]));
        Map("/runs/{id}", http => RunPages.One(app, Value(http, "id")));
        Map("/models", _ => ModelPages.List(app));
        Map("/models/{name}", http => ModelPages.One(app, Value(http, "name")));
        Map("/deployments", _ => DeploymentPages.List(app));
        Map("/deployments/{endpoint}", http => DeploymentPages.One(app, Value(http, "endpoint")));
        Map("/monitors", _ => MonitorPage.Render(app));
        routes.MapGet("/live", (HttpContext http) => Live(http, app));
        routes.MapGet("/assets/{**name}", (HttpContext http, string name) => Asset(http, name));

        void Map(string path, Func<HttpContext, object> page) => routes.MapGet(path, (Delegate)(async (HttpContext http) =>
        {
            try
            {
                var made = page(http);
                var (title, body) = made is Task<(string, Html)> later ? await later : ((string, Html))made;
                return Page.Show(http.Request.Path, title, body, Project(app));
            }
            catch (TaktException e) when (e.Error == TaktError.NotFound)
            {
                return Page.Show(http.Request.Path, "Not found", Parts.Empty(e.Message, "takt status"), Project(app), 404);
            }
        }));
    }

    static string Project(TaktApp app) => Path.GetFileName(app.Folder.Root);

    static string Value(HttpContext http, string name) => (string)http.Request.RouteValues[name]!;

    /// <summary>Each second what every endpoint has done since the last: server-sent events.</summary>
    static async Task Live(HttpContext http, TaktApp app)
    {
        http.Response.ContentType = "text/event-stream";
        http.Response.Headers.CacheControl = "no-cache";
        var traffic = new LiveTraffic(app.Router);
        using var timer = new PeriodicTimer(Sample, app.Time);
        try
        {
            do
            {
                var now = traffic.Next();
                var requests = JsonSerializer.Serialize(now.ToDictionary(e => e.Key, e => e.Value.Requests));
                var latency = JsonSerializer.Serialize(now.ToDictionary(e => e.Key, e => e.Value.Value("p95_ms")));
                await http.Response.WriteAsync($"data: {{\"time\":{app.Time.GetUtcNow().ToUnixTimeSeconds()},\"requests\":{requests},\"p95_ms\":{latency}}}\n\n", http.RequestAborted);
                await http.Response.Body.FlushAsync(http.RequestAborted);
            }
            while (await timer.WaitForNextTickAsync(http.RequestAborted));
        }
        catch (OperationCanceledException)
        {
            // the page was closed
        }
    }

    static IResult Asset(HttpContext http, string name)
    {
        var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("assets/" + name);
        if (stream is null) return Results.NotFound();
        http.Response.Headers.CacheControl = "max-age=3600";
        return Results.Stream(stream, Path.GetExtension(name) switch { ".css" => "text/css", ".js" => "text/javascript", ".svg" => "image/svg+xml", _ => "text/plain" });
    }
}
