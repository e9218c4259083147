using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Takt.Evaluation;

namespace Takt.Server.Protocols.Mlflow;

/// <summary><c>mlflow/scorers/…</c></summary>
sealed class ScorerCalls(Scorers scorers)
{
    public async Task Register(HttpContext http, MlflowRequest request)
    {
        var (experiment, name, definition) = (request.Experiment(), request.Text("name"), request.Text("serialized_scorer"));
        MlflowLimits.Key(name, "name");
        var version = await scorers.Register(experiment, name, definition);
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

    public Task List(HttpContext http, MlflowRequest request) => Answer(http, scorers.List(request.Experiment()));

    public Task Versions(HttpContext http, MlflowRequest request) => Answer(http, scorers.Versions(request.Experiment(), request.Text("name")));

    public Task Get(HttpContext http, MlflowRequest request)
    {
        var found = scorers.Get(request.Experiment(), request.Text("name"), request.NumberOrNull("version"));
        return MlflowAnswer.Write(http, json =>
        {
            json.WriteStartObject("scorer");
            Write(json, found);
            json.WriteEndObject();
        });
    }

    public async Task Delete(HttpContext http, MlflowRequest request)
    {
        await scorers.Delete(request.Experiment(), request.Text("name"), request.NumberOrNull("version"));
        await MlflowAnswer.Empty(http);
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
