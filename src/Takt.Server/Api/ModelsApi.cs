using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Takt.Models;
using Takt.Server.Protocols;

namespace Takt.Server.Api;

/// <summary>Registered models, their versions, aliases and history.</summary>
public static class ModelsApi
{
    public static void MapModels(this IEndpointRouteBuilder routes, TaktApp app)
    {
        var api = routes.MapGroup("/api/v1/models");
        api.MapGet("/", (HttpContext http) => Json("models", app.Models.Names(http.Workspace()).Select(name => app.Models.Versions(name, http.Workspace()) is [var newest, ..] all
            ? new JsonObject
            {
                ["name"] = name,
                ["versions"] = all.Count,
                ["newest"] = newest.Version,
                ["aliases"] = new JsonObject(all.SelectMany(v => v.Aliases.Select(a => KeyValuePair.Create(a, (JsonNode?)v.Version))).OrderBy(a => a.Key, StringComparer.Ordinal)),
                ["createdAt"] = newest.CreatedAt,
            }
            : new JsonObject { ["name"] = name, ["versions"] = 0 })));
        api.MapGet("/{name}", (HttpContext http, string name) =>
        {
            _ = app.Models.Resolve(name, http.Workspace());
            return Json("versions", app.Models.Versions(name, http.Workspace()).Select(View));
        });
        api.MapGet("/{name}/versions/{reference}", (HttpContext http, string name, string reference) => JsonAnswer.Of(View(app.Models.Resolve($"{name}@{reference}", http.Workspace()))));
        api.MapGet("/{name}/history", (HttpContext http, string name) => Json("events", app.Models.History(name, workspace: http.Workspace()).Select(e => new JsonObject
        {
            ["version"] = e.Version,
            ["kind"] = e.Kind,
            ["detail"] = e.Detail,
            ["time"] = e.Time,
        })));
        api.MapPost("/{name}/versions/{reference}/aliases/{alias}", async (HttpContext http, string name, string reference, string alias) =>
        {
            var version = app.Models.Resolve($"{name}@{reference}", http.Workspace());
            await app.Models.SetAlias(name, alias, version.Version, http.Workspace());
            return JsonAnswer.Of(View(app.Models.Resolve(version.Reference, http.Workspace())));
        });
        api.MapPost("/{name}/versions/{reference}/convert", async (HttpContext http, string name, string reference, string? to) =>
        {
            var version = app.Models.Resolve($"{name}@{reference}", http.Workspace());
            if (string.IsNullOrEmpty(to)) throw TaktException.Invalid("?to= is missing: the format, such as onnx");
            return JsonAnswer.Of(View(await app.Models.Convert(version, to, http.RequestAborted)));
        });
    }

    static JsonObject View(ModelVersion version) => new()
    {
        ["name"] = version.Name,
        ["version"] = version.Version,
        ["aliases"] = new JsonArray([.. version.Aliases.Select(a => JsonValue.Create(a))]),
        ["createdAt"] = version.CreatedAt,
        ["run"] = version.Run?.Value,
        ["codeCommit"] = version.CodeCommit,
        ["datasetCommits"] = new JsonArray([.. version.DatasetCommits.Select(c => JsonValue.Create(c))]),
        ["params"] = new JsonObject(version.Params.Select(p => KeyValuePair.Create(p.Key, (JsonNode?)p.Value))),
        ["metrics"] = new JsonObject(version.Metrics.Where(m => double.IsFinite(m.Value)).Select(m => KeyValuePair.Create(m.Key, (JsonNode?)m.Value))),
        ["package"] = version.Package?.ToString(),
        ["source"] = version.Source,
    };

    static IResult Json(string member, IEnumerable<JsonObject> items) => JsonAnswer.Of(new JsonObject { [member] = new JsonArray([.. items]) });
}
