using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Takt.Runs;

namespace Takt.Server.Protocols.Mlflow;

/// <summary><c>mlflow/logged-models…</c></summary>
sealed class LoggedModelCalls(LoggedModels models)
{
    /// <summary>A client that wants more at once gets a token for the rest.</summary>
    const int LongestPage = 1000;

    /// <summary>By number in the order of the protocol, 0 being unspecified.</summary>
    static readonly string[] Statuses = ["", "LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"];

    public async Task Create(HttpContext http, MlflowRequest request) => await Answer(http, await models.In(request.Workspace).Create(
        request.Experiment(), request.TextOrNull("name"), request.TextOrNull("model_type") ?? "", request.TextOrNull("source_run_id"), request.Pairs("tags"), request.Pairs("params")));

    public Task Get(HttpContext http, MlflowRequest request) => Answer(http, models.In(request.Workspace).Get(Id(http)));

    public async Task Finish(HttpContext http, MlflowRequest request)
    {
        var status = request.IdOrNull("status") is { Length: > 0 } text ? text : throw MlflowRequest.Missing("status");
        if (int.TryParse(status, out var number) && number > 0 && number < Statuses.Length) status = Statuses[number];
        if (!Statuses.Contains(status)) throw MlflowRequest.Wrong("status", MlflowLimits.Quoted(status));
        await Answer(http, await models.In(request.Workspace).SetStatus(Id(http), status));
    }

    public Task Delete(HttpContext http, MlflowRequest request) => Done(http, models.In(request.Workspace).Delete(Id(http)));

    public Task SetTags(HttpContext http, MlflowRequest request) => Done(http, models.In(request.Workspace).SetTags(Id(http), request.Pairs("tags")));

    public Task DeleteTag(HttpContext http, MlflowRequest request) => Done(http, models.In(request.Workspace).DeleteTag(Id(http), (string)http.Request.RouteValues["key"]!));

    public Task SetParams(HttpContext http, MlflowRequest request) => Done(http, models.In(request.Workspace).SetParams(Id(http), request.Pairs("params")));

    public Task Search(HttpContext http, MlflowRequest request)
    {
        var ids = request.GivenTexts("experiment_ids");
        var datasets = request.Objects("datasets").ConvertAll(d => Dataset(d) is { Name: not null } dataset ? dataset : throw TaktException.Invalid("`dataset_name` in the `datasets` clause must be specified."));
        var order = request.Objects("order_by").ConvertAll(term => new LoggedModelOrder(term.Text("field_name"), !term.Has("ascending") || term.FlagOrFalse("ascending"), Dataset(term)));
        var length = request.NumberOrNull("max_results") is null or 0 ? 100 : Math.Min(MlflowPage.Length(request, 100, int.MaxValue), LongestPage);
        var found = models.In(request.Workspace).Search(ExperimentCalls.Numbers(ids), request.TextOrNull("filter"), datasets, order, length, request.TextOrNull("page_token"));
        return MlflowAnswer.Page(http, "models", found, Write);
    }

    static DatasetFilter? Dataset(MlflowRequest request)
    {
        var (name, digest) = (Filled("dataset_name"), Filled("dataset_digest"));
        return name is null && digest is null ? null : new DatasetFilter(name, digest);

        string? Filled(string member) => request.TextOrNull(member) is { Length: > 0 } text ? text : null;
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
        if (model.Metrics.Count > 0)
        {
            json.WriteStartArray("metrics");
            foreach (var (metric, run) in model.Metrics) RunJson.Point(json, metric, run);
            json.WriteEndArray();
        }
        json.WriteEndObject();
    }
}
