using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Takt.Runs;

namespace Takt.Server.Dashboard;

/// <summary>What charts draw: <c>{"x": […], "lines": [{"run": "…", "y": […], "points": 12, "gaps": 0}], "exact": true}</c>; null where a run has no number.</summary>
static class SeriesAnswer
{
    public const int MostRuns = 300;

    /// <summary>Numbers in one answer, about; many runs get fewer places each.</summary>
    const int Numbers = 60_000;

    /// <summary>Points in one read of the database.</summary>
    const int Together = 10_000;

    /// <summary>Every point of a metric of these runs, nothing thinned: <c>run_id,run_name,step,time,value</c>, by run and time.</summary>
    public static async Task Csv(TaktApp app, HttpContext http)
    {
        var (key, runs) = Asked(http.Request.Query);
        var workspace = WorkspaceChoice.Asked(app, http);
        var names = runs.ConvertAll(run => app.RunLog.In(workspace).Get(run).Name); // one that is not there is told before anything is sent
        SecurityHeaders.ForFile(http.Response);
        http.Response.ContentType = "text/csv; charset=utf-8";
        http.Response.Headers.ContentDisposition = $"attachment; filename=\"{string.Concat(key.Take(80).Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' ? c : '_'))}.csv\"";
        var text = new StringBuilder("run_id,run_name,step,time,value\r\n");
        for (var i = 0; i < runs.Count; i++)
        {
            string? token = null;
            do
            {
                var page = app.MetricHistory.In(workspace).Of(runs[i], key, Together, token);
                foreach (var point in page.Items)
                {
                    RunExport.Field(text.Append(runs[i]).Append(','), names[i]);
                    text.Append(CultureInfo.InvariantCulture, $",{point.Step},{RunListPage.Millis(point.Time).UtcDateTime:O},{point.Value:R}\r\n");
                }
                token = page.Next;
                await http.Response.WriteAsync(text.ToString(), http.RequestAborted);
                text.Clear();
            }
            while (token is not null);
        }
    }

    static (string Key, List<string> Runs) Asked(IQueryCollection query)
    {
        var runs = query["run"].OfType<string>().SelectMany(r => r.Split(',', StringSplitOptions.RemoveEmptyEntries)).Distinct().ToList();
        if (runs.Count is 0 or > MostRuns) throw TaktException.Invalid($"run: 1 to {MostRuns} ids are charted together, not {runs.Count}");
        return query["key"].ToString() is { Length: > 0 } key ? (key, runs) : throw TaktException.Invalid("key: name the metric");
    }

    public static async Task Write(TaktApp app, HttpContext http)
    {
        var query = http.Request.Query;
        var (key, runs) = Asked(query);
        SeriesAxis axis = query["axis"].ToString() switch
        {
            "" or "step" => SeriesAxis.Step,
            "time" => SeriesAxis.Time,
            "relative" => SeriesAxis.Relative,
            var other => throw TaktException.Invalid($"axis: step, time or relative, not '{other}'"),
        };
        var chart = app.MetricSeries.In(WorkspaceChoice.Asked(app, http)).Chart(runs, key, axis, Bound("from"), Bound("to"), Math.Clamp(Numbers / runs.Count, 100, MetricSeries.MostPlaces));
        SecurityHeaders.ForFile(http.Response);
        http.Response.ContentType = "application/json";
        await using var json = new Utf8JsonWriter(http.Response.BodyWriter);
        json.WriteStartObject();
        json.WriteStartArray("x");
        foreach (var x in chart.X) json.WriteNumberValue(x);
        json.WriteEndArray();
        json.WriteStartArray("lines");
        foreach (var line in chart.Lines)
        {
            json.WriteStartObject();
            json.WriteString("run", line.Run);
            json.WriteNumber("points", line.Points);
            json.WriteNumber("gaps", line.Gaps);
            json.WriteStartArray("y");
            foreach (var y in line.Values)
                if (double.IsFinite(y)) json.WriteNumberValue(y);
                else json.WriteNullValue();
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteBoolean("exact", chart.Exact);
        json.WriteEndObject();
        await json.FlushAsync(http.RequestAborted);

        double? Bound(string name) => query[name].ToString() is not { Length: > 0 } text ? null
            : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number) ? number : throw TaktException.Invalid($"{name}: a number, not '{text}'");
    }
}
