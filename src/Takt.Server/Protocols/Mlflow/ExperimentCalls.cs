using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Takt.Runs;

namespace Takt.Server.Protocols.Mlflow;

/// <summary><c>mlflow/experiments/…</c></summary>
sealed class ExperimentCalls(Experiments experiments, RunLog runs)
{
    const int MostExperimentsOfDatasets = 20;
    const int MostDatasets = 1000;

    public async Task Create(HttpContext http, MlflowRequest request)
    {
        var location = request.TextOrNull("artifact_location");
        if (!string.IsNullOrEmpty(location)) MlflowLimits.ArtifactLocation(location = Rooted(location));
        var tags = request.Pairs("tags").ConvertAll(tag => MlflowLimits.ExperimentTag(tag.Key, tag.Value));
        var id = await experiments.In(request.Workspace).Create(MlflowLimits.ExperimentName(request.Text("name")), location, tags);
        await MlflowAnswer.Write(http, json => json.WriteString("experiment_id", id.ToString()));
    }

    public async Task Get(HttpContext http, MlflowRequest request) => await Answer(http, await experiments.In(request.Workspace).Get(request.Experiment()));

    public async Task GetByName(HttpContext http, MlflowRequest request)
    {
        var name = request.Text("experiment_name");
        await Answer(http, await experiments.In(request.Workspace).FindByName(name) ?? throw TaktException.NotFound($"Could not find experiment with name '{name}'"));
    }

    public async Task Search(HttpContext http, MlflowRequest request)
    {
        var found = await experiments.In(request.Workspace).Search(request.TextOrNull("filter"), request.Texts("order_by"), MlflowPage.Deleted(request.IdOrNull("view_type")),
            MlflowPage.Length(request, 1000, 50_000), request.TextOrNull("page_token"));
        await MlflowAnswer.Page(http, "experiments", found, Write);
    }

    /// <summary><c>experiments/search-datasets</c></summary>
    public Task SearchDatasets(HttpContext http, MlflowRequest request)
    {
        var ids = request.Texts("experiment_ids");
        if (ids.Count == 0) throw TaktException.Invalid("SearchDatasets request must specify at least one experiment_id.");
        if (ids.Count > MostExperimentsOfDatasets)
            throw TaktException.Invalid($"SearchDatasets request cannot specify more than {MostExperimentsOfDatasets} experiment_ids. Received {ids.Count} experiment_ids.");
        var found = runs.In(request.Workspace).Datasets(Numbers(ids), MostDatasets);
        return MlflowAnswer.Page(http, "dataset_summaries", new Page<RunDataset>(found, null), (json, dataset) =>
        {
            json.WriteString("experiment_id", dataset.Experiment.ToString());
            json.WriteString("name", dataset.Name);
            json.WriteString("digest", dataset.Digest);
            if (dataset.Context is not null) json.WriteString("context", dataset.Context);
        });
    }

    public Task Update(HttpContext http, MlflowRequest request) =>
        Done(http, experiments.In(request.Workspace).Rename(request.Experiment(), MlflowLimits.ExperimentName(request.Text("new_name"))));

    public Task Delete(HttpContext http, MlflowRequest request) => Done(http, experiments.In(request.Workspace).SetDeleted(request.Experiment(), true));

    public Task Restore(HttpContext http, MlflowRequest request) => Done(http, experiments.In(request.Workspace).SetDeleted(request.Experiment(), false));

    public Task SetTag(HttpContext http, MlflowRequest request)
    {
        var tag = MlflowLimits.ExperimentTag(request.Text("key"), request.TextOrNull("value") ?? "");
        return Done(http, experiments.In(request.Workspace).SetTag(request.Experiment(), tag.Key, tag.Value));
    }

    public Task DeleteTag(HttpContext http, MlflowRequest request) => Done(http, experiments.In(request.Workspace).DeleteTag(request.Experiment(), request.Text("key")));

    /// <summary>Ids that are no numbers are no experiment's.</summary>
    public static List<long> Numbers(List<string> ids)
    {
        var numbers = new HashSet<long>();
        foreach (var text in ids)
            if (long.TryParse(text, out var id)) numbers.Add(id);
        const int Most = 10_000; // a database takes only so many values
        return numbers.Count <= Most ? [.. numbers] : throw TaktException.Invalid($"A request can name at most {Most} experiment_ids. Got {numbers.Count}.");
    }

    // a path without scheme is on the server, as with MLflow
    static string Rooted(string location) => location.Contains(':') || location.StartsWith('/') || location.StartsWith('\\') || location.Contains('\0') ? location : Path.GetFullPath(location);

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
