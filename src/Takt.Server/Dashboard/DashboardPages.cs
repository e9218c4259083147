using System.IO.Compression;
using System.Reflection;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Takt.Server.Protocols;

namespace Takt.Server.Dashboard;

/// <summary>The dashboard: pages rendered here, a style sheet and a few small scripts of our own. Nothing is fetched from elsewhere.</summary>
public static class DashboardPages
{
    static readonly TimeSpan Sample = TimeSpan.FromSeconds(1);

    /// <summary>Bytes of a form at most.</summary>
    const long LargestForm = 256 * 1024;

    public static void MapDashboard(this IEndpointRouteBuilder routes, TaktApp app)
    {
        var events = new RunEvents(app);
        Map("/", http => OverviewPage.Render(app, In(http), Here(http)));
        Map("/data", http => DataPages.List(app, In(http)));
        Map("/data/{name}", http => DataPages.One(app, In(http), Value(http, "name")));
        Map("/pipelines", http => In(http).IsDefault ? PipelinePage.Render(app) : ("Pipelines", WorkspaceChoice.Elsewhere("Pipelines")));
        Map("/runs", http => RunListPage.Render(app, In(http), RunListState.Read(http.Request.Query), Notice.Of(http.Request.Query), Here(http)));
        Map("/runs/{id}", http => RunPage.Render(app, In(http), Value(http, "id")));
        Map("/runs/{id}/artifacts/{**path}", http => ArtifactPage.Render(app, In(http), Value(http, "id"), Value(http, "path"), http.RequestAborted));
        Map("/experiments", http => ExperimentsPage.Render(app, In(http), http.Request.Query["find"].ToString(), http.Request.Query["page"].ToString()));
        Map("/compare", http => ComparePage.Render(app, In(http), http.Request.Query));
        Map("/models", http => ModelPages.List(app, In(http), prompts: false, http.Request.Query["find"].ToString().Trim(), Text(http, "after")));
        Map("/prompts", http => ModelPages.List(app, In(http), prompts: true, http.Request.Query["find"].ToString().Trim(), Text(http, "after")));
        Map("/models/{name}", http => ModelPages.One(app, In(http), Value(http, "name")));
        Map("/models/{name}/{version:int}", http => ModelVersionPage.Render(app, In(http), Value(http, "name"), int.Parse(Value(http, "version"))));
        Map("/logged-models", http => LoggedModelPages.List(app, In(http), http.Request.Query["experiment"].ToString(), http.Request.Query["filter"].ToString().Trim(), Text(http, "after")));
        Map("/logged-models/{id}", http => LoggedModelPages.One(app, In(http), Value(http, "id")));
        Map("/traces", http => TracePages.List(app, In(http), http.Request.Query["experiment"].ToString(), http.Request.Query["filter"].ToString().Trim(), Text(http, "after"), Here(http)));
        Map("/traces/{id}", http => TracePages.One(app, In(http), Value(http, "id")));
        Map("/deployments", http => In(http).IsDefault ? DeploymentPages.List(app) : ("Deployments", WorkspaceChoice.Elsewhere("Deployments")));
        Map("/deployments/{endpoint}", http => In(http).IsDefault ? DeploymentPages.One(app, Value(http, "endpoint"), http.Request.Query["part"] == "live") : throw WorkspaceChoice.NotHere("endpoint", Value(http, "endpoint"), In(http)));
        Map("/monitors", http => In(http).IsDefault ? MonitorPage.Render(app) : ("Monitors", WorkspaceChoice.Elsewhere("Monitors")));
        Post("/runs/{id}/{verb}", (http, form) => RunActions.Do(app, In(http), Value(http, "id"), Value(http, "verb"), form));
        Post("/deployments/{endpoint}/{verb}", (http, form) => In(http).IsDefault ? RolloutParts.Do(app, Value(http, "endpoint"), Value(http, "verb"), form) : throw WorkspaceChoice.NotHere("endpoint", Value(http, "endpoint"), In(http)));
        Post("/runs", (_, form) => RunActions.Together(app, In(_), form));
        Post("/workspace", (http, form) => Task.FromResult(WorkspaceChoice.Set(app, http, form)));
        Post("/models/{name}/{verb}", (http, form) => ModelActions.Do(app, In(http), Value(http, "name"), Value(http, "verb"), form));
        routes.MapGet("/experiments/{id}", (string id) => Results.Redirect($"/runs?experiment={Uri.EscapeDataString(id)}"));
        routes.MapGet("/runs/export.csv", (HttpContext http) => RunExport.Csv(app, In(http), http));
        routes.MapGet("/runs/export.json", (HttpContext http) => RunExport.Json(app, In(http), http));
        routes.MapGet("/runs/keys", (HttpContext http) =>
        {
            var experiment = RunListPage.Resolve(app, In(http), http.Request.Query["experiment"].ToString());
            return Results.Json(app.RunGrid.In(In(http)).Keys(new() { Experiments = experiment is null ? [] : [experiment.Id] }).Select(k => k.ToString()));
        });
        routes.MapGet("/runs/{id}/parts", (HttpContext http, string id) => RunListPage.Below(app, In(http), http, id));
        routes.MapGet("/runs/series", (HttpContext http) => SeriesAnswer.Write(app, http));
        routes.MapGet("/runs/series.csv", (HttpContext http) => SeriesAnswer.Csv(app, http));
        routes.MapGet("/runs/{id}/events", (HttpContext http, string id) => events.Follow(http, In(http), id));
        routes.MapGet("/runs/{id}/download/{**path}", (HttpContext http, string id, string path) => ArtifactPage.Send(app, In(http), http, id, path, image: false));
        routes.MapGet("/runs/{id}/image/{**path}", (HttpContext http, string id, string path) => ArtifactPage.Send(app, In(http), http, id, path, image: true));
        routes.MapGet("/live", (HttpContext http) => In(http).IsDefault ? Live(http, app) : throw WorkspaceChoice.NotHere("traffic", "live", In(http)));
        routes.MapGet("/assets/{**name}", (HttpContext http, string name) => Asset(http, name));
        routes.MapFallback((HttpContext http) => http.Request.Headers.Accept.ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase)
            ? Fault(http, 404, "Not found", $"There is no page {http.Request.Path}.") : throw TaktException.NotFound($"there is nothing at {http.Request.Method} {http.Request.Path}"));

        static string? Text(HttpContext http, string name) => http.Request.Query[name].ToString() is { Length: > 0 } text ? text : null;

        Workspace In(HttpContext http) => WorkspaceChoice.Of(app, http);

        void Map(string path, Func<HttpContext, object> page) => routes.MapGet(path, (Delegate)((HttpContext http) => Guarded(http, async () =>
        {
            if (WorkspaceChoice.Linked(app, http) is { } to) return Results.Redirect(to);
            var made = page(http);
            var (title, body) = made is Task<(string, Html)> later ? await later : ((string, Html))made;
            return Show(http, title, body, 200);
        })));

        void Post(string path, Func<HttpContext, IFormCollection, Task<string>> change) => routes.MapPost(path, (Delegate)((HttpContext http) => Guarded(http, async () =>
        {
            SameOrigin.Require(http);
            if (!http.Request.HasFormContentType) throw TaktException.Invalid("this address takes a form of the dashboard; programs use the API");
            if (http.Request.ContentLength is not { } length || length > LargestForm) throw new TaktException(TaktError.TooLarge, $"a form has {LargestForm / 1024} KiB at most");
            var to = await change(http, await http.Request.ReadFormAsync(http.RequestAborted));
            http.Response.Headers.Location = to;
            return Results.StatusCode(303);
        })));

        async Task<IResult> Guarded(HttpContext http, Func<Task<IResult>> answer)
        {
            try
            {
                return await answer();
            }
            catch (TaktException e) when (e.Error != TaktError.Cancelled)
            {
                var title = e.Error switch { TaktError.NotFound => "Not found", TaktError.Denied => "Not allowed", TaktError.Invalid => "That does not work", TaktError.Unavailable => "Not available now", _ => "That did not work" };
                return Fault(http, Api.ApiErrors.Status(e.Error), title, e.Message);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                http.RequestServices.GetRequiredService<ILoggerFactory>().CreateLogger("Takt.Server").LogError(e, "Page {Path} failed; trace id {TraceId}", http.Request.Path, http.TraceIdentifier);
                return Fault(http, 500, "A bug in Takt", $"This page could not be made. The server's log has the reason under trace id {http.TraceIdentifier}.");
            }
        }

        IResult Fault(HttpContext http, int status, string title, string message) => Show(http, title, Html.Of($"""
            <section class="card"><div class="empty"><p dir="auto">{message}</p>{(status >= 500 ? Html.Of($"<p><a href=\"{Again(http)}\">Try again</a></p>") : Html.None)}<p>Go to {Page.Links(http.Request.Path)}</p></div></section>
            """), status);

        // a form is not sent again by a link
        static string Again(HttpContext http) => HttpMethods.IsGet(http.Request.Method) ? http.Request.Path + http.Request.QueryString : "/";

        IResult Show(HttpContext http, string title, Html body, int status)
        {
            SecurityHeaders.ForPage(http.Response);
            return new PageAnswer(Page.Show(http.Request.Path, title, body, Path.GetFileName(app.Folder.Root), WorkspaceChoice.Switcher(app, http)), status);
        }
    }

    /// <summary>This server's address, as the reader's browser knows it.</summary>
    static string Here(HttpContext http) => $"{http.Request.Scheme}://{http.Request.Host}";

    /// <summary>The router leaves an encoded slash as it is; names of models have some.</summary>
    static string Value(HttpContext http, string name) => (http.Request.RouteValues[name] as string ?? "").Replace("%2F", "/", StringComparison.OrdinalIgnoreCase);

    /// <summary>A page, compressed when it is large and the browser can: a table of many columns shrinks to a tenth.</summary>
    sealed class PageAnswer(string html, int status) : IResult
    {
        const int WorthIt = 8 * 1024;

        public async Task ExecuteAsync(HttpContext http)
        {
            http.Response.StatusCode = status;
            http.Response.ContentType = "text/html; charset=utf-8";
            http.Response.Headers.Vary = "Accept-Encoding";
            var bytes = Encoding.UTF8.GetBytes(html);
            if (bytes.Length < WorthIt || !http.Request.Headers.AcceptEncoding.ToString().Contains("gzip", StringComparison.OrdinalIgnoreCase))
            {
                http.Response.ContentLength = bytes.Length;
                await http.Response.Body.WriteAsync(bytes, http.RequestAborted);
                return;
            }
            http.Response.Headers.ContentEncoding = "gzip";
            await using var gzip = new GZipStream(http.Response.Body, CompressionLevel.Fastest);
            await gzip.WriteAsync(bytes, http.RequestAborted);
        }
    }

    /// <summary>Each second what every endpoint has done since the last: server-sent events.</summary>
    static async Task Live(HttpContext http, TaktApp app)
    {
        using var stop = EventStream.Begin(http);
        var traffic = new LiveTraffic(app.Router);
        using var timer = new PeriodicTimer(Sample, app.Time);
        try
        {
            do
            {
                var now = traffic.Next();
                var requests = JsonSerializer.Serialize(now.ToDictionary(e => e.Key, e => e.Value.Requests));
                var latency = JsonSerializer.Serialize(now.ToDictionary(e => e.Key, e => e.Value.Value("p95_ms")));
                await http.Response.WriteAsync($"data: {{\"time\":{app.Time.GetUtcNow().ToUnixTimeSeconds()},\"requests\":{requests},\"p95_ms\":{latency}}}\n\n", stop.Token);
                await http.Response.Body.FlushAsync(stop.Token);
            }
            while (await timer.WaitForNextTickAsync(stop.Token));
        }
        catch (OperationCanceledException)
        {
            // the page was closed, or the server stops
        }
    }

    static IResult Asset(HttpContext http, string name)
    {
        var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("assets/" + name);
        if (stream is null) return Results.NotFound();
        http.Response.Headers.CacheControl = "max-age=300";
        http.Response.Headers.XContentTypeOptions = "nosniff";
        return Results.Stream(stream, Path.GetExtension(name) switch { ".css" => "text/css", ".js" => "text/javascript", ".svg" => "image/svg+xml", _ => "text/plain" });
    }
}
