using System.CommandLine;
using System.Text.Json.Nodes;

namespace Takt.Cli;

/// <summary><c>takt deploy</c>: endpoints and their rollouts.</summary>
static class DeployCommands
{
    static readonly Argument<string> Endpoint = new("endpoint") { Description = "An endpoint of takt.yaml" };

    public static Command Create() => new("deploy", "Endpoints, their traffic, and rollouts")
    {
        ApiCommand.Of("list", "All endpoints", _ => "/api/v1/deployments", List),
        Show(),
        ApiCommand.Of("history", "What happened to an endpoint, the newest first", p => Path(p, "/history"), History, null, Endpoint),
        ApiCommand.Of("rollback", "Bring the revision before the present one back", p => Path(p, "/rollback"), _ => Terminal.Note("the revision before comes back"), HttpMethod.Post, Endpoint),
        ApiCommand.Of("pause", "Hold a rollout where it is", p => Path(p, "/pause"), _ => Terminal.Note("paused"), HttpMethod.Post, Endpoint),
        ApiCommand.Of("resume", "Let a paused rollout go on", p => Path(p, "/resume"), _ => Terminal.Note("resumed"), HttpMethod.Post, Endpoint),
        ApiCommand.Of("abort", "End a rollout: all traffic to the revision in charge", p => Path(p, "/abort"), _ => Terminal.Note("aborted"), HttpMethod.Post, Endpoint),
    };

    static Command Show()
    {
        var watch = new Option<bool>("--watch", "-w") { Description = "Show it again each second until the rollout is over" };
        var command = new Command("show", "One endpoint: who answers, how well, and the rollout under way") { Endpoint, watch };
        command.SetAction(async (parsed, cancel) =>
        {
            await using var api = await ApiClient.Connect(parsed);
            while (true)
            {
                var answer = await api.Get(Path(parsed, ""), cancel);
                if (parsed.GetValue(CommandLine.Json)) Terminal.Json(answer);
                else Show(answer);
                if (!parsed.GetValue(watch) || (answer["rollout"] as JsonObject).Text("state") is not ("Pending" or "Rolling" or "Paused")) return ExitCode.Ok;
                await Task.Delay(TimeSpan.FromSeconds(1), cancel);
            }
        });
        return command;
    }

    static void List(JsonObject answer)
    {
        var list = answer.List("deployments").ToList();
        if (list.Count == 0) Terminal.Note("no deployments yet; a deploy: section in takt.yaml and `takt run` make one");
        else DataText.Rows(["ENDPOINT", "MODEL", "REVISION", "REQUESTS", "ERRORS", "P95 MS", "ROLLOUT"], list.Select(d => new[]
        {
            d.Text("endpoint"), (d["live"] as JsonObject).Text("model"), (d["live"] as JsonObject).Text("revision"), (d["live"] as JsonObject).Text("requests"),
            (d["live"] as JsonObject).Text("errors"), (d["live"] as JsonObject).Text("p95Ms", 2), Rollout(d),
        }));
    }

    static void Show(JsonObject d)
    {
        DataText.Rows([d.Text("endpoint"), "MODEL", "REVISION", "TRAFFIC", "REQUESTS", "ERRORS", "P50 MS", "P95 MS"], new[] { ("live", "in charge"), ("challenger", "challenger") }
            .Where(r => d[r.Item1] is JsonObject).Select(r => (r.Item2, Revision: (JsonObject)d[r.Item1]!)).Select(r => new[]
            {
                r.Item1, r.Revision.Text("model"), r.Revision.Text("revision"), Share(d, r.Item1), r.Revision.Text("requests"), r.Revision.Text("errors"), r.Revision.Text("p50Ms", 2), r.Revision.Text("p95Ms", 2),
            }));
        Console.WriteLine($"rollout {(d["rollout"] as JsonObject).Text("rollout")}: {Rollout(d)}  {(d["rollout"] as JsonObject).Text("evidence")}");
    }

    static void History(JsonObject answer) => DataText.Rows(["TIME", "ROLLOUT", "WHAT", "DETAIL"],
        answer.List("events").Select(e => new[] { e.Time("time"), e.Text("rollout"), e.Text("kind"), e.Text("detail") }));

    static string Rollout(JsonObject d) => (d["rollout"] as JsonObject).Text("state") switch
    {
        "Rolling" => $"rolling, {double.Parse(d.Text("challengerShare")):P0} to the challenger",
        var state => state.ToLowerInvariant(),
    };

    static string Share(JsonObject d, string role)
    {
        var share = double.Parse(d.Text("challengerShare"));
        return (role == "challenger" ? share : 1 - share).ToString("P0");
    }

    static string Path(ParseResult parsed, string tail) => $"/api/v1/deployments/{Uri.EscapeDataString(parsed.GetRequiredValue(Endpoint))}{tail}";
}
