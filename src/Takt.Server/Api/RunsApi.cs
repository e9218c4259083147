using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Takt.Runs;
using Takt.Server.Protocols;

namespace Takt.Server.Api;

/// <summary>Runs, their stages and logs.</summary>
public static class RunsApi
{
    const int MostRuns = 1000;

    /// <summary>Of a log, in bytes: its end.</summary>
    const int LongestLog = 8 << 20;

    public static void MapRuns(this IEndpointRouteBuilder routes, TaktApp app)
    {
        routes.MapGet("/api/v1/runs", (HttpContext http, string? experiment, int? limit, int? offset) => Json(new JsonObject
        {
            ["runs"] = new JsonArray([.. app.Runs.List(experiment, Math.Clamp(limit ?? 50, 1, MostRuns), Math.Max(0, offset ?? 0), http.Workspace()).Select(View)]),
        }));
        routes.MapGet("/api/v1/runs/{id}", (HttpContext http, string id) =>
        {
            var run = app.Runs.Get(new RunId(id), http.Workspace());
            var json = View(run);
            json["artifacts"] = new JsonArray([.. run.Artifacts.Select(a => new JsonObject { ["path"] = a.Path, ["digest"] = a.Digest.ToString(), ["size"] = a.Size })]);
            json["stages"] = new JsonArray([.. app.Pipelines.Stages.Of(run.Id).Select(View)]);
            json["children"] = new JsonArray([.. app.Runs.Children(run.Id).Select(View)]);
            return Json(json);
        });
        routes.MapGet("/api/v1/runs/{id}/logs/{stage}", (HttpContext http, string id, string stage) =>
        {
            _ = app.Runs.Get(new RunId(id), http.Workspace());
            return Json(new JsonObject { ["stage"] = stage, ["log"] = app.Pipelines.LogOf(new RunId(id), stage, LongestLog) ?? throw TaktException.NotFound($"run {id} has no log of '{stage}'") });
        });
    }

    static JsonObject View(RunDetail run) => new()
    {
        ["id"] = run.Id.Value,
        ["experiment"] = run.Experiment,
        ["name"] = run.Name,
        ["status"] = run.Status.ToString(),
        ["startedAt"] = run.StartedAt,
        ["endedAt"] = run.EndedAt,
        ["parent"] = run.Parent?.Value,
        ["params"] = new JsonObject(run.Params.Select(p => KeyValuePair.Create(p.Key, (JsonNode?)p.Value))),
        ["metrics"] = new JsonObject(run.Metrics.Where(m => double.IsFinite(m.Value.Value)).Select(m => KeyValuePair.Create(m.Key, (JsonNode?)m.Value.Value))),
        ["tags"] = new JsonObject(run.Tags.Select(t => KeyValuePair.Create(t.Key, (JsonNode?)t.Value))),
    };

    static JsonObject View(StageRun stage) => new()
    {
        ["stage"] = stage.Stage,
        ["state"] = stage.State.ToString(),
        ["run"] = stage.Run?.Value,
        ["startedAt"] = stage.StartedAt,
        ["endedAt"] = stage.EndedAt,
        ["summary"] = stage.Summary,
    };

    static IResult Json(JsonObject json) => JsonAnswer.Of(json);
}
