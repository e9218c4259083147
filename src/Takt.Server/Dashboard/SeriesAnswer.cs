using System.Globalization;
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

    public static async Task Write(TaktApp app, HttpContext http)
    {
        var query = http.Request.Query;
        var runs = query["run"].OfType<string>().SelectMany(r => r.Split(',', StringSplitOptions.RemoveEmptyEntries)).Distinct().ToList();
        if (runs.Count is 0 or > MostRuns) throw TaktException.Invalid($"run: 1 to {MostRuns} ids are charted together, not {runs.Count}");
        if (query["key"].ToString() is not { Length: > 0 } key) throw TaktException.Invalid("key: name the metric");
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
