using System.Buffers;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Takt.Runs;

namespace Takt.Server.Dashboard;

/// <summary>A running run's news as server-sent events: each second the metrics whose newest point changed, and at last how it ended.</summary>
sealed class RunEvents(TaktApp app)
{
    /// <summary>Followers at once; each costs a query a second.</summary>
    const int MostFollowers = 200;
    static readonly TimeSpan Often = TimeSpan.FromSeconds(1);
    int _followers;

    public async Task Follow(HttpContext http, Workspace workspace, string id)
    {
        var run = app.RunLog.In(workspace).Get(id);
        if (Interlocked.Increment(ref _followers) > MostFollowers)
        {
            Interlocked.Decrement(ref _followers);
            throw new TaktException(TaktError.Unavailable, $"{MostFollowers} pages follow runs already; reload this one to see what is new");
        }
        try
        {
            using var stop = EventStream.Begin(http);
            var seen = new Dictionary<string, LoggedMetric>(StringComparer.Ordinal);
            using var timer = new PeriodicTimer(Often, app.Time);
            var first = true;
            do
            {
                run = app.RunLog.In(workspace).Get(id);
                var changed = run.Metrics.Where(m => !seen.TryGetValue(m.Key, out var old) || old != m).ToList();
                foreach (var metric in changed) seen[metric.Key] = metric;
                var ended = run.Status is not ("RUNNING" or "SCHEDULED");
                if (changed.Count > 0 || first || ended) await Send(http, run, first ? [] : changed);
                first = false;
                if (ended) return;
            }
            while (await timer.WaitForNextTickAsync(stop.Token));
        }
        catch (OperationCanceledException)
        {
            // the page was closed, or the server stops
        }
        finally
        {
            Interlocked.Decrement(ref _followers);
        }
    }

    static async Task Send(HttpContext http, TrackedRun run, List<LoggedMetric> changed)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            json.WriteString("status", run.Status);
            json.WriteString("badge", Parts.Outcome(run.Status, run.Tags.LastOrDefault(t => t.Key == PipelineRunner.RefusedTag).Value).Value);
            json.WriteStartObject("metrics");
            foreach (var metric in changed)
            {
                json.WriteStartArray(metric.Key);
                json.WriteStringValue(Parts.Figure(metric.Value));
                json.WriteNumberValue(metric.Step);
                json.WriteEndArray();
            }
            json.WriteEndObject();
            json.WriteEndObject();
        }
        await http.Response.WriteAsync($"data: {Encoding.UTF8.GetString(bytes.WrittenSpan)}\n\n", http.RequestAborted);
        await http.Response.Body.FlushAsync(http.RequestAborted);
    }
}
