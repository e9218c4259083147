using System.CommandLine;
using Takt.Storage;

namespace Takt.Cli;

/// <summary><c>takt init</c>: a project in the current folder.</summary>
static class InitCommand
{
    const string Template = """
        takt: 1
        project: {0}

        # data:                        # what comes in: files as they arrive become versions of a dataset
        #   sales:
        #     source: incoming/*.csv
        #     path: data/sales/
        #     expect: {{ columns: {{ amount: {{ type: number, min: 0 }} }} }}

        stages:                        # what is made of it; a stage runs again when something that it reads has changed
          hello:
            run: echo "hello from takt" > hello.txt
            out: [hello.txt]

        """;

    public static Command Create()
    {
        var from = new Option<string?>("--from") { Description = "Start from a sample: flights" };
        var data = new Option<string?>("--data") { Description = "A table of your own (CSV, Parquet, JSON): the whole line for it, from check to monitor" };
        var target = new Option<string?>("--target") { Description = "With --data: the column to predict: a number, one of two values, or one of up to 50 classes" };
        var positive = new Option<string?>("--positive") { Description = "With --data: the target's value to tell from all others; of two values the one that means yes, else the rarer" };
        var task = new Option<string?>("--task") { Description = "With --data: binary, multiclass or regression; by the target's values without it" };
        var name = new Option<string?>("--name") { Description = "With --data: what dataset, model and endpoint are called; as the file is by default" };
        var command = new Command("init", "Make a project in this folder") { from, data, target, positive, task, name };
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(from) is not null && parsed.GetValue(data) is not null) throw TaktException.Invalid("--from and --data: one of them");
            if (parsed.GetValue(data) is null && (parsed.GetValue(target) ?? parsed.GetValue(positive) ?? parsed.GetValue(task) ?? parsed.GetValue(name)) is not null) throw TaktException.Invalid("--target, --positive, --task and --name go with --data FILE: the table to learn from");
            var folder = ProjectFolder.Start(parsed);
            OwnProject.Made? made = null;
            if (parsed.GetValue(from) is { } sample) Sample.Copy(sample, folder);
            else if (parsed.GetValue(data) is { } table) made = OwnProject.Write(folder, table, parsed.GetValue(target), parsed.GetValue(positive), parsed.GetValue(name), parsed.GetValue(task));
            else Empty(folder);
            Ignore(Path.Combine(folder, ".gitignore"), made is null ? [".takt/"] : [".takt/", "/data/*", "!/data/*.takt", .. made.File.StartsWith("incoming/", StringComparison.Ordinal) ? (string[])["/incoming/"] : [], "/out/"]);
            if (parsed.GetValue(CommandLine.Json)) Terminal.Json(Json(folder, made));
            else if (made is not null) Tell(folder, made);
            else Terminal.Note($"a project in {folder}: `takt run` runs it, `takt serve` serves it", Terminal.Tone.Good);
            return ExitCode.Ok;
        });
        return command;
    }

    static void Empty(string folder)
    {
        var file = Path.Combine(folder, TaktFolder.ProjectFileName);
        if (File.Exists(file)) throw TaktException.Conflict($"{folder} has a {TaktFolder.ProjectFileName} already");
        var name = Path.GetFileName(Path.TrimEndingDirectorySeparator(folder));
        Directory.CreateDirectory(folder);
        Files.WriteAtomically(file, string.Format(Template, Data.YamlText.Of(name.Length > 0 ? name : "project")));
    }

    /// <summary>A class with fewer rows is hardly learned.</summary>
    const int FewOfClass = 20;

    const int ClassesTold = 6;

    static string Classes(OwnProject.Made made) => string.Join(", ", made.Classes.Take(ClassesTold).Select(c => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{c.Value} {(double)c.Count / made.Classes.Sum(o => o.Count):P0}")))
        + (made.Classes.Count > ClassesTold ? " …" : "");

    static void Tell(string folder, OwnProject.Made made)
    {
        var what = made.Task == "multiclass" ? $"{made.Target}, one of {made.Classes.Count} classes ({Classes(made)})" : made.Task == "binary" ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"the probability of {made.Target} = {made.Positive} ({made.Share:P1} of {made.Rows:N0} rows)") : string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{made.Target}, a number ({made.Rows:N0} rows)");
        Terminal.Note($"a project in {folder}: {made.Name} predicts {what} from {made.Features} columns, and is tested on {(made.Time is { } time ? $"the newest fifth by {time}" : "a fifth of the rows")}", Terminal.Tone.Good);
        foreach (var why in made.Left.GroupBy(l => l.Why)) Terminal.Note($"  left out: {string.Join(", ", why.Select(l => l.Column))} ({why.Key})");
        if (made.Classes.Count > 0 && made.Classes.All(c => long.TryParse(c.Value, out _))) Terminal.Note($"  {made.Target} is taken for codes of classes; --task regression predicts it as a number");
        var rare = made.Classes.Where(c => c.Count < FewOfClass).ToList();
        if (rare.Count > 0) Terminal.Note($"  few rows to learn from: {string.Join(", ", rare.Take(ClassesTold).Select(c => $"{c.Value} ({c.Count})"))}{(rare.Count > ClassesTold ? " …" : "")}");
        if (made.Numbers.Count > 0) Terminal.Note($"  read as numbers: {string.Join(", ", made.Numbers)}");
        var port = FreePort();
        var (run, serve) = ($"{Terminal.Called} run", $"{Terminal.Called} serve{(port == ServeCommand.DefaultPort ? "" : $" --port {port}")}");
        Terminal.Note($"""
              {run.PadRight(serve.Length)}    collect, check, split, train, evaluate, gate, register, deploy
              {serve}    the endpoint, its monitor and the dashboard on http://127.0.0.1:{port}
              curl --json @{Path.GetRelativePath(Environment.CurrentDirectory, Path.Combine(folder, "request.json"))} http://127.0.0.1:{port}/endpoints/{made.Name}/invocations
            All of it is in takt.yaml and sql/, yours to change.
            """);
    }

    /// <summary>The one that <c>takt serve</c> takes by itself, or the next that nobody listens on.</summary>
    static int FreePort()
    {
        var taken = System.Net.NetworkInformation.IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpListeners().Select(l => l.Port).ToHashSet();
        return Enumerable.Range(ServeCommand.DefaultPort, 100).FirstOrDefault(port => !taken.Contains(port), ServeCommand.DefaultPort);
    }

    static System.Text.Json.Nodes.JsonObject Json(string folder, OwnProject.Made? made)
    {
        var json = new System.Text.Json.Nodes.JsonObject { ["folder"] = folder };
        if (made is null) return json;
        (json["name"], json["source"], json["target"], json["task"], json["positive"], json["share"]) = (made.Name, made.File, made.Target, made.Task, made.Positive, made.Share);
        (json["rows"], json["features"], json["time"]) = (made.Rows, made.Features, made.Time);
        json["left"] = new System.Text.Json.Nodes.JsonArray([.. made.Left.Select(l => new System.Text.Json.Nodes.JsonObject { ["column"] = l.Column, ["why"] = l.Why })]);
        json["classes"] = new System.Text.Json.Nodes.JsonArray([.. made.Classes.Select(c => System.Text.Json.Nodes.JsonValue.Create(c.Value))]);
        json["numbers"] = new System.Text.Json.Nodes.JsonArray([.. made.Numbers.Select(n => System.Text.Json.Nodes.JsonValue.Create(n))]);
        return json;
    }

    /// <summary>State stays out of git, and so does what a run makes again or the store keeps; pointers do not.</summary>
    static void Ignore(string path, IEnumerable<string> what)
    {
        var text = File.Exists(path) ? File.ReadAllText(path) : "";
        var there = text.Split('\n').Select(Plain).ToHashSet(StringComparer.Ordinal);
        var lines = what.Where(line => !there.Contains(Plain(line))).ToList();
        if (lines.Count > 0) Files.WriteAtomically(path, text + (text.Length == 0 || text.EndsWith('\n') ? "" : "\n") + string.Join('\n', lines) + "\n");

        static string Plain(string line) => line.Trim().TrimEnd('/');
    }
}
