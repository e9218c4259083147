using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using Takt.Server.Api;
using Takt.Server.Dashboard;
using Takt.Server.Protocols;
using Takt.Server.Protocols.GitLfs;
using Takt.Server.Protocols.OpenAI;
using Takt.Server.Protocols.Mlflow;
using Takt.Server.Protocols.OpenInference;
using Takt.Server.Protocols.OpenTelemetry;
using Takt.Server.Protocols.S3;
using Takt.Server.Protocols.Prometheus;
using Takt.Server.Protocols.Scoring;

namespace Takt.Server;

/// <summary>The web host around a <see cref="TaktApp"/>: every façade is mapped here, one line each.</summary>
public static class TaktHost
{
    /// <summary>Takt's own version.</summary>
    public static string Version { get; } = typeof(TaktHost).Assembly.GetName().Version!.ToString(3);

    /// <param name="configure">Chooses where to listen: Kestrel's addresses, or a test server.</param>
    /// <param name="refuse">Added before every façade, after the errors' wording.</param>
    public static WebApplication Build(TaktApp app, Action<WebApplicationBuilder> configure, ServerRoles roles = ServerRoles.All, Action<IApplicationBuilder>? refuse = null)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting", LogLevel.None); // a start that fails is told once, in our words
        builder.Logging.AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.None); // else each request gets an Activity that nobody looks at: a twentieth of its time. RequestSpan makes those that are wanted
        builder.Logging.AddConsoleFormatter<ServerLogFormatter, ConsoleFormatterOptions>();
        builder.Services.PostConfigure<ConsoleLoggerOptions>(console => console.FormatterName ??= ServerLogFormatter.FormatterName);
        builder.Services.AddSingleton(app);
        builder.Services.AddRouting();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxRequestLineSize = 64 << 10); // MLflow's UI asks for 100 runs by GET
        configure(builder);
        var web = builder.Build();
        Protocols.Prometheus.HttpDurations.Use(web, app);
        GrpcDrain.Use(web);
        web.RefuseSmuggling();
        web.UseTaktErrors();
        refuse?.Invoke(web);
        web.RefuseForeignPages();
        web.RefuseWaysOut();
        if (roles.HasFlag(ServerRoles.Serving)) web.UseInference(app);
        web.Use((http, next) =>
        {
            // a client that joins "http://host/" and "/path"; Flask's servers take it as one slash as well
            if (http.Request.Path.Value is { } path && path.StartsWith("//", StringComparison.Ordinal)) http.Request.Path = "/" + path.TrimStart('/');
            return next(http);
        });
        web.UseProjectRows();
        web.UseRouting();
        web.MapMethods("/health", ["GET", "HEAD"], () => "OK"); // some balancers ask for the head only
        web.MapMetrics(app);
        web.MapDeployments(app);
        if (roles.HasFlag(ServerRoles.Serving)) MapServing(web, app);
        if (roles.HasFlag(ServerRoles.Control)) MapControl(web, app);
        return web;
    }

    static void MapServing(IEndpointRouteBuilder routes, TaktApp app)
    {
        routes.MapOpenInference(app);
        routes.MapOpenInferenceGrpc();
        routes.MapScoring(app);
        routes.MapOpenAi(app);
    }

    static void MapControl(IEndpointRouteBuilder routes, TaktApp app)
    {
        routes.MapTesting(app);
        routes.MapDatasets(app);
        routes.MapRetention(app);
        routes.MapRemote(app);
        routes.MapRefreshes(app);
        routes.MapRuns(app);
        routes.MapModels(app);
        routes.MapMonitors(app);
        routes.MapLineage(app);
        routes.MapPurge(app);
        routes.MapWorkspaces(app);
        routes.MapMlflow(app);
        routes.MapOpenTelemetry(app);
        routes.MapGitLfs(app);
        routes.MapS3View(app);
        routes.MapDashboard(app);
    }
}
