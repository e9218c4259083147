using System.CommandLine;
using System.Text.Json.Nodes;
using Takt.Server.Protocols.Mlflow.Import;

namespace Takt.Cli;

/// <summary><c>takt import</c>: brings in what another program has kept so far.</summary>
static class ImportCommand
{
    const int MostFaults = 20;

    public static Command Create() => new("import", "Bring in what another program has kept so far") { Mlflow() };

    static Command Mlflow()
    {
        var source = new Argument<string>("source") { Description = "The http address of an MLflow server, or an mlruns folder" };
        var dry = new Option<bool>("--dry-run", "-n") { Description = "Only tell what would be copied" };
        var data = new Option<string?>("--data") { Description = "Into the folder that `takt serve --data` serves, instead of the project" };
        var from = new Option<string?>("--from-workspace") { Description = "Of a server: the workspace that is copied, instead of its default one" };
        var quiet = new Option<bool>("--quiet", "-q") { Description = "No progress" };
        var command = new Command("mlflow", "Copy a whole MLflow server or mlruns folder: experiments, runs with all metric points, inputs, artifacts, logged models, traces with assessments, registry, prompts") { source, dry, data, from, quiet, CommandLine.Workspace };
        command.SetAction(async (parsed, cancel) =>
        {
            var folder = parsed.GetValue(data) is { Length: > 0 } path ? new TaktFolder(Path.GetFullPath(path), Path.Combine(Path.GetFullPath(path), ".takt")) : ProjectFolder.Require(parsed);
            Directory.CreateDirectory(folder.Root);
            await using var app = ProjectFolder.Open(parsed, folder);
            var json = parsed.GetValue(CommandLine.Json);
            var silent = parsed.GetValue(quiet) || json;
            ImportSummary summary;
            using (var line = ProgressLine.Show(parsed, "importing", quiet: silent))
                summary = await new MlflowImport(app).Run(parsed.GetRequiredValue(source), parsed.GetValue(dry),
                    (so, what) => line.Say($"{so.Runs:N0} runs  {so.Points:N0} points  {so.Artifacts:N0} files  {DataText.Size(so.Bytes)}  {what}"), cancel, parsed.GetValue(CommandLine.Workspace) ?? Environment.GetEnvironmentVariable("TAKT_WORKSPACE"), parsed.GetValue(from));
            if (json) Terminal.Json(Json(summary, parsed.GetValue(dry)));
            else Show(summary, parsed.GetValue(dry));
            return summary.Faults.Count > 0 ? ExitCode.Failed : ExitCode.Ok;
        });
        return command;
    }

    static void Show(ImportSummary so, bool dry)
    {
        ApiCommand.Facts(("source", so.Source), ("experiments", $"{so.Experiments:N0}"), ("runs", $"{so.Runs:N0}{(so.RunsThere > 0 ? $" and {so.RunsThere:N0} that were here" : "")}"), ("points", dry ? "" : $"{so.Points:N0}"),
            ("files", dry ? "" : $"{so.Artifacts:N0}, {DataText.Size(so.Bytes)}"), ("left there", so.ArtifactsLeft > 0 ? $"artifacts of {so.ArtifactsLeft:N0} runs and models" : ""), ("logged models", $"{so.LoggedModels:N0}"), ("traces", so.Traces > 0 ? $"{so.Traces:N0} with {so.Spans:N0} spans and {so.Assessments:N0} assessments" : ""),
            ("models", $"{so.Models:N0} with {so.Versions:N0} versions"));
        foreach (var (theirs, ours) in so.Renamed) Terminal.Note($"{theirs}: the name is taken here; it is called {ours}");
        foreach (var fault in so.Faults.Take(MostFaults)) Terminal.Note($"takt: {fault}", Terminal.Tone.Bad);
        if (so.Faults.Count > MostFaults) Terminal.Note($"takt: and {so.Faults.Count - MostFaults} more", Terminal.Tone.Bad);
        if (dry) Terminal.Note("nothing was copied: --dry-run");
        else if (so.Faults.Count > 0) Terminal.Note("run it again to try those once more; what is here is not copied twice");
    }

    static JsonObject Json(ImportSummary so, bool dry) => new()
    {
        ["source"] = so.Source,
        ["dryRun"] = dry,
        ["experiments"] = so.Experiments,
        ["runs"] = so.Runs,
        ["runsThere"] = so.RunsThere,
        ["points"] = so.Points,
        ["artifacts"] = so.Artifacts,
        ["bytes"] = so.Bytes,
        ["artifactsLeft"] = so.ArtifactsLeft,
        ["loggedModels"] = so.LoggedModels,
        ["traces"] = so.Traces,
        ["spans"] = so.Spans,
        ["assessments"] = so.Assessments,
        ["links"] = so.Links,
        ["models"] = so.Models,
        ["versions"] = so.Versions,
        ["renamed"] = new JsonObject(so.Renamed.Select(r => KeyValuePair.Create(r.Key, (JsonNode?)r.Value))),
        ["faults"] = new JsonArray([.. so.Faults.Select(f => (JsonNode?)f)]),
    };
}
