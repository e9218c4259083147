using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Template;
using Microsoft.Extensions.DependencyInjection;
using Takt.Server.Protocols.Mlflow.GraphQl;

namespace Takt.Server.Protocols.Mlflow;

/// <summary>The protocol of MLflow's tracking server, so that its clients work unmodified. What is served: docs/mlflow.md.</summary>
public static class MlflowApi
{
    /// <summary>The MLflow whose protocol this is; clients decide by it what they may ask.</summary>
    public const string Version = "3.6.0";

    public static void MapMlflow(this IEndpointRouteBuilder routes, TaktApp app)
    {
        routes.MapMethods("/version", ["GET", "HEAD"], () => Version);
        ArtifactRoutes.MapBrowser(routes, app);
        MapGraphQl(routes, app);
        // only pages ask for these
        var gateway = new GatewayProxy(app.Gateway, app.UpstreamHttp);
        Get(routes, "/ajax-api/2.0/mlflow/gateway-proxy", gateway.Ask);
        Post(routes, "/ajax-api/2.0/mlflow/gateway-proxy", gateway.Ask);
        Post(routes, "/ajax-api/2.0/mlflow/runs/create-promptlab-run", new PromptlabCalls(app.RunLog, app.Artifacts, app.Time).Create);
        foreach (var prefix in (string[])["/api", "/ajax-api"])
        {
            var tracking = $"{prefix}/2.0/mlflow";
            MapExperiments(routes, tracking + "/experiments", new ExperimentCalls(app.Experiments, app.RunLog));
            MapRuns(routes, tracking, new RunCalls(app.RunLog, app.RunSearch), new MetricCalls(app.RunLog, app.MetricHistory));
            RegistryRoutes.Map(routes, prefix, app);
            MapLoggedModels(routes, tracking + "/logged-models", new LoggedModelCalls(app.LoggedModels));
            ArtifactRoutes.Map(routes, prefix, app);
            TraceRoutes.Map(routes, prefix, app);
            foreach (var version in (string[])["2.0", "3.0"])
            {
                MapWorkspaces(routes, $"{prefix}/{version}/mlflow", new WorkspaceCalls(app.Workspaces)); // 3.0 with MLflow 3.10, 2.0 with its forks
                routes.Map($"{prefix}/{version}/{{**path}}", NotServed);
            }
        }
    }

    /// <summary>The last resort, so it may take its time: 405 when another method would be answered.</summary>
    static Task NotServed(HttpContext http)
    {
        var methods = http.RequestServices.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .Where(e => e.RoutePattern.RawText is { } text && !text.EndsWith("/{**path}", StringComparison.Ordinal) && new TemplateMatcher(TemplateParser.Parse(text), []).TryMatch(http.Request.Path, []))
            .SelectMany(e => e.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods ?? []).Distinct().Order(StringComparer.Ordinal).ToList();
        if (methods.Count == 0) return MlflowAnswer.Error(http, 404, "ENDPOINT_NOT_FOUND", $"No such endpoint: {http.Request.Method} {http.Request.Path}");
        http.Response.Headers.Allow = string.Join(", ", methods);
        return MlflowAnswer.Error(http, 405, "BAD_REQUEST", $"Method {http.Request.Method} is not allowed for {http.Request.Path}; allowed: {string.Join(", ", methods)}");
    }

    static void MapGraphQl(IEndpointRouteBuilder routes, TaktApp app)
    {
        var runs = new RunCalls(app.RunLog, app.RunSearch);
        var experiments = new ExperimentCalls(app.Experiments, app.RunLog);
        GraphQlApi.Map(routes, new Dictionary<string, Func<HttpContext, MlflowRequest, Task>>
        {
            ["mlflowGetExperiment"] = experiments.Get,
            ["mlflowGetRun"] = runs.Get,
            ["mlflowSearchRuns"] = runs.Search,
            ["mlflowSearchDatasets"] = experiments.SearchDatasets,
            ["mlflowSearchModelVersions"] = new ModelCalls(app.ModelCatalog, app.LoggedModels, app.RunLog).SearchVersions,
            ["mlflowListArtifacts"] = ArtifactRoutes.Calls(app).ListOfRun,
            ["mlflowGetMetricHistoryBulkInterval"] = new MetricCalls(app.RunLog, app.MetricHistory).Sampled,
        });
    }

    static void MapWorkspaces(IEndpointRouteBuilder routes, string at, WorkspaceCalls calls)
    {
        Get(routes, at + "/workspaces", calls.List);
        Post(routes, at + "/workspaces", calls.Create);
        Get(routes, at + "/workspaces/{workspace}", calls.Get);
        Patch(routes, at + "/workspaces/{workspace}", calls.Update);
        Delete(routes, at + "/workspaces/{workspace}", calls.Delete);
        // asked before a workspace is chosen, so the header is not looked at; MLflow 3.10 asks the first, its forks the second
        foreach (var path in (string[])["/server-info", "/server-features"])
            routes.MapGet(at + path, http => MlflowAnswer.Write(http, json =>
            {
                json.WriteString("store_type", "SqlStore");
                json.WriteBoolean("workspaces_enabled", true);
            }));
    }

    static void MapExperiments(IEndpointRouteBuilder routes, string at, ExperimentCalls calls)
    {
        Post(routes, at + "/create", calls.Create);
        Get(routes, at + "/get", calls.Get);
        Get(routes, at + "/get-by-name", calls.GetByName);
        Get(routes, at + "/search", calls.Search);
        Post(routes, at + "/search", calls.Search);
        Post(routes, at + "/update", calls.Update);
        Post(routes, at + "/delete", calls.Delete);
        Post(routes, at + "/restore", calls.Restore);
        Post(routes, at + "/search-datasets", calls.SearchDatasets);
        Post(routes, at + "/set-experiment-tag", calls.SetTag);
        Post(routes, at + "/delete-experiment-tag", calls.DeleteTag);
    }

    static void MapRuns(IEndpointRouteBuilder routes, string at, RunCalls calls, MetricCalls metrics)
    {
        Post(routes, at + "/runs/create", calls.Create);
        Get(routes, at + "/runs/get", calls.Get);
        Post(routes, at + "/runs/update", calls.Update);
        Post(routes, at + "/runs/delete", calls.Delete);
        Post(routes, at + "/runs/restore", calls.Restore);
        Post(routes, at + "/runs/search", calls.Search);
        Post(routes, at + "/runs/log-metric", metrics.LogMetric);
        Post(routes, at + "/runs/log-parameter", calls.LogParameter);
        Post(routes, at + "/runs/log-batch", metrics.LogBatch);
        Post(routes, at + "/runs/set-tag", calls.SetTag);
        Post(routes, at + "/runs/delete-tag", calls.DeleteTag);
        Post(routes, at + "/runs/log-model", calls.LogModel);
        Post(routes, at + "/runs/log-inputs", calls.LogInputs);
        Post(routes, at + "/runs/outputs", calls.LogOutputs);
        Get(routes, at + "/metrics/get-history", metrics.History);
        Get(routes, at + "/metrics/get-history-bulk", metrics.HistoryOfRuns);
        Get(routes, at + "/metrics/get-history-bulk-interval", metrics.Sampled);
    }

    static void MapLoggedModels(IEndpointRouteBuilder routes, string at, LoggedModelCalls calls)
    {
        Post(routes, at, calls.Create);
        Post(routes, at + "/search", calls.Search);
        Get(routes, at + "/{id}", calls.Get);
        Patch(routes, at + "/{id}", calls.Finish);
        Delete(routes, at + "/{id}", calls.Delete);
        Patch(routes, at + "/{id}/tags", calls.SetTags);
        Delete(routes, at + "/{id}/tags/{key}", calls.DeleteTag);
        Post(routes, at + "/{id}/params", calls.SetParams);
    }

    internal static void Get(IEndpointRouteBuilder routes, string path, Func<HttpContext, MlflowRequest, Task> call) => routes.MapGet(path, Answering(call));

    internal static void Post(IEndpointRouteBuilder routes, string path, Func<HttpContext, MlflowRequest, Task> call) => routes.MapPost(path, Answering(call));

    internal static void Put(IEndpointRouteBuilder routes, string path, Func<HttpContext, MlflowRequest, Task> call) => routes.MapPut(path, Answering(call));

    internal static void Patch(IEndpointRouteBuilder routes, string path, Func<HttpContext, MlflowRequest, Task> call) => routes.MapPatch(path, Answering(call));

    internal static void Delete(IEndpointRouteBuilder routes, string path, Func<HttpContext, MlflowRequest, Task> call) => routes.MapDelete(path, Answering(call));

    static RequestDelegate Answering(Func<HttpContext, MlflowRequest, Task> call) => http => Guarded(http, async () => await call(http, await MlflowRequest.Read(http)));

    internal static async Task Guarded(HttpContext http, Func<Task> work)
    {
        try
        {
            await work();
        }
        catch (TaktException e) when (!http.Response.HasStarted)
        {
            await MlflowAnswer.Error(http, e);
        }
    }
}
