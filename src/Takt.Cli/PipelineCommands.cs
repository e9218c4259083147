using System.CommandLine;
using System.Text.Json.Nodes;
using Takt.Pipelines;
using Takt.Runs;

namespace Takt.Cli;

/// <summary><c>takt run</c>, <c>status</c> and <c>why</c>: the pipeline of the project in the work tree, in-process.</summary>
static partial class PipelineCommands
{
    public static Command Run()
    {
        var stages = new Argument<string[]>("stage") { Description = "These stages and what they need; all when none is named", Arity = ArgumentArity.ZeroOrMore };
        var force = new Option<bool>("--force", "-f") { Description = "Run also what has not changed" };
        var jobs = new Option<int>("--jobs", "-j") { Description = "Stages at once; as many as there are cores by default" };
        var dry = new Option<bool>("--dry-run", "-n") { Description = "Only tell what would run" };
        var quiet = new Option<bool>("--quiet", "-q") { Description = "No log lines" };
        var (wait, timeout) = (Waiting.Wait("the rollouts that it began are over, too"), Waiting.Timeout("So long at most; stages that still run are stopped then"));
        var command = new Command("run", "Run the stages whose inputs have changed") { stages, force, jobs, dry, quiet, wait, timeout };
        command.SetAction(async (parsed, cancelled) =>
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancelled);
            var cancel = limit.Token;
            var began = TimeProvider.System.GetTimestamp();
            if (parsed.GetValue(timeout) is { } most) limit.CancelAfter(most);
            await using var app = ProjectFolder.Open(parsed);
            if (parsed.GetValue(dry)) return await Status(app.Pipelines, parsed.GetValue(stages)!, parsed.GetValue(CommandLine.Json), cancel);
            var json = parsed.GetValue(CommandLine.Json);
            var display = new RunDisplay(quiet: parsed.GetValue(quiet) || json);
            PipelineResult result;
            try
            {
                result = await app.Pipelines.Run(new PipelineRequest(parsed.GetValue(stages)!, parsed.GetValue(force), parsed.GetValue(jobs)),
                    display.Tell, holder => Terminal.Note($"waiting for the pipeline run of {holder}"), cancel);
            }
            catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancelled.IsCancellationRequested)
            {
                throw TimedOut(parsed.GetValue(timeout)!.Value);
            }
            if (json) Terminal.Json(Json(result));
            else display.Close(result);
            if (limit.IsCancellationRequested && !cancelled.IsCancellationRequested && !result.Succeeded) throw TimedOut(parsed.GetValue(timeout)!.Value);
            if (result.Succeeded && parsed.GetValue(wait))
            {
                var left = parsed.GetValue(timeout) is { } whole ? whole - TimeProvider.System.GetElapsedTime(began) : (TimeSpan?)null;
                return await Rollouts(parsed, left, cancelled);
            }
            return result.Succeeded ? ExitCode.Ok : result.StoppedByGate ? ExitCode.GateNotPassed : ExitCode.Failed;
        });
        return command;
    }

    static TimeoutException TimedOut(TimeSpan most) => new($"stopped after {DataText.Took(most)} (--timeout); what was done is kept, and `takt run` goes on from there");

    /// <summary>Waits for every rollout that is under way.</summary>
    static async Task<int> Rollouts(ParseResult parsed, TimeSpan? left, CancellationToken cancel)
    {
        await using var api = await ApiClient.Connect(parsed);
        var worst = ExitCode.Ok;
        foreach (var deployment in (await api.Get("/api/v1/deployments", cancel)).List("deployments").Where(DeployText.Active))
            if (await Waiting.ForRollout(parsed, api, deployment.Text("endpoint"), left, cancel) is not ExitCode.Ok and var code) worst = code;
        return worst;
    }

    public static Command Status()
    {
        var command = new Command("status", "What a run would do, stage by stage");
        command.SetAction(async (parsed, cancel) =>
        {
            await using var app = ProjectFolder.Open(parsed);
            var json = parsed.GetValue(CommandLine.Json);
            var plan = await app.Pipelines.Plan([], cancel);
            var refreshes = app.Refreshes.List();
            if (json) Terminal.Json(new JsonObject { ["stages"] = new JsonArray([.. plan.Select(Json)]), ["refreshes"] = Takt.Server.Api.RefreshApi.View(refreshes) });
            else
            {
                Show(plan);
                if (refreshes.Count > 0)
                {
                    Console.WriteLine();
                    DataText.Rows(["REFRESH", "SCHEDULE", "STATE", "NEXT", "ERROR"], refreshes.Select(r => new[]
                    {
                        r.Stage, r.Schedule, r.Failures > 1 ? $"{r.State} ({r.Failures} times)" : r.State, r.NextAt is { } next ? DataText.Time(next) : "never", DataText.OneLine(r.Error ?? ""),
                    }));
                }
            }
            return ExitCode.Ok;
        });
        return command;
    }

    static void Show(IReadOnlyList<StageReason> plan) => DataText.Rows(["STAGE", "STATE", "REASON"], plan.Select(w => new[] { w.Stage, w.UpToDate ? "up to date" : "would run", w.Reason }));

    public static Command Why()
    {
        var stage = new Argument<string>("what") { Description = "A stage of takt.yaml; or the id of a prediction or run, or MODEL@ALIAS, for where it is from" };
        var command = new Command("why", "Why a stage would run, or would not; where a prediction, a model or a run is from") { stage, CommandLine.Workspace };
        command.SetAction(async (parsed, cancel) =>
        {
            if (await IsThing(parsed, parsed.GetRequiredValue(stage), cancel)) return await Lineage(parsed, parsed.GetRequiredValue(stage), cancel);
            await using var app = ProjectFolder.Open(parsed);
            var why = await app.Pipelines.Why(parsed.GetRequiredValue(stage), cancel);
            if (parsed.GetValue(CommandLine.Json)) Terminal.Json(Json(why));
            else
            {
                Console.WriteLine($"{why.Stage}: {why.Reason}");
                foreach (var change in why.Changes) Console.WriteLine($"  {change.Part}\n    was {change.Before ?? "(not there)"}\n    is  {change.Now ?? "(not there)"}");
                if (why.Changes.Count == 0 && why.Key is { } key) Console.WriteLine($"  key {key}");
            }
            return ExitCode.Ok;
        });
        return command;
    }

    static async Task<int> Lineage(ParseResult parsed, string what, CancellationToken cancel)
    {
        await using var api = await ApiClient.Connect(parsed);
        var graph = await api.Get($"/api/v1/lineage?of={Uri.EscapeDataString(what)}", cancel);
        if (parsed.GetValue(CommandLine.Json)) Terminal.Json(graph);
        else LineageText.Tree(graph);
        return ExitCode.Ok;
    }

    /// <summary>A stage's name is a stage, whatever else is called so; all else is a thing that has a lineage.</summary>
    static async Task<bool> IsThing(ParseResult parsed, string what, CancellationToken cancel)
    {
        if (parsed.GetValue(CommandLine.Server) is not null || parsed.GetValue(CommandLine.Workspace) is not null) return true;
        if (ThingName().IsMatch(what)) return true;
        await using var app = ProjectFolder.Open(parsed);
        cancel.ThrowIfCancellationRequested();
        return app.Pipelines.LoadProject().Stages.All(s => s.Name != what) && await IsNamed(app, what, cancel);
    }

    static async Task<bool> IsNamed(Server.TaktApp app, string what, CancellationToken cancel)
    {
        try
        {
            _ = await app.Lineage.Of(what, Deployments.LineageDirection.Up, cancel: cancel);
            return true;
        }
        catch (TaktException e) when (e.Error == TaktError.NotFound)
        {
            return false; // then it is told which stages there are
        }
        catch (TaktException)
        {
            return true;
        }
    }

    [System.Text.RegularExpressions.GeneratedRegex(@"^(p-[0-9a-f]{32}(:\d+)?|m-[0-9a-f]{32}|[0-9a-f]{32}|[^:]+@.+|(source|data|code|stage|run|logged-model|model|revision|endpoint|prediction):.+)$")]
    private static partial System.Text.RegularExpressions.Regex ThingName();

    static async Task<int> Status(PipelineRunner runner, string[] stages, bool json, CancellationToken cancel)
    {
        var plan = await runner.Plan(stages, cancel);
        if (json) Terminal.Json(new JsonObject { ["stages"] = new JsonArray([.. plan.Select(Json)]) });
        else Show(plan);
        return ExitCode.Ok;
    }

    static JsonObject Json(StageReason why) => new()
    {
        ["stage"] = why.Stage,
        ["upToDate"] = why.UpToDate,
        ["reason"] = why.Reason,
        ["key"] = why.Key,
        ["changes"] = new JsonArray([.. why.Changes.Select(c => new JsonObject { ["part"] = c.Part, ["before"] = c.Before, ["now"] = c.Now })]),
    };

    static JsonObject Json(PipelineResult result) => new()
    {
        ["run"] = result.Run.Value,
        ["succeeded"] = result.Succeeded,
        ["stages"] = new JsonArray([.. result.Stages.Select(s => new JsonObject
        {
            ["stage"] = s.Stage,
            ["state"] = s.State.ToString(),
            ["run"] = s.Run?.Value,
            ["seconds"] = s is { StartedAt: { } start, EndedAt: { } end } ? Math.Round((end - start).TotalSeconds, 3) : null,
            ["summary"] = s.Summary,
        })]),
    };
}
