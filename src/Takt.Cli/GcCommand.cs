using System.CommandLine;
using System.Text.Json.Nodes;

namespace Takt.Cli;

/// <summary><c>takt gc</c>: what was deleted, removed for good. It tells what it would do; <c>--apply</c> does it.</summary>
static class GcCommand
{
    const int MostKept = 20;

    public static Command Create()
    {
        var older = new Option<string>("--older-than") { Description = "What was deleted at least so long ago: 30d, 12h, 0", DefaultValueFactory = _ => "30d" };
        var grace = new Option<string>("--grace") { Description = "Bytes stay so long after the last row that named them has gone", DefaultValueFactory = _ => "1d" };
        var apply = new Option<bool>("--apply") { Description = "Do it; without this it is only told" };
        var dry = new Option<bool>("--dry-run", "-n") { Description = "Only tell; so it is without --apply" };
        var yes = new Option<bool>("--yes", "-y") { Description = "Do not ask before --apply" };
        var only = new Option<string?>("--workspace") { Description = "Only what is in this one" };
        var command = new Command("gc", "Remove for good what was deleted, in all workspaces: runs, experiments, logged models, their traces and artifacts; names are free again") { older, grace, apply, dry, yes, only };
        command.SetAction(async (parsed, cancel) =>
        {
            if (parsed.GetValue(apply) && parsed.GetValue(dry)) throw TaktException.Invalid("--apply and --dry-run: one of them");
            if (parsed.GetValue(apply)) Terminal.Confirm($"Remove for good what was deleted at least {parsed.GetValue(older)} ago{(parsed.GetValue(only) is { Length: > 0 } name ? $" in {name}" : "")}?", parsed.GetValue(yes));
            await using var api = await ApiClient.Connect(parsed);
            var path = $"/api/v1/gc?olderThan={Uri.EscapeDataString(parsed.GetValue(older)!)}&grace={Uri.EscapeDataString(parsed.GetValue(grace)!)}{(parsed.GetValue(only) is { Length: > 0 } workspace ? "&workspace=" + Uri.EscapeDataString(workspace) : "")}";
            var answer = parsed.GetValue(apply) ? await api.Post(path, cancel) : await api.Get(path, cancel);
            if (parsed.GetValue(CommandLine.Json)) Terminal.Json(answer);
            else Show(answer, parsed.GetValue(apply), parsed.GetValue(older)!);
            return ExitCode.Ok;
        });
        return command;
    }

    static void Show(JsonObject so, bool applied, string older)
    {
        var (experiments, kept) = ((JsonArray)so["experiments"]!, (JsonArray)so["kept"]!);
        ApiCommand.Facts(("experiments", $"{experiments.Count:N0}{(experiments.Count > 0 ? ": " + string.Join(", ", experiments.Take(10)) : "")}"), ("runs", $"{((JsonArray)so["runs"]!).Count:N0}"),
            ("logged models", $"{((JsonArray)so["loggedModels"]!).Count:N0}"), ("blobs", $"{so.Text("blobs")} without a row{(applied ? $", {so.Text("freed")} freed ({DataText.Size(so["freedBytes"]!.GetValue<long>())})" : "")}"),
            ("uploads", applied ? $"{so.Text("uploads")} that were not completed for a day ended" : "those that were not completed for a day end"));
        foreach (var line in kept.Take(MostKept)) Terminal.Note($"kept: {line}", Terminal.Tone.Dim);
        if (kept.Count > MostKept) Terminal.Note($"and {kept.Count - MostKept} more are kept", Terminal.Tone.Dim);
        Terminal.Note(applied ? "removed for good" : $"nothing was removed: this is what was deleted at least {older} ago; --apply removes it for good");
    }
}
