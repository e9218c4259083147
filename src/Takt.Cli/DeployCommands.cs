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
        Status(),
        ApiCommand.Of("history", "What happened to an endpoint, the newest first", p => Path(p, "/history"), History, null, Endpoint),
        Act("rollback", "Bring the revision before the present one back", "the revision before comes back"),
        ApiCommand.Of("pause", "Hold a rollout where it is", p => Path(p, "/pause"), _ => Terminal.Note("paused"), HttpMethod.Post, Endpoint),
        Act("promote", "End a rollout well: all traffic to the new revision now", "promoted"),
        Act("resume", "Let a rollout go on that is paused or waits for an approval", "resumed"),
        ApiCommand.Of("abort", "End a rollout: all traffic to the revision in charge", p => Path(p, "/abort"), _ => Terminal.Note("aborted"), HttpMethod.Post, Endpoint),
    };

    /// <summary>A change after which a rollout goes on, and that can be waited for.</summary>
    static Command Act(string verb, string description, string done)
    {
        var (wait, timeout) = (Waiting.Wait("the rollout is over: exit code 0 when it has succeeded, else 1"), Waiting.Timeout("With --wait: wait so long at most"));
        var command = new Command(verb, description) { Endpoint, wait, timeout };
        command.SetAction(async (parsed, cancel) =>
        {
            await using var api = await ApiClient.Connect(parsed);
            var answer = await api.Post(Path(parsed, "/" + verb), cancel);
            if (parsed.GetValue(wait)) return await Waiting.ForRollout(parsed, api, parsed.GetRequiredValue(Endpoint), parsed.GetValue(timeout), cancel);
            if (parsed.GetValue(CommandLine.Json)) Terminal.Json(answer);
            else Terminal.Note(done);
            return ExitCode.Ok;
        });
        return command;
    }

    static Command Status()
    {
        var watch = new Option<bool>("--watch", "-w") { Description = "Follow it until the rollout is over: live on a terminal, else a line for each change" };
        var (wait, timeout) = (Waiting.Wait("the rollout is over, and tell only how it ended: exit code 0 when it has succeeded, else 1"), Waiting.Timeout("With --wait: wait so long at most"));
        var command = new Command("status", "One endpoint: who answers, how well, the steps of the rollout under way and what the evidence says") { Endpoint, watch, wait, timeout };
        command.Aliases.Add("show");
        command.SetAction(async (parsed, cancel) =>
        {
            await using var api = await ApiClient.Connect(parsed);
            if (parsed.GetValue(wait)) return await Waiting.ForRollout(parsed, api, parsed.GetRequiredValue(Endpoint), parsed.GetValue(timeout), cancel);
            var (drawn, told) = (0, "");
            while (true)
            {
                var answer = await api.Get(Path(parsed, ""), cancel);
                var following = parsed.GetValue(watch);
                var over = !DeployText.Active(answer);
                if (parsed.GetValue(CommandLine.Json)) Terminal.Json(answer);
                else if (following && Console.IsOutputRedirected)
                {
                    var line = DeployText.Line(answer);
                    if (line != told) Console.WriteLine($"{DataText.Time(TimeProvider.System.GetUtcNow())}  {line}");
                    told = line;
                }
                else
                {
                    var lines = DeployText.Lines(answer, following && !Console.IsOutputRedirected ? Math.Max(40, Console.WindowWidth) : int.MaxValue);
                    if (drawn > 0) Console.Write($"\e[{drawn}A\e[J"); // over what stands there
                    foreach (var line in lines) Console.WriteLine(line);
                    drawn = lines.Count;
                }
                if (api.InProcess && !over) Terminal.Note("no server runs on this folder: `takt serve` moves the rollout", Terminal.Tone.Dim);
                if (!following || over) return ExitCode.Ok;
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
            (d["live"] as JsonObject).Text("errors"), (d["live"] as JsonObject).Text("p95Ms", 2), DeployText.State(d),
        }));
    }

    static void History(JsonObject answer) => DataText.Rows(["TIME", "ROLLOUT", "WHAT", "DETAIL"],
        answer.List("events").Select(e => new[] { e.Time("time"), e.Text("rollout"), e.Text("kind"), e.Text("detail") }));

    static string Path(ParseResult parsed, string tail) => $"/api/v1/deployments/{Uri.EscapeDataString(parsed.GetRequiredValue(Endpoint))}{tail}";
}
