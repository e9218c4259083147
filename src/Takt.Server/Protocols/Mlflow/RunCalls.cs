using Microsoft.AspNetCore.Http;
using Takt.Runs;

namespace Takt.Server.Protocols.Mlflow;

/// <summary><c>mlflow/runs/…</c> and <c>mlflow/metrics/…</c></summary>
sealed class RunCalls(RunLog runs, Experiments experiments, TimeProvider time)
{
    const int MostMetrics = 1000;
    const int MostParams = 100;
    const int MostTags = 100;
    const int MostTogether = 1000;

    public async Task Create(HttpContext http, MlflowRequest request)
    {
        var experiment = request.IdOrNull("experiment_id") is { Length: > 0 } ? request.Experiment() : 0;
        if (experiment == 0) await experiments.EnsureDefault();
        await Answer(http, await runs.Create(experiment, request.TextOrNull("user_id"), request.TextOrNull("run_name"), request.NumberOrNull("start_time"), Tags(request)), created: true);
    }

    public Task Get(HttpContext http, MlflowRequest request) => Answer(http, runs.Get(request.Run()));

    public async Task Update(HttpContext http, MlflowRequest request)
    {
        RunStatus? status = request.TextOrNull("status") is not { Length: > 0 } text ? null
            : Enum.TryParse<RunStatus>(text, out var known) && Enum.IsDefined(known) && !char.IsDigit(text[0]) ? known
            : throw TaktException.Invalid($"Invalid value \"{text}\" for parameter 'status' supplied. See the API docs for more information about request parameters.");
        var run = await runs.Update(request.Run(), status, request.NumberOrNull("end_time"), request.TextOrNull("run_name"));
        await MlflowAnswer.Write(http, json =>
        {
            json.WriteStartObject("run_info");
            RunJson.Info(json, run);
            json.WriteEndObject();
        });
    }

    public Task LogMetric(HttpContext http, MlflowRequest request) => Add(http, request.Run(), [Metric(request)], [], []);

    public Task LogParameter(HttpContext http, MlflowRequest request) => Add(http, request.Run(), [], [Param(request)], []);

    public Task SetTag(HttpContext http, MlflowRequest request) => Add(http, request.Run(), [], [], [Tag(request)]);

    public Task LogBatch(HttpContext http, MlflowRequest request)
    {
        var (metrics, parameters, tags) = (request.Objects("metrics"), request.Objects("params"), request.Objects("tags"));
        Most(metrics.Count, MostMetrics, "metrics");
        Most(parameters.Count, MostParams, "params");
        Most(tags.Count, MostTags, "tags");
        Most(metrics.Count + parameters.Count + tags.Count, MostTogether, "metrics, params, and tags");
        return Add(http, request.Run(), metrics.ConvertAll(Metric), parameters.ConvertAll(Param), tags.ConvertAll(Tag));
    }

    public Task LogModel(HttpContext http, MlflowRequest request) => Add(http, request.Run(), [], [], [KeyValuePair.Create("mlflow.log-model.history", $"[{request.Text("model_json")}]")]);

    public async Task LogInputs(HttpContext http, MlflowRequest request)
    {
        var inputs = request.Objects("datasets").ConvertAll(input =>
        {
            var dataset = input.ObjectOrNull("dataset") ?? throw MlflowRequest.Missing("dataset");
            return new RunInput(dataset.Text("name"), dataset.Text("digest"), dataset.TextOrNull("source_type") ?? "", dataset.TextOrNull("source") ?? "",
                dataset.TextOrNull("schema"), dataset.TextOrNull("profile"), input.Pairs("tags").DistinctBy(t => t.Key).ToDictionary());
        });
        await runs.AddInputs(request.Run(), inputs);
        await MlflowAnswer.Empty(http);
    }

    public async Task LogOutputs(HttpContext http, MlflowRequest request)
    {
        await runs.AddOutputs(request.Run(), request.Objects("models").ConvertAll(m => new RunOutput(m.Text("model_id"), m.NumberOrNull("step") ?? 0)));
        await MlflowAnswer.Empty(http);
    }

    public async Task DeleteTag(HttpContext http, MlflowRequest request)
    {
        await runs.DeleteTag(request.Run(), request.Text("key"));
        await MlflowAnswer.Empty(http);
    }

    public async Task Delete(HttpContext http, MlflowRequest request)
    {
        await runs.SetDeleted(request.Run(), true);
        await MlflowAnswer.Empty(http);
    }

    public async Task Restore(HttpContext http, MlflowRequest request)
    {
        await runs.SetDeleted(request.Run(), false);
        await MlflowAnswer.Empty(http);
    }

    public async Task Search(HttpContext http, MlflowRequest request)
    {
        var page = MlflowPage.Of(request, 1000, 50_000);
        var within = new List<long>();
        foreach (var text in request.Texts("experiment_ids"))
            if (long.TryParse(text, out var id)) within.Add(id);
        var found = runs.Search(within, request.TextOrNull("filter"), request.Texts("order_by"), MlflowPage.Deleted(request.TextOrNull("run_view_type")), page.Offset, page.Limit + 1);
        await MlflowAnswer.Write(http, json =>
        {
            if (found.Count > 0)
            {
                json.WriteStartArray("runs");
                foreach (var run in found.Take(page.Limit))
                {
                    json.WriteStartObject();
                    RunJson.Write(json, run);
                    json.WriteEndObject();
                }
                json.WriteEndArray();
            }
            page.WriteNext(json, found.Count);
        });
    }

    public Task History(HttpContext http, MlflowRequest request)
    {
        var page = MlflowPage.Of(request, 25_000, 1_000_000_000);
        var points = runs.History(request.Run(), request.Text("metric_key"));
        return MlflowAnswer.Write(http, json =>
        {
            RunJson.Metrics(json, points.Skip(page.Offset).Take(page.Limit));
            page.WriteNext(json, points.Count - page.Offset);
        });
    }

    async Task Add(HttpContext http, string run, List<MetricValue> metrics, List<KeyValuePair<string, string>> parameters, List<KeyValuePair<string, string>> tags)
    {
        await runs.Add(run, new LogEntry(metrics, parameters, tags));
        await MlflowAnswer.Empty(http);
    }

    MetricValue Metric(MlflowRequest request)
    {
        var key = request.Text("key");
        MlflowLimits.MetricOrParam(key, "Metric name");
        var at = request.NumberOrNull("timestamp") ?? time.GetUtcNow().ToUnixTimeMilliseconds();
        if (at is < -62_135_596_800_000 or > 253_402_300_799_999)
            throw TaktException.Invalid($"Invalid value {at} for parameter 'timestamp' supplied. See the API docs for more information about request parameters.");
        return new MetricValue(key, request.Real("value"), request.NumberOrNull("step") ?? 0, DateTimeOffset.FromUnixTimeMilliseconds(at));
    }

    static KeyValuePair<string, string> Param(MlflowRequest request)
    {
        var key = request.Text("key");
        MlflowLimits.MetricOrParam(key, "Param key");
        return new(key, MlflowLimits.Param(request.TextOrNull("value") ?? ""));
    }

    static KeyValuePair<string, string> Tag(MlflowRequest request)
    {
        var key = request.Text("key");
        MlflowLimits.Key(key, "key");
        return new(key, MlflowLimits.Tag(request.TextOrNull("value") ?? ""));
    }

    static List<KeyValuePair<string, string>> Tags(MlflowRequest request) => request.Objects("tags").ConvertAll(Tag);

    static void Most(int count, int most, string what)
    {
        if (count > most) throw TaktException.Invalid($"A batch logging request can contain at most {most} {what}. Got {count} {what}. Please split up {what} across multiple requests and try again.");
    }

    static Task Answer(HttpContext http, TrackedRun run, bool created = false) => MlflowAnswer.Write(http, json =>
    {
        json.WriteStartObject("run");
        RunJson.Write(json, run, created);
        json.WriteEndObject();
    });
}
