using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Takt.Evaluation;

namespace Takt.Server.Protocols.Mlflow;

/// <summary><c>mlflow/scorers/…</c></summary>
sealed class ScorerCalls(Scorers scorers)
{
    const int MostOnline = 1000;

    public async Task Register(HttpContext http, MlflowRequest request)
    {
        var (experiment, name, definition) = (request.Experiment(), request.Text("name"), request.Text("serialized_scorer"));
        MlflowLimits.Key(name, "name");
        var version = await scorers.In(request.Workspace).Register(experiment, name, definition);
        await MlflowAnswer.Write(http, json =>
        {
            json.WriteNumber("version", version.Version);
            json.WriteString("scorer_id", version.Scorer);
            json.WriteString("experiment_id", version.Experiment.ToString());
            json.WriteString("name", version.Name);
            json.WriteString("serialized_scorer", version.Definition);
            json.WriteNumber("creation_time", version.Created);
        });
    }

    public Task List(HttpContext http, MlflowRequest request) => Answer(http, scorers.In(request.Workspace).List(request.Experiment()));

    public Task Versions(HttpContext http, MlflowRequest request) => Answer(http, scorers.In(request.Workspace).Versions(request.Experiment(), request.Text("name")));

    public Task Get(HttpContext http, MlflowRequest request)
    {
        var found = scorers.In(request.Workspace).Get(request.Experiment(), request.Text("name"), request.NumberOrNull("version"));
        return MlflowAnswer.Write(http, json =>
        {
            json.WriteStartObject("scorer");
            Write(json, found);
            json.WriteEndObject();
        });
    }

    public async Task Delete(HttpContext http, MlflowRequest request)
    {
        await scorers.In(request.Workspace).Delete(request.Experiment(), request.Text("name"), request.NumberOrNull("version"));
        await MlflowAnswer.Empty(http);
    }

    /// <summary><c>online-config</c>, which clients since 3.9 know.</summary>
    public async Task SetOnline(HttpContext http, MlflowRequest request)
    {
        var config = await scorers.In(request.Workspace).SetOnline(request.Experiment(), request.Text("name"), request.Real("sample_rate"), request.TextOrNull("filter_string") is { Length: > 0 } filter ? filter : null);
        await MlflowAnswer.Write(http, json =>
        {
            json.WriteStartObject("config");
            Write(json, config);
            json.WriteEndObject();
        });
    }

    public Task Online(HttpContext http, MlflowRequest request)
    {
        var ids = request.Texts("scorer_ids");
        if (ids.Count > MostOnline) throw TaktException.Invalid($"At most {MostOnline} scorers can be asked for at once, not {ids.Count}");
        var found = scorers.In(request.Workspace).Online(ids);
        return MlflowAnswer.Write(http, json =>
        {
            json.WriteStartArray("configs"); // there even when empty
            foreach (var config in found)
            {
                json.WriteStartObject();
                Write(json, config);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        });
    }

    static void Write(Utf8JsonWriter json, OnlineScoring config)
    {
        json.WriteString("online_scoring_config_id", config.Id);
        json.WriteString("scorer_id", config.Scorer);
        json.WriteNumber("sample_rate", config.SampleRate);
        json.WriteString("experiment_id", config.Experiment.ToString());
        if (config.Filter is not null) json.WriteString("filter_string", config.Filter);
    }

    static Task Answer(HttpContext http, List<ScorerVersion> versions) =>
        MlflowAnswer.Write(http, json => TraceJson.Array(json, "scorers", versions, version => Write(json, version)));

    static void Write(Utf8JsonWriter json, ScorerVersion version)
    {
        json.WriteNumber("experiment_id", version.Experiment);
        json.WriteString("scorer_name", version.Name);
        json.WriteNumber("scorer_version", version.Version);
        json.WriteString("serialized_scorer", version.Definition);
        json.WriteNumber("creation_time", version.Created);
        json.WriteString("scorer_id", version.Scorer);
    }
}
