using System.CommandLine;
using System.Text.Json.Nodes;

namespace Takt.Cli;

/// <summary><c>takt models</c>: the registry.</summary>
static class ModelCommands
{
    static readonly Argument<string> Reference = new("model") { Description = "NAME, NAME@ALIAS or NAME@NUMBER" };
    static readonly Argument<string> Name = new("name") { Description = "A registered model" };

    public static Command Create() => new("models", "Registered models, versions, aliases and lineage")
    {
        CommandLine.Workspace,
        ApiCommand.Of("list", "All models", _ => "/api/v1/models", List),
        ShowCommand(),
        Alias(),
        Convert(),
        ApiCommand.Of("history", "Every change of a model, the newest first", p => $"/api/v1/models/{Uri.EscapeDataString(p.GetRequiredValue(Name))}/history", History, null, Name),
    };

    static Command ShowCommand()
    {
        var lineage = new Option<bool>("--lineage") { Description = "The run, the code, the data and the sources that it came from, and where it serves" };
        var command = new Command("show", "A model's versions, or one version: takt models show flights@champion --lineage") { Reference, lineage };
        command.SetAction(async (parsed, cancel) =>
        {
            await using var api = await ApiClient.Connect(parsed);
            var json = parsed.GetValue(CommandLine.Json);
            if (!parsed.GetValue(lineage))
            {
                var answer = await api.Get(ShowPath(parsed), cancel);
                if (json) Terminal.Json(answer);
                else Show(answer);
                return ExitCode.Ok;
            }
            var path = $"/api/v1/lineage?of={Uri.EscapeDataString("model:" + parsed.GetRequiredValue(Reference))}&direction=";
            if (json)
            {
                Terminal.Json(await api.Get(path + "both", cancel));
                return ExitCode.Ok;
            }
            LineageText.Tree(await api.Get(path + "up", cancel));
            var down = await api.Get(path + "down", cancel);
            if (down.List("edges").Any())
            {
                Console.WriteLine("\nWhat came of it");
                LineageText.Tree(down, up: false);
            }
            return ExitCode.Ok;
        });
        return command;
    }

    static Command Alias()
    {
        var alias = new Argument<string>("alias") { Description = "Such as champion" };
        return ApiCommand.Of("alias", "Move an alias to a version: takt models alias flights@3 champion", p =>
        {
            var (name, which) = Split(p.GetRequiredValue(Reference));
            if (which.Length == 0) throw TaktException.Invalid($"'{name}' names no version: NAME@NUMBER or NAME@ALIAS");
            return $"/api/v1/models/{Uri.EscapeDataString(name)}/versions/{Uri.EscapeDataString(which)}/aliases/{Uri.EscapeDataString(p.GetRequiredValue(alias))}";
        }, v => Terminal.Note($"{v.Text("name")}@{v.Text("version")} is now {string.Join(", ", (JsonArray)v["aliases"]!)}", Terminal.Tone.Good), HttpMethod.Post, Reference, alias);
    }

    static Command Convert()
    {
        var to = new Option<string>("--to") { Description = "onnx", DefaultValueFactory = _ => "onnx" };
        var command = ApiCommand.Of("convert", "Make a new version in another format, checked against the old: takt models convert flights@champion --to onnx", p =>
        {
            var (name, which) = Split(p.GetRequiredValue(Reference));
            return $"/api/v1/models/{Uri.EscapeDataString(name)}/versions/{Uri.EscapeDataString(which.Length == 0 ? "latest" : which)}/convert?to={Uri.EscapeDataString(p.GetRequiredValue(to))}";
        }, v =>
        {
            var about = v["params"] as JsonObject;
            Terminal.Note($"{v.Text("name")}@{v.Text("version")} is {about.Text("converted.from")} as {about.Text("converted.to")}: {about.Text("converted.rows")} rows made of its thresholds answered alike, at most {about.Text("converted.max_difference")} apart", Terminal.Tone.Good);
        }, HttpMethod.Post, Reference);
        command.Options.Add(to);
        return command;
    }

    static void List(JsonObject answer)
    {
        var list = answer.List("models").ToList();
        if (list.Count == 0) Terminal.Note("no models yet; a register step and `takt run` make one");
        else DataText.Rows(["MODEL", "VERSIONS", "NEWEST", "ALIASES", "REGISTERED"], list.Select(m => new[]
        {
            m.Text("name"), m.Text("versions"), m.Text("newest"), string.Join(", ", (m["aliases"] as JsonObject ?? []).Select(a => $"{a.Key}={a.Value}")), m.Time("createdAt"),
        }));
    }

    static void Show(JsonObject answer)
    {
        if (answer["versions"] is JsonArray)
        {
            var versions = answer.List("versions").Select(v => (v, Metrics: v["metrics"] as JsonObject)).ToList();
            var measures = Measures.Of(versions.Select(v => v.Metrics));
            DataText.Rows(["VERSION", "ALIASES", "REGISTERED", .. measures.Select(m => m.Head), "RUN"], versions.Select(v => (string[])
            [
                v.v.Text("version"), Aliases(v.v), v.v.Time("createdAt"), .. measures.Select(m => v.Metrics.Text(m.Name)), v.v.Text("run"),
            ]));
            return;
        }
        ApiCommand.Facts(("model", $"{answer.Text("name")}@{answer.Text("version")}"), ("aliases", Aliases(answer)), ("registered", answer.Time("createdAt")), ("run", answer.Text("run")),
            ("code", answer.Text("codeCommit")), ("data", string.Join("\n      ", answer["datasetCommits"] as JsonArray ?? [])), ("package", answer.Text("package")));
        ApiCommand.Facts("params", answer["params"] as JsonObject);
        // the whole evaluation is with the run; here what the model scores as a whole
        ApiCommand.Facts("metrics", new JsonObject((answer["metrics"] as JsonObject ?? []).Where(m => !m.Key.Contains('.', StringComparison.Ordinal)).Select(m => KeyValuePair.Create(m.Key, m.Value?.DeepClone()))));
    }

    static void History(JsonObject answer) => DataText.Rows(["TIME", "VERSION", "WHAT", "DETAIL"],
        answer.List("events").Select(e => new[] { e.Time("time"), e.Text("version"), e.Text("kind"), e.Text("detail") }));

    static string Aliases(JsonObject version) => string.Join(", ", version["aliases"] as JsonArray ?? []);

    static string ShowPath(ParseResult parsed)
    {
        var (name, which) = Split(parsed.GetRequiredValue(Reference));
        return which.Length == 0 ? $"/api/v1/models/{Uri.EscapeDataString(name)}" : $"/api/v1/models/{Uri.EscapeDataString(name)}/versions/{Uri.EscapeDataString(which)}";
    }

    static (string Name, string Which) Split(string reference) => reference.LastIndexOf('@') is var at and > 0 ? (reference[..at], reference[(at + 1)..]) : (reference, "");
}
