using System.CommandLine;

namespace Takt.Cli;

/// <summary><c>takt workspaces</c>: the parts of a server that teams have to themselves.</summary>
static class WorkspaceCommands
{
    static readonly Argument<string> Name = new("name") { Description = "Lowercase letters, digits and single hyphens" };

    public static Command Create() => new("workspaces", "The parts of a server that teams have to themselves")
    {
        ApiCommand.Of("list", "All workspaces", _ => "/api/v1/workspaces", answer => DataText.Rows(["WORKSPACE", "DESCRIPTION"], answer.List("workspaces").Select(w => new[] { w.Text("name"), w.Text("description") }))),
        ApiCommand.Of("create", "Make one: takt workspaces create team-a", p => $"/api/v1/workspaces/{Uri.EscapeDataString(p.GetRequiredValue(Name))}", w => Terminal.Note($"{w.Text("name")} is there", Terminal.Tone.Good), HttpMethod.Post, Name),
        Delete(),
    };

    static Command Delete()
    {
        var all = new Option<bool>("--all") { Description = "With everything that is in it; else it must be empty" };
        var yes = new Option<bool>("--yes", "-y") { Description = "Do not ask" };
        var command = new Command("delete", "Remove one: takt workspaces delete team-a") { Name, all, yes };
        command.SetAction(async (parsed, cancel) =>
        {
            var name = parsed.GetRequiredValue(Name);
            Terminal.Confirm($"Remove the workspace {name}{(parsed.GetValue(all) ? " and everything in it, for good" : "")}?", parsed.GetValue(yes));
            await using var api = await ApiClient.Connect(parsed);
            var answer = await api.Delete($"/api/v1/workspaces/{Uri.EscapeDataString(name)}?all={(parsed.GetValue(all) ? "true" : "false")}", cancel);
            if (parsed.GetValue(CommandLine.Json)) Terminal.Json(answer);
            else Terminal.Note($"{name} is removed", Terminal.Tone.Good);
            return ExitCode.Ok;
        });
        return command;
    }
}
