using System.CommandLine;
using System.Text.Json.Nodes;

namespace Takt.Cli;

/// <summary><c>takt monitor</c>: what the monitors saw, and what came of it.</summary>
static class MonitorCommands
{
    static readonly Argument<string> Name = new("monitor") { Description = "A monitor of takt.yaml" };

    public static Command Create() => new("monitor", "Drift, performance, alerts, and what they started")
    {
        ApiCommand.Of("list", "All monitors and their newest window", _ => "/api/v1/monitors", List),
        ApiCommand.Of("show", "The windows of a monitor, the newest first", p => $"/api/v1/monitors/{Uri.EscapeDataString(p.GetRequiredValue(Name))}", Windows, null, Name),
        ApiCommand.Of("alerts", "All alerts, the newest first", _ => "/api/v1/alerts", Alerts),
        ApiCommand.Of("triggers", "Pipelines that alerts started", _ => "/api/v1/triggers", Triggers),
        ApiCommand.Of("tick", "Judge the windows that are ready now", p => $"/api/v1/monitors/{Uri.EscapeDataString(p.GetRequiredValue(Name))}/tick",
            a => Terminal.Note($"{a.Text("judged")} windows judged"), HttpMethod.Post, Name),
    };

    static void List(JsonObject answer)
    {
        var list = answer.List("monitors").ToList();
        if (list.Count == 0) Terminal.Note("no monitors; a monitor: section in takt.yaml makes one");
        else DataText.Rows(["MONITOR", "ENDPOINT", "WINDOW", "PREDICTIONS", "LABELLED", "VERDICT"], list.Select(m => (m, Newest: m["newest"] as JsonObject)).Select(m => new[]
        {
            m.m.Text("name"), m.m.Text("endpoint"), m.Newest.Moment("start"), m.Newest.Text("rows"), m.Newest.Text("labelled"), m.Newest is null ? "nothing yet" : m.Newest.Text("verdict"),
        }));
    }

    static void Windows(JsonObject answer)
    {
        if (!answer.List("windows").Any()) Terminal.Note("no windows yet; one is judged once a later one has begun or, when nothing more is asked, some minutes after its end");
        else
        {
            var windows = answer.List("windows").Select(w => (w, Worst: w.List("drift").FirstOrDefault(), Performance: w["performance"] as JsonObject)).ToList();
            var measures = Measures.Of(windows.Select(w => w.Performance));
            DataText.Rows(["WINDOW", "PREDICTIONS", "LABELLED", "MODEL", "WORST COLUMN", "PSI", .. measures.Select(m => m.Head), "VERDICT"], windows.Select(w => (string[])
            [
                w.w.Moment("start"), w.w.Text("rows"), w.w.Text("labelled"), w.w.Text("model"), w.Worst.Text("column"), w.Worst.Text("psi", 3), .. measures.Select(m => w.Performance.Text(m.Name, 3)), w.w.Text("verdict"),
            ]));
        }
    }

    static void Alerts(JsonObject answer)
    {
        if (!answer.List("alerts").Any()) Terminal.Note("no alerts; a monitor judges a window once it has passed");
        else DataText.Rows(["WINDOW", "MONITOR", "KIND", "WHAT"],
        answer.List("alerts").Select(a => new[] { a.Moment("windowStart"), a.Text("monitor"), a.Text("kind"), a.Text("message") }));
    }

    static void Triggers(JsonObject answer)
    {
        if (!answer.List("triggers").Any()) Terminal.Note("nothing was started; triggers: in takt.yaml says what an alert starts");
        else DataText.Rows(["WINDOW END", "MONITOR", "ALERT", "STATE", "RUN", "OUTCOME"],
        answer.List("triggers").Select(t => new[] { t.Moment("eventTime"), t.Text("monitor"), t.Text("alert"), t.Text("state"), t.Text("run"), t.Text("outcome") }));
    }
}
