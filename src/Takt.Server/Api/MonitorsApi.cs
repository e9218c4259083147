using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Takt.Monitors;
using Takt.Server.Protocols;

namespace Takt.Server.Api;

/// <summary>Monitors, their windows, alerts, and the pipelines that alerts started.</summary>
public static class MonitorsApi
{
    public static void MapMonitors(this IEndpointRouteBuilder routes, TaktApp app)
    {
        routes.MapGet("/api/v1/monitors", () => Json("monitors", app.Pipelines.LoadProject().Monitors.Select(m =>
        {
            var newest = app.Monitors.Table.Windows(m.Name, 1).FirstOrDefault();
            return new JsonObject
            {
                ["name"] = m.Name,
                ["endpoint"] = m.Endpoint,
                ["windowSeconds"] = m.Window.TotalSeconds,
                ["threshold"] = double.IsFinite(m.Threshold) ? m.Threshold : null,
                ["metric"] = m.Metric,
                ["newest"] = newest is null ? null : View(newest),
            };
        })));
        routes.MapGet("/api/v1/monitors/{name}", (string name) =>
        {
            Require(app, name);
            return Json("windows", app.Monitors.Table.Windows(name).Select(View));
        });
        routes.MapPost("/api/v1/monitors/{name}/tick", async (string name) =>
        {
            Require(app, name);
            return JsonAnswer.Of(new JsonObject { ["judged"] = await app.Loop.Tick(name) });
        });
        routes.MapGet("/api/v1/alerts", (string? monitor) => Json("alerts", app.Monitors.Table.Alerts(monitor).Select(a => new JsonObject
        {
            ["id"] = a.Id,
            ["monitor"] = a.Monitor,
            ["windowStart"] = a.WindowStart,
            ["kind"] = a.Kind,
            ["message"] = a.Message,
            ["evidence"] = JsonNode.Parse(a.Evidence),
            ["createdAt"] = a.CreatedAt,
        })));
        routes.MapGet("/api/v1/triggers", () => Json("triggers", app.Monitors.Table.Triggers().Select(t => new JsonObject
        {
            ["id"] = t.Id,
            ["kind"] = t.Kind,
            ["monitor"] = t.Monitor,
            ["alert"] = t.Alert,
            ["eventTime"] = t.EventTime,
            ["state"] = t.State,
            ["run"] = t.Run,
            ["outcome"] = t.Outcome,
            ["createdAt"] = t.CreatedAt,
        })));
    }

    static JsonObject View(MonitorWindow window)
    {
        var view = Told(window);
        if (window.Confusion is { } confusion)
            view["confusion"] = new JsonObject { ["classes"] = new JsonArray([.. confusion.Classes.Select(c => (JsonNode)c)]), ["rows"] = new JsonArray([.. confusion.Counts.Select(row => new JsonArray([.. row.Select(c => (JsonNode)c)]))]) };
        return view;
    }

    static JsonObject Told(MonitorWindow window) => new()
    {
        ["start"] = window.Start,
        ["end"] = window.End,
        ["rows"] = window.Rows,
        ["labelled"] = window.Labelled,
        ["model"] = window.Model,
        ["verdict"] = window.Verdict,
        ["drift"] = new JsonArray([.. window.Drift.Select(d => new JsonObject
        {
            ["column"] = d.Column, ["psi"] = Math.Round(d.Psi, 5), ["test"] = d.Test, ["p"] = d.P, ["moved"] = d.Moved,
        })]),
        ["performance"] = new JsonObject(window.Performance.Select(p => KeyValuePair.Create(p.Key, (JsonNode?)p.Value))),
    };

    static void Require(TaktApp app, string name)
    {
        var monitors = app.Pipelines.LoadProject().Monitors;
        if (monitors.All(m => m.Name != name)) throw TaktException.NotFound($"no monitor '{name}' in takt.yaml; it has {(monitors.Count == 0 ? "none" : string.Join(", ", monitors.Select(m => m.Name)))}");
    }

    static IResult Json(string member, IEnumerable<JsonObject> items) => JsonAnswer.Of(new JsonObject { [member] = new JsonArray([.. items]) });
}
