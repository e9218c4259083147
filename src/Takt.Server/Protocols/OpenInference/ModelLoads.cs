using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Takt.Deployments;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>
/// Triton's model repository extension: <c>load</c> serves a deployment that was unloaded again, or a registered version (<c>NAME@ALIAS</c>, <c>NAME@7</c>) under its own name; <c>unload</c> stops
/// serving it. Both are rows, so that every server on the database follows, and return once this server has.
/// </summary>
static class ModelLoads
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    const int MostBytes = 1 << 20;

    public static async Task<IResult> Load(HttpContext http, TaktApp app, string model)
    {
        await Parameters(http, ["unload_dependents"]);
        await Load(app, model, http.RequestAborted);
        return Results.Ok();
    }

    public static async Task<IResult> Unload(HttpContext http, TaktApp app, string model)
    {
        await Parameters(http, ["unload_dependents"]);
        await Unload(app, model, http.RequestAborted);
        return Results.Ok();
    }

    /// <exception cref="TaktException">NotFound; Invalid: it does not load, and why; Unavailable: it takes too long.</exception>
    public static async Task Load(TaktApp app, string model, CancellationToken cancel)
    {
        var endpoint = model;
        if (app.Deployments.Find(model) is not null) await app.Deployments.Start(model);
        else if (!model.Contains('@', StringComparison.Ordinal))
            throw TaktException.NotFound($"there is no deployment '{model}' to load: name one, or a registered version as NAME@ALIAS or NAME@NUMBER");
        else
        {
            var version = app.Models.Resolve(model);
            if (app.Router.FindModel(version.Reference) is not null) return; // some endpoint serves it
            endpoint = version.Reference;
            if (app.Deployments.Find(endpoint) is null) await app.Deployments.Deploy(new DeploymentSpec(endpoint, [1], TimeSpan.Zero, 0, [], null, true, null, Strategy: "all-at-once"), version.Reference);
            else await app.Deployments.Start(endpoint);
        }
        await Until(() => app.Router.Find(endpoint) is not null, $"'{model}' is still being loaded after {Patience.TotalSeconds:0} s; ask /v2/models/{endpoint}/ready", cancel, () =>
        {
            if (app.Rollouts.WhyNotServed(endpoint) is { } why) throw TaktException.Invalid($"'{model}' does not load: {why}");
            if (app.Deployments.Find(endpoint) is { Live: null, Rollout: { Active: false } over }) throw TaktException.Invalid($"'{model}' does not load: {over.Evidence}");
        });
    }

    /// <exception cref="TaktException">NotFound: it is not loaded. Conflict: a rollout is under way, or an endpoint of another name serves it.</exception>
    public static async Task Unload(TaktApp app, string model, CancellationToken cancel)
    {
        var endpoint = model;
        if (model.Contains('@', StringComparison.Ordinal))
        {
            endpoint = app.Models.Resolve(model).Reference;
            if (app.Deployments.Find(endpoint) is not null) await app.Deployments.Delete(endpoint);
            else if (app.Router.FindModel(endpoint) is { } slot) throw TaktException.Conflict($"'{model}' is served by the endpoint '{slot.Revision.Endpoint}'; unload that, or deploy another version there");
            else throw TaktException.NotFound($"'{model}' is {endpoint}, which is not loaded");
        }
        else if (app.Deployments.Find(model) is null) throw TaktException.NotFound($"there is no deployment '{model}' to unload");
        else await app.Deployments.Stop(model);
        await Until(() => app.Router.Find(endpoint) is null, $"'{model}' is still there after {Patience.TotalSeconds:0} s", cancel, () => { });
    }

    static async Task Until(Func<bool> done, string late, CancellationToken cancel, Action look)
    {
        var start = System.Diagnostics.Stopwatch.GetTimestamp();
        while (!done())
        {
            look();
            if (System.Diagnostics.Stopwatch.GetElapsedTime(start) > Patience) throw new TaktException(TaktError.Unavailable, late);
            await Task.Delay(20, cancel);
        }
    }

    /// <summary>A field that is not understood is refused, never passed over.</summary>
    static async Task Parameters(HttpContext http, string[] known)
    {
        using var body = await Body(http);
        if (body is not null)
        {
            if (body.RootElement.ValueKind != JsonValueKind.Object) throw TaktException.Invalid("the request must be a JSON object");
            if (!body.RootElement.TryGetProperty("parameters", out var parameters)) return;
            if (parameters.ValueKind != JsonValueKind.Object) throw TaktException.Invalid("parameters must be a JSON object");
            var odd = parameters.EnumerateObject().Select(p => p.Name).Where(p => !known.Contains(p)).ToList();
            if (odd.Count > 0)
                throw new TaktException(TaktError.NotSupported, odd.Select(p => $"the parameter '{p}' is not supported: what is served is a registered version; register one and load it by NAME@VERSION").ToList());
        }
    }

    /// <summary>Also of a client that does not say how long it is; null: there is none.</summary>
    internal static async Task<JsonDocument?> Body(HttpContext http)
    {
        var body = await InferCall.Unpacked(http, MostBytes);
        try
        {
            return body.Length == 0 ? null : JsonDocument.Parse(body.GetBuffer().AsMemory(0, (int)body.Length));
        }
        catch (JsonException e)
        {
            throw new TaktException(TaktError.Invalid, $"the request is not JSON: {e.Message}", e);
        }
    }
}
