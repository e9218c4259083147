using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Takt.Runs;

namespace Takt.Server.Protocols.Mlflow;

/// <summary><c>mlflow/experiments/…</c></summary>
sealed class ExperimentCalls(Experiments experiments)
{
    public async Task Create(HttpContext http, MlflowRequest request)
    {
        await experiments.EnsureDefault();
        var id = await experiments.Create(MlflowLimits.ExperimentName(request.Text("name")), request.TextOrNull("artifact_location"), request.Pairs("tags"));
        await MlflowAnswer.Write(http, json => json.WriteString("experiment_id", id.ToString()));
    }

    public async Task Get(HttpContext http, MlflowRequest request)
    {
        var id = request.Experiment();
        if (id == 0) await experiments.EnsureDefault();
        await Answer(http, experiments.Get(id));
    }

    public async Task GetByName(HttpContext http, MlflowRequest request)
    {
        var name = request.Text("experiment_name");
        if (name == "Default") await experiments.EnsureDefault();
        await Answer(http, experiments.FindByName(name) ?? throw TaktException.NotFound($"Could not find experiment with name '{name}'"));
    }

    public async Task Search(HttpContext http, MlflowRequest request)
    {
        await experiments.EnsureDefault();
        var page = MlflowPage.Of(request, 1000, 50_000);
        var found = experiments.Search(request.TextOrNull("filter") ?? "", request.Texts("order_by"), MlflowPage.Deleted(request.TextOrNull("view_type")), page.Offset, page.Limit + 1);
        await MlflowAnswer.Write(http, json =>
        {
            if (found.Count > 0)
            {
                json.WriteStartArray("experiments");
                foreach (var experiment in found.Take(page.Limit))
                {
                    json.WriteStartObject();
                    Write(json, experiment);
                    json.WriteEndObject();
                }
                json.WriteEndArray();
            }
            page.WriteNext(json, found.Count);
        });
    }

    public Task Update(HttpContext http, MlflowRequest request) =>
        Done(http, experiments.Rename(request.Experiment(), MlflowLimits.ExperimentName(request.Text("new_name"))));

    public Task Delete(HttpContext http, MlflowRequest request) => Done(http, experiments.SetDeleted(request.Experiment(), true));

    public Task Restore(HttpContext http, MlflowRequest request) => Done(http, experiments.SetDeleted(request.Experiment(), false));

    public Task SetTag(HttpContext http, MlflowRequest request)
    {
        var key = request.Text("key");
        MlflowLimits.Key(key, "key");
        return Done(http, experiments.SetTag(request.Experiment(), key, request.TextOrNull("value") ?? ""));
    }

    public Task DeleteTag(HttpContext http, MlflowRequest request) => Done(http, experiments.DeleteTag(request.Experiment(), request.Text("key")));

    static async Task Done(HttpContext http, Task work)
    {
        await work;
        await MlflowAnswer.Empty(http);
    }

    static Task Answer(HttpContext http, Experiment experiment) => MlflowAnswer.Write(http, json =>
    {
        json.WriteStartObject("experiment");
        Write(json, experiment);
        json.WriteEndObject();
    });

    static void Write(Utf8JsonWriter json, Experiment experiment)
    {
        json.WriteString("experiment_id", experiment.Id.ToString());
        json.WriteString("name", experiment.Name);
        json.WriteString("artifact_location", experiment.ArtifactLocation);
        json.WriteString("lifecycle_stage", experiment.Deleted ? "deleted" : "active");
        json.WriteNumber("last_update_time", experiment.UpdatedAt.ToUnixTimeMilliseconds());
        json.WriteNumber("creation_time", experiment.CreatedAt.ToUnixTimeMilliseconds());
        MlflowAnswer.Pairs(json, "tags", experiment.Tags);
    }
}
