using System.CommandLine;
using System.Text.Json.Nodes;

namespace Takt.Cli;

/// <summary><c>takt runs</c>: what happened.</summary>
static class RunCommands
{
    static readonly Argument<string> Id = new("run") { Description = "A run's id" };

    public static Command Create()
    {
        var stage = new Argument<string>("stage") { Description = "A stage of the run" };
        return new Command("runs", "What happened: runs, params, metrics, logs")
        {
            CommandLine.Workspace,
            ApiCommand.Of("list", "The newest runs", _ => "/api/v1/runs", List),
            ApiCommand.Of("show", "One run: its stages, params, metrics and tags", p => $"/api/v1/runs/{Uri.EscapeDataString(p.GetRequiredValue(Id))}", Show, null, Id),
            ApiCommand.Of("logs", "The log of one stage", p => $"/api/v1/runs/{Uri.EscapeDataString(p.GetRequiredValue(Id))}/logs/{Uri.EscapeDataString(p.GetRequiredValue(stage))}",
                a => Console.Write(a.Text("log")), null, Id, stage),
        };
    }

    static void List(JsonObject answer)
    {
        var list = answer.List("runs").ToList();
        if (list.Count == 0) Terminal.Note("no runs yet; `takt run` makes one");
        else DataText.Rows(["RUN", "EXPERIMENT", "NAME", "STATUS", "STARTED", "TOOK", "TRIGGER"], list.Select(r => new[]
        {
            r.Text("id"), r.Text("experiment"), r.Text("name"), Refusal(r).Length > 0 ? "refused" : r.Text("status"), r.Time("startedAt"), Took(r), (r["tags"] as JsonObject).Text("takt.trigger"),
        }));
    }

    /// <summary>The gate and the rule that stopped it; empty when none did.</summary>
    static string Refusal(JsonObject run) => (run["tags"] as JsonObject).Text("takt.refused");

    static string Took(JsonObject of) => DateTimeOffset.TryParse(of.Text("startedAt"), System.Globalization.CultureInfo.InvariantCulture, out var start)
        && DateTimeOffset.TryParse(of.Text("endedAt"), System.Globalization.CultureInfo.InvariantCulture, out var end) ? DataText.Took(end - start) : "";

    static void Show(JsonObject run)
    {
        ApiCommand.Facts(("run", run.Text("id")), ("experiment", run.Text("experiment")), ("name", run.Text("name")), ("status", Refusal(run) is { Length: > 0 } refusal ? $"refused by {refusal}" : run.Text("status")),
            ("started", run.Time("startedAt")), ("ended", run.Time("endedAt")), ("took", Took(run)), ("parent", run.Text("parent")));
        var stages = run.List("stages").ToList();
        if (stages.Count > 0)
        {
            Console.WriteLine();
            DataText.Rows(["STAGE", "STATE", "TOOK", "RUN", "WHAT"], stages.Select(s => new[] { s.Text("stage"), s.Text("state").ToLowerInvariant(), Took(s), s.Text("run"), s.Text("summary").Split('\n')[0] }));
        }
        ApiCommand.Facts("params", run["params"] as JsonObject);
        ApiCommand.Facts("metrics", run["metrics"] as JsonObject);
        ApiCommand.Facts("tags", run["tags"] as JsonObject);
    }
}
