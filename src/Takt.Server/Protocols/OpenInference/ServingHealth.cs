using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Takt.Server.Protocols.OpenInference;

/// <summary><c>GET /v2/health</c>: how this server is, in more words than ready and live have. Always 200 while it answers: that the database is out is no reason to send nobody.</summary>
static class ServingHealth
{
    public static IResult Tell(HttpContext http, TaktApp app)
    {
        var logs = new JsonObject();
        foreach (var (endpoint, log) in app.Predictions.Open.OrderBy(l => l.Key, StringComparer.Ordinal))
        {
            var (files, bytes) = log.Unshared;
            logs[endpoint] = new JsonObject
            {
                ["logged"] = log.Logged,
                ["dropped"] = log.Dropped,
                ["lost"] = log.Lost,
                ["fault"] = log.Fault,
                ["unshared_segments"] = files,
                ["unshared_bytes"] = bytes,
                ["sharing_fault"] = log.SharingFault,
            };
        }
        var (database, store) = (Part(app, Outages.Database), Part(app, Outages.Store));
        return JsonAnswer.Of(new JsonObject
        {
            ["ready"] = OpenInferenceApi.IsReady(http, app),
            ["degraded"] = app.Outages.Of(Outages.Database) is not null || app.Outages.Of(Outages.Store) is not null || app.Predictions.Open.Any(l => l.Value.Fault is not null || l.Value.SharingFault is not null),
            ["server"] = app.Fleet?.Server,
            ["live_servers"] = app.Fleet?.Live ?? 1,
            ["database"] = database,
            ["store"] = store,
            ["prediction_log"] = logs,
        });
    }

    static JsonObject Part(TaktApp app, string part) => app.Outages.Of(part) is not { } outage ? new JsonObject { ["up"] = true } : new JsonObject { ["up"] = false, ["since"] = outage.Since, ["fault"] = outage.Why };
}
