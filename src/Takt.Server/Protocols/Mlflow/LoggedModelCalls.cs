using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Takt.Runs;

namespace Takt.Server.Protocols.Mlflow;

/// <summary><c>mlflow/logged-models…</c></summary>
sealed class LoggedModelCalls(LoggedModels models)
{
    static readonly string[] Statuses = ["LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"];

    public async Task Create(HttpContext http, MlflowRequest request) => await Answer(http, await models.Create(
        request.Experiment(), request.TextOrNull("name"), request.TextOrNull("model_type") ?? "", request.TextOrNull("source_run_id"), request.Pairs("tags"), request.Pairs("params")));

    public Task Get(HttpContext http, MlflowRequest request) => Answer(http, models.Get(Id(http)));

    public async Task Finish(HttpContext http, MlflowRequest request)
    {
        var status = request.Text("status");
        if (!Statuses.Contains(status)) throw TaktException.Invalid($"Invalid value \"{status}\" for parameter 'status' supplied. See the API docs for more information about request parameters.");
        await Answer(http, await models.SetStatus(Id(http), status));
    }

    public Task Delete(HttpContext http, MlflowRequest request) => Done(http, models.Delete(Id(http)));

    public Task SetTags(HttpContext http, MlflowRequest request) => Done(http, models.SetTags(Id(http), request.Pairs("tags")));

    public Task DeleteTag(HttpContext http, MlflowRequest request) => Done(http, models.DeleteTag(Id(http), (string)http.Request.RouteValues["key"]!));

    public Task SetParams(HttpContext http, MlflowRequest request) => Done(http, models.SetParams(Id(http), request.Pairs("params")));

    public Task Search(HttpContext http, MlflowRequest request)
    {
        var page = MlflowPage.Of(request, 100, 1000);
        var within = new List<long>();
        foreach (var text in request.Texts("experiment_ids"))
            if (long.TryParse(text, out var id)) within.Add(id);
        var found = models.Search(within, request.TextOrNull("filter"), page.Offset, page.Limit + 1);
        return MlflowAnswer.Write(http, json =>
        {
            if (found.Count > 0)
            {
                json.WriteStartArray("models");
                foreach (var model in found.Take(page.Limit))
                {
                    json.WriteStartObject();
                    Write(json, model);
                    json.WriteEndObject();
                }
                json.WriteEndArray();
            }
            page.WriteNext(json, found.Count);
        });
    }

    static string Id(HttpContext http) => (string)http.Request.RouteValues["id"]!;

    static async Task Done(HttpContext http, Task work)
    {
        await work;
        await MlflowAnswer.Empty(http);
    }

    static Task Answer(HttpContext http, LoggedModel model) => MlflowAnswer.Write(http, json =>
    {
        json.WriteStartObject("model");
        Write(json, model);
        json.WriteEndObject();
    });

    static void Write(Utf8JsonWriter json, LoggedModel model)
    {
        json.WriteStartObject("info");
        json.WriteString("model_id", model.Id);
        json.WriteString("experiment_id", model.Experiment.ToString());
        json.WriteString("name", model.Name);
        json.WriteNumber("creation_timestamp_ms", model.CreatedAt.ToUnixTimeMilliseconds());
        json.WriteNumber("last_updated_timestamp_ms", model.UpdatedAt.ToUnixTimeMilliseconds());
        json.WriteString("artifact_uri", model.ArtifactUri);
        json.WriteString("status", model.Status);
        json.WriteString("model_type", model.ModelType);
        json.WriteString("source_run_id", model.Run);
        MlflowAnswer.Pairs(json, "tags", model.Tags);
        json.WriteEndObject();
        json.WriteStartObject("data");
        MlflowAnswer.Pairs(json, "params", model.Params);
        json.WriteEndObject();
    }
}
