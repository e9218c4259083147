using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Takt.Deployments;
using Takt.Server.Protocols;

namespace Takt.Server.Api;

/// <summary>Where a prediction, a model, a run or data is from, and what came of it: docs/lineage.md.</summary>
public static class LineageApi
{
    public static void MapLineage(this IEndpointRouteBuilder routes, TaktApp app)
    {
        routes.MapGet("/api/v1/lineage", async (HttpContext http, string? of, string? direction, CancellationToken cancel) => Json(View(await app.Lineage.Of(Required(of), Direction(direction), http.Workspace(), cancel))));
        routes.MapGet("/api/v1/lineage/uses", async (HttpContext http, string? data, CancellationToken cancel) => Json(Uses(await app.Lineage.Of(Data(Required(data)), LineageDirection.Down, http.Workspace(), cancel))));
    }

    static string Required(string? reference) => string.IsNullOrEmpty(reference) ? throw TaktException.Invalid("of is missing: what the lineage is asked of, such as model:flights@champion") : reference;

    static string Data(string reference) => reference.StartsWith("data:", StringComparison.Ordinal) || reference.StartsWith("source:", StringComparison.Ordinal) ? reference : "data:" + reference;

    static LineageDirection Direction(string? text) => text switch
    {
        null or "up" => LineageDirection.Up,
        "down" => LineageDirection.Down,
        "both" => LineageDirection.Both,
        _ => throw TaktException.Invalid($"direction is up, down or both, not '{text}'"),
    };

    internal static JsonObject View(LineageGraph graph) => new()
    {
        ["root"] = graph.Root,
        ["nodes"] = new JsonArray([.. graph.Nodes.Select(View)]),
        ["edges"] = new JsonArray([.. graph.Edges.Select(e => new JsonObject { ["from"] = e.From, ["to"] = e.To, ["kind"] = e.Kind })]),
        ["truncated"] = graph.Truncated,
    };

    /// <summary>The same graph with what a reader asks first beside it, the newest first.</summary>
    static JsonObject Uses(LineageGraph graph) => new()
    {
        ["data"] = graph.Nodes.First(n => n.Id == graph.Root).Name,
        ["models"] = List(graph, "model"),
        ["runs"] = List(graph, "run"),
        ["loggedModels"] = List(graph, "logged-model"),
        ["revisions"] = List(graph, "revision"),
        ["endpoints"] = List(graph, "endpoint"),
        ["graph"] = View(graph),
    };

    static JsonArray List(LineageGraph graph, string kind) => new([.. graph.Nodes.Where(n => n.Kind == kind).OrderByDescending(n => n.At).ThenBy(n => n.Id, StringComparer.Ordinal).Select(View)]);

    static JsonObject View(LineageNode node) => new()
    {
        ["id"] = node.Id,
        ["kind"] = node.Kind,
        ["name"] = node.Name,
        ["summary"] = node.Summary,
        ["rank"] = node.Rank,
        ["at"] = node.At,
        ["facts"] = new JsonObject(node.Facts.OrderBy(f => f.Key, StringComparer.Ordinal).Select(f => KeyValuePair.Create(f.Key, (JsonNode?)f.Value))),
    };

    static IResult Json(JsonObject json) => JsonAnswer.Of(json);
}
