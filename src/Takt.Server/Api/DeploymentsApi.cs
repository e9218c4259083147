using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Takt.Data;
using Takt.Deployments;
using Takt.Server.Protocols;

namespace Takt.Server.Api;

/// <summary>Endpoints, their rollouts, their predictions, and the labels that come later.</summary>
public static class DeploymentsApi
{
    const int MostLabels = 100_000;
    const long MostLabelBytes = 32 << 20;
    const int LongestClass = 1000;
    const int MostPredictions = 1000;
    const int MostRollouts = 200;

    public static void MapDeployments(this IEndpointRouteBuilder routes, TaktApp app)
    {
        var api = routes.MapGroup("/api/v1/deployments");
        api.MapGet("/", () =>
        {
            var fleet = app.Fleet?.View();
            return Json(new JsonObject { ["deployments"] = new JsonArray([.. app.Deployments.List().Select(d => DeploymentViews.Of(app, d, fleet))]) });
        });
        api.MapGet("/{endpoint}", (string endpoint) => Json(DeploymentViews.Of(app, app.Deployments.Get(endpoint))));
        api.MapGet("/{endpoint}/history", (string endpoint) =>
        {
            _ = app.Deployments.Get(endpoint);
            return Json(new JsonObject
            {
                ["events"] = new JsonArray([.. app.Deployments.History(endpoint).Select(e => new JsonObject
            {
                ["rollout"] = e.Rollout, ["kind"] = e.Kind, ["detail"] = e.Detail, ["time"] = e.Time,
            })])
            });
        });
        api.MapPost("/{endpoint}/rollback", async (string endpoint) => Json(DeploymentViews.Of(await app.Deployments.RollBack(endpoint))));
        api.MapPost("/{endpoint}/pause", async (string endpoint) => Json(DeploymentViews.Of(await app.Deployments.Command(endpoint, RolloutState.Paused))));
        api.MapPost("/{endpoint}/resume", async (string endpoint) => Json(DeploymentViews.Of(await app.Deployments.Command(endpoint, RolloutState.Rolling))));
        api.MapPost("/{endpoint}/promote", async (string endpoint) => Json(DeploymentViews.Of(await app.Deployments.Command(endpoint, RolloutState.Promoting))));
        api.MapGet("/{endpoint}/rollouts", (string endpoint) =>
        {
            _ = app.Deployments.Get(endpoint);
            return Json(new JsonObject { ["rollouts"] = new JsonArray([.. app.Deployments.Rollouts(endpoint).Take(MostRollouts).Select(DeploymentViews.Of)]) });
        });
        api.MapGet("/{endpoint}/rollouts/{rollout:int}/evidence", (string endpoint, int rollout) =>
        {
            _ = app.Deployments.Get(endpoint);
            return Json(new JsonObject { ["looks"] = new JsonArray([.. app.Deployments.Looks(endpoint, rollout).Select(DeploymentViews.Of)]) });
        });
        api.MapPost("/{endpoint}/abort", async (string endpoint) => Json(DeploymentViews.Of(await app.Deployments.Command(endpoint, RolloutState.Aborted))));
        api.MapPost("/{endpoint}/labels", async (HttpContext http, string endpoint) => await Labels(http, app, endpoint));
        api.MapGet("/{endpoint}/predictions", async (string endpoint, int? limit) => await Predictions(app, endpoint, limit ?? 50));
    }

    static async Task<IResult> Labels(HttpContext http, TaktApp app, string endpoint)
    {
        var deployment = app.Deployments.Get(endpoint);
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = MostLabelBytes;
        JsonDocument body;
        try
        {
            body = await JsonDocument.ParseAsync(http.Request.Body, cancellationToken: http.RequestAborted);
        }
        catch (JsonException e)
        {
            throw new TaktException(TaktError.Invalid, $"the body is not JSON: {e.Message}", e);
        }
        using (body)
        {
            if (body.RootElement.ValueKind != JsonValueKind.Object || !body.RootElement.TryGetProperty("labels", out var list) || list.ValueKind != JsonValueKind.Array)
                throw TaktException.Invalid("labels is missing: a list of {\"id\": \"p-…:0\", \"label\": 1}, or with a \"key\" in place of the id");
            if (list.GetArrayLength() > MostLabels) throw new TaktException(TaktError.TooLarge, $"{list.GetArrayLength()} labels in one call; {MostLabels} are allowed");
            var now = app.Time.GetUtcNow();
            var labels = new List<Label>(list.GetArrayLength());
            var faults = new List<string>();
            // what another server answers is known to that one only
            var ofClasses = deployment.Live?.Spec.Upstream is null && (app.Router.Find(endpoint) is not { Champion.Model: { } model } || model.Signature.Outputs.Any(o => o.Type == Models.FieldType.String));
            foreach (var item in list.EnumerateArray())
            {
                if (Read(item, now) is { } label && (label.Class is null || ofClasses)) labels.Add(label);
                else if (faults.Count < 10) faults.Add($"labels[{labels.Count + faults.Count}]: needs an id or a key (text, not both) and a label ({(ofClasses ? "the name of a class, a number or true/false" : $"number or true/false; the model of {endpoint} says no classes")}); a time must be ISO 8601, such as 2026-03-01T10:00:00Z");
            }
            if (faults.Count > 0) throw new TaktException(TaktError.Invalid, faults);
            await app.Predictions.Of(endpoint).Append(labels, http.RequestAborted);
            return Json(new JsonObject { ["accepted"] = labels.Count });
        }
    }

    /// <summary>An id without a row is the request's only row.</summary>
    static Label? Read(JsonElement item, DateTimeOffset now)
    {
        if (item.ValueKind != JsonValueKind.Object || !item.TryGetProperty("label", out var label)) return null;
        var byKey = item.TryGetProperty("key", out var id);
        if (byKey == item.TryGetProperty("id", out var own)) return null;
        if (!byKey) id = own;
        if (id.ValueKind != JsonValueKind.String || (byKey && !PredictionKeys.IsKey(id.GetString()))) return null;
        double? value = label.ValueKind switch
        {
            JsonValueKind.Number => label.GetDouble(),
            JsonValueKind.True => 1,
            JsonValueKind.False => 0,
            _ => null,
        };
        var name = label.ValueKind == JsonValueKind.String && label.GetString() is { Length: > 0 and <= LongestClass } said ? said : null;
        if (name is null && (value is null || !double.IsFinite(value.Value))) return null;
        var time = now;
        if (item.TryGetProperty("time", out var t) && t.ValueKind != JsonValueKind.Null && (t.ValueKind != JsonValueKind.String || !t.TryGetDateTimeOffset(out time))) return null;
        var text = id.GetString()!;
        return new Label(byKey || text.Contains(':', StringComparison.Ordinal) ? text : text + ":0", value ?? double.NaN, time, byKey, name);
    }

    static async Task<IResult> Predictions(TaktApp app, string endpoint, int limit)
    {
        _ = app.Deployments.Get(endpoint);
        var log = app.Predictions.Of(endpoint);
        await log.Flush();
        var rows = new JsonArray();
        if (await NewestPredictions.Of(log, Math.Clamp(limit, 1, MostPredictions)) is { } table)
            for (var row = 0; row < table.Rows; row++)
            {
                var json = new JsonObject();
                foreach (var column in table.Columns)
                    json[column.Name] = column.IsMissing(row) ? null : column.Type switch
                    {
                        ColumnType.Number when double.IsFinite(column.Numbers[row]) => column.Numbers[row], // JSON has no other numbers
                        ColumnType.Integer => column.Integers[row],
                        ColumnType.Boolean => column.Booleans[row],
                        _ => column.TextAt(row),
                    };
                rows.Add(json);
            }
        return Json(new JsonObject { ["predictions"] = rows, ["dropped"] = log.Dropped, ["lost"] = log.Lost });
    }

    static IResult Json(JsonObject json) => JsonAnswer.Of(json);
}
