using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Takt.Data;
using Takt.Server.Protocols;

namespace Takt.Server.Api;

/// <summary>Which versions of datasets garbage collection keeps: the rules, read and set.</summary>
public static class RetentionApi
{
    public static void MapRetention(this IEndpointRouteBuilder routes, TaktApp app)
    {
        routes.MapGet("/api/v1/retention", () => Text(new JsonObject { ["rules"] = new JsonArray([.. app.DatasetRetention.List().Select(rule => (JsonNode)View(rule))]) }));
        const string One = "/api/v1/datasets/{name}/retention";
        routes.MapGet(One, (string name) => Text(View(Rule(app, name))));
        routes.MapPut(One, async (HttpContext http, string name, CancellationToken cancel) =>
        {
            await app.DatasetRetention.Set(await Read(http, name, cancel));
            return Text(View(Rule(app, name)));
        });
        routes.MapDelete(One, async (string name, CancellationToken cancel) =>
        {
            await app.DatasetRetention.Remove(name);
            return Results.NoContent();
        });
    }

    static RetentionRule Rule(TaktApp app, string name) => app.DatasetRetention.List().FirstOrDefault(rule => rule.Dataset == name)
        ?? throw TaktException.NotFound($"{app.Datasets.Show(name).Dataset} has no retention rule: every version that a branch or tag leads to is kept");

    static async Task<RetentionRule> Read(HttpContext http, string name, CancellationToken cancel)
    {
        try
        {
            var body = (JsonObject)(await JsonNode.ParseAsync(http.Request.Body, cancellationToken: cancel))!;
            if (body.Select(member => member.Key).Except(["keepLast", "keepForSeconds"]).FirstOrDefault() is { } other) throw TaktException.Invalid($"'{other}' is nothing of a rule; there are keepLast (versions) and keepForSeconds");
            var seconds = (double?)body["keepForSeconds"];
            if (seconds is not null and not (> 0 and <= 366 * 86400.0)) throw TaktException.Invalid("keepForSeconds is a number above 0, of 366 days at most");
            return new RetentionRule(name, (int?)body["keepLast"], seconds is { } age ? TimeSpan.FromSeconds(age) : null);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or InvalidCastException or NullReferenceException or FormatException or OverflowException or ArgumentException)
        {
            throw TaktException.Invalid("the body of a rule is {\"keepLast\": 10, \"keepForSeconds\": 2592000}, one of them at least");
        }
    }

    static JsonObject View(RetentionRule rule) => new() { ["dataset"] = rule.Dataset, ["keepLast"] = rule.KeepLast, ["keepForSeconds"] = rule.KeepFor?.TotalSeconds, ["project"] = rule.IsOfProject };

    static IResult Text(JsonObject json) => JsonAnswer.Of(json);
}
