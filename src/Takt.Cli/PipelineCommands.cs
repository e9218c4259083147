using System.CommandLine;
using System.Text.Json.Nodes;
using Takt.Pipelines;
using Takt.Runs;

namespace Takt.Cli;

/// <summary><c>takt run</c>, <c>status</c> and <c>why</c>: the pipeline of the project in the work tree, in-process.</summary>
static class PipelineCommands
{
    public static Command Run()
    {
        var stages = new Argument<string[]>("stage") { Description = "These stages and what they need; all when none is named", Arity = ArgumentArity.ZeroOrMore };
        var force = new Option<bool>("--force", "-f") { Description = "Run also what has not changed" };
        var jobs = new Option<int>("--jobs", "-j") { Description = "Stages at once; as many as there are cores by default" };
        var dry = new Option<bool>("--dry-run", "-n") { Description = "Only tell what would run" };
        var quiet = new Option<bool>("--quiet", "-q") { Description = "No log lines" };
        var command = new Command("run", "Run the stages whose inputs have changed") { stages, force, jobs, dry, quiet };
        command.SetAction(async (parsed, cancel) =>
        {
            await using var app = ProjectFolder.Open(parsed);
            if (parsed.GetValue(dry)) return await Status(app.Pipelines, parsed.GetValue(stages)!, parsed.GetValue(CommandLine.Json), cancel);
            var json = parsed.GetValue(CommandLine.Json);
            var display = new RunDisplay(quiet: parsed.GetValue(quiet) || json);
            var result = await app.Pipelines.Run(new PipelineRequest(parsed.GetValue(stages)!, parsed.GetValue(force), parsed.GetValue(jobs)),
                display.Tell, holder => Terminal.Note($"waiting for the pipeline run of {holder}"), cancel);
            if (json) Terminal.Json(Json(result));
            else display.Close(result);
            return result.Succeeded ? ExitCode.Ok : result.StoppedByGate ? ExitCode.GateNotPassed : ExitCode.Failed;
        });
        return command;
    }

    public static Command Status()
    {
        var command = new Command("status", "What a run would do, stage by stage");
        command.SetAction(async (parsed, cancel) =>
        {
            await using var app = ProjectFolder.Open(parsed);
            return await Status(app.Pipelines, [], parsed.GetValue(CommandLine.Json), cancel);
        });
        return command;
    }

    public static Command Why()
    {
        var stage = new Argument<string>("stage") { Description = "A stage of takt.yaml" };
        var command = new Command("why", "Why a stage would run, or would not: each part of its key against the last run") { stage };
        command.SetAction(async (parsed, cancel) =>
        {
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

    static async Task<int> Status(PipelineRunner runner, string[] stages, bool json, CancellationToken cancel)
    {
        var plan = await runner.Plan(stages, cancel);
        if (json) Terminal.Json(new JsonObject { ["stages"] = new JsonArray([.. plan.Select(Json)]) });
        else DataText.Rows(["STAGE", "STATE", "REASON"], plan.Select(w => new[] { w.Stage, w.UpToDate ? "up to date" : "would run", w.Reason }));
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
