using System.CommandLine;
using System.Text.Json.Nodes;
using Takt.Storage;

namespace Takt.Cli;

/// <summary><c>takt config</c>: each setting, its value without anything secret, and where it was found.</summary>
static class ConfigCommand
{
    public static Command Create()
    {
        var command = new Command("config", "Each setting, its value and where it comes from");
        command.SetAction(parsed =>
        {
            var folder = ProjectFolder.At(parsed);
            var options = ProjectFolder.Options(parsed, folder);
            (string Name, string Value, string Source)[] settings =
            [
                ("project", folder.Root, File.Exists(folder.ProjectFile) ? TaktFolder.ProjectFileName : "current folder"),
                ("state", folder.State, string.IsNullOrEmpty(Environment.GetEnvironmentVariable("TAKT_HOME")) ? "default" : "TAKT_HOME"),
                ("database", AddressPassword.Mask(options.Database.Value ?? folder.Database), options.Database.Source),
                ("blobs", options.Blobs.Value ?? folder.Store, options.Blobs.Source),
                ("collect-garbage", options.CollectGarbage.Value ?? "only by 'takt data gc --apply'", options.CollectGarbage.Source),
                ("retention", options.Retention.Value ?? "what was deleted is kept", options.Retention.Source),
                ("gateway", options.Gateway.Value ?? "none: MLflow's prompt engineering pages list no endpoints", options.Gateway.Source),
                ("allowed-hosts", options.AllowedHosts.Value ?? "on loopback its own names, elsewhere any", options.AllowedHosts.Source),
                ("python", options.Python.Value ?? "python3", options.Python.Source),
            ];
            if (parsed.GetValue(CommandLine.Json))
                Terminal.Json(new JsonObject(settings.Select(s => KeyValuePair.Create(s.Name, (JsonNode?)new JsonObject { ["value"] = s.Value, ["source"] = s.Source }))));
            else DataText.Rows(["NAME", "VALUE", "SOURCE"], settings.Select(s => new[] { s.Name, s.Value, s.Source }));
            return ExitCode.Ok;
        });
        return command;
    }
}
