using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Takt.Runs;

namespace Takt.Server.Protocols.Mlflow;

/// <summary><c>runs/log-metric</c>, <c>runs/log-batch</c> and <c>mlflow/metrics/…</c></summary>
sealed class MetricCalls(RunLog runs, MetricHistory history)
{
    const int MostMetrics = 1000;
    const int MostParams = 100;
    const int MostTags = 100;
    const int MostTogether = 1000;

    /// <summary>Points of one answer that names no limit: clients before 3 ask once and take what comes for all.</summary>
    const int MostPoints = 1_000_000;
    const int MostRuns = 100;
    const int MostPointsOfRuns = 25_000;
    const int MostSteps = 2_500;

    public Task LogMetric(HttpContext http, MlflowRequest request)
    {
        if (LogReader.Metric(request.Bytes) is { } read) return Add(http, request, read.Run, new LogEntry([Checked(read.Metric, "")], [], []));
        // what is out of the ordinary, or wrong
        return Add(http, request, request.Run(), new LogEntry([Metric(request, "")], [], []));
    }

    public Task LogBatch(HttpContext http, MlflowRequest request)
    {
        if (LogReader.Batch(request.Bytes) is { } read && read.Metrics.Count <= MostMetrics)
        {
            for (var i = 0; i < read.Metrics.Count; i++)
                if (!Plain(read.Metrics[i])) Checked(read.Metrics[i], $"metrics[{i}].");
            return Add(http, request, read.Run, new LogEntry(read.Metrics, [], []));
        }
        var (metrics, parameters, tags) = (request.Objects("metrics"), request.Objects("params"), request.Objects("tags"));
        var run = MlflowLimits.RunId(request.Run());
        Most(metrics.Count, MostMetrics, "metrics");
        Most(parameters.Count, MostParams, "params");
        Most(tags.Count, MostTags, "tags");
        Most(metrics.Count + parameters.Count + tags.Count, MostTogether, "metrics, params, and tags");
        var entry = new LogEntry(Each(metrics, "metrics", Metric), Each(parameters, "params", RunCalls.Param), Each(tags, "tags", RunCalls.Tag)) { IsBatch = true };
        var twice = entry.Params.GroupBy(p => p.Key, StringComparer.Ordinal).Where(g => g.Count() > 1).Select(g => $"'{g.Key}'").ToList();
        if (twice.Count > 0)
            throw TaktException.Invalid($"Duplicate parameter keys have been submitted: [{string.Join(", ", twice)}]. Please ensure the request contains only one param value per param key.");
        return Add(http, request, run, entry);
    }

    public Task History(HttpContext http, MlflowRequest request)
    {
        var key = request.Text("metric_key");
        if (request.NumberOrNull("max_results") is 0) return MlflowAnswer.Empty(http);
        var most = request.NumberOrNull("max_results") is null ? MostPoints : Math.Min(MlflowPage.Length(request, MostPoints, int.MaxValue), MostPoints);
        var page = history.In(request.Workspace).Of(request.Run(), key, most, request.TextOrNull("page_token"));
        return MlflowAnswer.Write(http, json =>
        {
            if (page.Items.Count > 0)
            {
                json.WriteStartArray("metrics");
                RunJson.Points(json, RunJson.Escaped(key), CollectionsMarshal.AsSpan(page.Items));
                json.WriteEndArray();
            }
            if (page.Next is not null) json.WriteString("next_page_token", page.Next);
        });
    }

    /// <summary><c>metrics/get-history-bulk</c></summary>
    public Task HistoryOfRuns(HttpContext http, MlflowRequest request)
    {
        var ids = request.Texts("run_id");
        if (ids.Count == 0) throw TaktException.Invalid("GetMetricHistoryBulk request must specify at least one run_id.");
        if (ids.Count > MostRuns) throw TaktException.Invalid($"GetMetricHistoryBulk request cannot specify more than {MostRuns} run_ids. Received {ids.Count} run_ids.");
        var key = request.TextOrNull("metric_key") ?? throw TaktException.Invalid("GetMetricHistoryBulk request must specify a metric_key.");
        var most = (int)Math.Clamp(request.NumberOrNull("max_results") ?? MostPointsOfRuns, 0, MostPointsOfRuns);
        return Answer(http, key, history.In(request.Workspace).OfRuns(ids, key, most), always: true);
    }

    /// <summary><c>metrics/get-history-bulk-interval</c></summary>
    public Task Sampled(HttpContext http, MlflowRequest request)
    {
        const string See = " See the API docs for more information about request parameters.";
        var ids = request.Texts("run_ids");
        if (ids.Count == 0) throw MlflowRequest.Missing("run_ids");
        if (ids.Count > MostRuns) throw TaktException.Invalid($"GetMetricHistoryBulkInterval request must specify at most {MostRuns} run_ids. Received {ids.Count} run_ids.{See}");
        var key = request.Text("metric_key");
        var most = request.NumberOrNull("max_results") ?? MostSteps;
        if (most is < 1 or > MostSteps) throw TaktException.Invalid($"max_results must be between 1 and {MostSteps}.{See}");
        var (first, last) = (request.NumberOrNull("start_step"), request.NumberOrNull("end_step"));
        if (first is null != last is null) throw TaktException.Invalid("If either start step or end step are specified, both must be specified.");
        if (first > last) throw TaktException.Invalid($"end_step must be greater than start_step. Found start_step={first} and end_step={last}.");
        return Answer(http, key, history.In(request.Workspace).Sampled(ids, key, (int)most, first is null ? null : (first.Value, last!.Value), MostPointsOfRuns), always: false);
    }

    static Task Answer(HttpContext http, string key, List<KeyValuePair<string, MetricPoint>> points, bool always) => MlflowAnswer.Write(http, json =>
    {
        if (points.Count == 0 && !always) return;
        json.WriteStartArray("metrics");
        var name = RunJson.Escaped(key);
        foreach (var (run, point) in points) RunJson.Point(json, name, point, run);
        json.WriteEndArray();
    });

    static LoggedMetric Metric(MlflowRequest request, string at)
    {
        var key = request.TextOrNull("key") is { Length: > 0 } name ? name : throw MlflowRequest.Missing(at + "key");
        if (request.RawOrNull("value") is not { } given || (given.ValueKind == JsonValueKind.String && given.ValueEquals(""))) throw MlflowRequest.Missing(at + "value");
        var value = request.Real("value");
        var time = request.NumberOrNull("timestamp") ?? throw MlflowRequest.Missing(at + "timestamp");
        return Checked(new LoggedMetric(key, value, request.NumberOrNull("step") ?? 0, time,
            Filled(request.TextOrNull("model_id")), Filled(request.TextOrNull("dataset_name")), Filled(request.TextOrNull("dataset_digest"))), at);
    }

    static LoggedMetric Checked(LoggedMetric metric, string at)
    {
        MlflowLimits.Name(metric.Key, at + "name");
        if (metric.Time < 0)
            throw TaktException.Invalid($"Invalid value {metric.Time} for parameter '{at}timestamp' supplied: metric '{metric.Key}' (value={metric.Value}). Timestamp must be a nonnegative long (64-bit integer) ");
        MlflowLimits.Key(metric.Key, "Metric name");
        if (metric.DatasetName is null != metric.DatasetDigest is null) throw TaktException.Invalid("Both dataset_name and dataset_digest must be provided if one is provided");
        MlflowLimits.Length(metric.DatasetName, "dataset_name", 500);
        MlflowLimits.Length(metric.DatasetDigest, "dataset_digest", 36);
        return metric;
    }

    // most are, and need no text for a message
    static bool Plain(in LoggedMetric metric) => metric.Time >= 0 && metric.Key.Length < 100 && metric.DatasetName is null && metric.DatasetDigest is null && MlflowLimits.Plain(metric.Key);

    async Task Add(HttpContext http, MlflowRequest request, string run, LogEntry entry)
    {
        await runs.In(request.Workspace).Add(run, entry);
        await MlflowAnswer.Empty(http);
    }

    static List<T> Each<T>(List<MlflowRequest> items, string name, Func<MlflowRequest, string, T> read)
    {
        var all = new List<T>(items.Count);
        foreach (var item in items) all.Add(read(item, $"{name}[{all.Count}]."));
        return all;
    }

    static string? Filled(string? text) => string.IsNullOrEmpty(text) ? null : text;

    static void Most(int count, int most, string what)
    {
        if (count > most) throw TaktException.Invalid($"A batch logging request can contain at most {most} {what}. Got {count} {what}. Please split up {what} across multiple requests and try again.");
    }
}
