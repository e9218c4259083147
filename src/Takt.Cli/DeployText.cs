using System.Globalization;
using System.Text.Json.Nodes;

namespace Takt.Cli;

/// <summary>A deployment and its rollout as a reader in a terminal wants them.</summary>
static class DeployText
{
    /// <summary>The column that is there where several servers may be.</summary>
    const int ReadyOn = 4;

    public static string State(JsonObject d) => (d["rollout"] as JsonObject).Text("state") switch
    {
        "Rolling" when Now(d) is { } step && step.Text("kind") == "shadow" => $"copies of {Percent(step, "share")} to the challenger",
        "Rolling" => $"rolling, {Percent(d, "challengerShare")} to the challenger",
        "RolledBack" => "rolled back",
        "Waiting" => "waits for an approval",
        var state => state.ToLowerInvariant(),
    };

    /// <summary>Whether a rollout is under way.</summary>
    public static bool Active(JsonObject d) => (d["rollout"] as JsonObject).Text("state") is "Pending" or "Rolling" or "Paused" or "Waiting" or "Promoting";

    /// <summary>All that changes, in one line, for a pipe.</summary>
    public static string Line(JsonObject d)
    {
        var rollout = d["rollout"] as JsonObject;
        var line = $"{d.Text("endpoint")}: rollout {rollout.Text("rollout")} {State(d)}";
        if (Now(d) is { } step) line += $", step {Number(rollout!, "step") + 1} of {d.List("steps").Count()}";
        if (rollout.Text("evidence") is { Length: > 0 } why) return $"{line}: {why}";
        if (Active(d) && d.Text("waiting") is { Length: > 0 } waiting) line += $"; {waiting}";
        foreach (var evidence in d.List("evidence")) line += $"; {evidence.Text("metric")}: {evidence.Text("verdict")}";
        return line;
    }

    /// <param name="width">Longer lines are cut: only whole lines can be drawn over.</param>
    public static IReadOnlyList<string> Lines(JsonObject d, int width)
    {
        var lines = new List<string>();
        var rows = new List<string[]> { new[] { d.Text("endpoint"), "MODEL", "REVISION", "TRAFFIC", "READY ON", "REQUESTS", "ERRORS", "P50 MS", "P95 MS" } };
        foreach (var (role, name) in new[] { ("live", "in charge"), ("challenger", "challenger") })
            if (d[role] is JsonObject revision)
                rows.Add([name, revision.Text("model"), revision.Text("revision"), Share(d, role), revision["readyOn"] is null ? "" : $"{revision.Text("readyOn")} of {revision.Text("servers")}", revision.Text("requests"), revision.Text("errors"), revision.Text("p50Ms", 2), revision.Text("p95Ms", 2)]);
        if (d["servers"] is null) rows = rows.ConvertAll(r => r.Where((_, i) => i != ReadyOn).ToArray());
        var widths = Enumerable.Range(0, rows[0].Length).Select(i => rows.Max(r => r[i].Length)).ToArray();
        lines.AddRange(rows.Select(r => string.Join("  ", r.Select((cell, i) => cell.PadRight(widths[i]))).TrimEnd()));
        lines.AddRange(d.List("servers").Select(Server));
        if (d.Text("notServed") is { Length: > 0 } broken) lines.Add($"not served: {broken}");
        foreach (var shadow in d.List("shadows")) lines.Add(Shadow(shadow));
        var rollout = d["rollout"] as JsonObject;
        if (rollout is null) return Cut(lines, width);
        lines.Add($"rollout {rollout.Text("rollout")}{(d.Text("strategy") is { Length: > 0 } strategy ? $" ({strategy})" : "")}: {State(d)}{(rollout.Text("evidence") is { Length: > 0 } why && !d.List("evidence").Any(e => why.Contains(e.Text("words"), StringComparison.Ordinal)) ? $"  {why}" : "")}");
        var number = 0;
        foreach (var step in d.List("steps")) lines.Add(Step(++number, step));
        if (Active(d) && d.Text("waiting") is { Length: > 0 } waiting) lines.Add($"  {waiting}");
        foreach (var evidence in d.List("evidence")) lines.Add($"  {(evidence.Text("verdict") switch { "harm" => "✗", "no harm" => "✓", _ => "·" })} {evidence.Text("words")}");
        return Cut(lines, width);
    }

    static string Server(JsonObject server) => $"server {server.Text("name")}: " + (server.Text("up") != "true" ? $"gone, seen last {server.Time("seenAt")}"
        : string.Join(", ", server.List("revisions").Select(r => $"revision {r.Text("revision")} {r.Text("state")}{(r.Text("fault") is { Length: > 0 } why ? $" ({why})" : "")}").DefaultIfEmpty("nothing to serve yet")));

    static string Step(int number, JsonObject step)
    {
        var what = step.Text("kind") == "shadow" ? $"copies of {Percent(step, "share")}" : Percent(step, "share");
        var mark = step.Text("state") switch { "done" => "✓", "now" => "▶", _ => " " };
        var progress = step.Text("state") != "now" ? step.Text("state") == "done" ? $"{Number(step, "requests"):N0} requests" : ""
            : $"{(Number(step, "neededSeconds") > 0 ? $"{Time(Number(step, "seconds"))} of {Time(Number(step, "neededSeconds"))}, " : "")}{Number(step, "requests"):N0} of {Number(step, "neededRequests"):N0} requests";
        return $"  {mark} {number}  {what,-14} {progress}".TrimEnd();
    }

    static string Shadow(JsonObject shadow) => shadow.Text("notServed") is { Length: > 0 } why ? $"shadow {shadow.Text("model")}: not served: {why}"
        : $"shadow {shadow.Text("model")}: {Percent(shadow, "sample")} of the requests, {shadow.Text("requests")} answered, {shadow.Text("errors")} failed, {shadow.Text("dropped")} dropped"
            + (Number(shadow, "compared") > 0 ? string.Create(CultureInfo.InvariantCulture, $", {Number(shadow, "agreed") / Number(shadow, "compared"):P1} agree{(shadow["meanDifference"] is null ? "" : $", mean difference {shadow.Text("meanDifference")}")}") : "");

    static JsonObject? Now(JsonObject d) => d.List("steps").FirstOrDefault(s => s.Text("state") == "now");

    static string Share(JsonObject d, string role)
    {
        var share = Number(d, "challengerShare");
        return (role == "challenger" ? share : 1 - share).ToString("P0", CultureInfo.InvariantCulture);
    }

    static string Time(double seconds) => seconds < 120 ? $"{seconds:0} s" : seconds < 7200 ? $"{seconds / 60:0} min" : $"{seconds / 3600:0.#} h";

    static string Percent(JsonObject json, string member) => Number(json, member).ToString("P0", CultureInfo.InvariantCulture);

    static double Number(JsonObject json, string member) => double.TryParse(json.Text(member), NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value : 0;

    static IReadOnlyList<string> Cut(List<string> lines, int width) => lines.ConvertAll(l => l.Length <= width ? l : l[..(width - 1)] + "…");
}
