using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Takt.Models;

namespace Takt.Cli;

/// <summary><c>takt score</c>: data files through a model, in-process.</summary>
static class ScoreCommand
{
    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "flights@champion, flights@7, or the folder of a model package" };
        var data = new Argument<string[]>("data") { Description = "Data files or folders (.parquet, .csv, .jsonl)", Arity = ArgumentArity.OneOrMore };
        var output = new Option<string>("--output", "-o") { Description = "Where the rows go, the answers beside them: .parquet, .csv or .jsonl", Required = true };
        var keep = new Option<string[]>("--keep") { Description = "Columns of the data to write; all when absent", AllowMultipleArgumentsPerToken = true };
        var explain = new Option<bool>("--explain") { Description = "Add what each input contributed to each answer (exact TreeSHAP)" };
        var command = new Command("score", "Run a model over data files") { model, data, output, keep, explain };
        command.SetAction(async (parsed, cancel) =>
        {
            var start = ProjectFolder.Start(parsed);
            string At(string path) => Path.GetFullPath(path, start);
            await using var app = ProjectFolder.Open(parsed, ProjectFolder.At(parsed));
            var reference = parsed.GetRequiredValue(model);
            var version = Directory.Exists(At(reference)) ? null : app.Models.Resolve(reference);
            using var loaded = version is null ? app.Models.LoadFolder(At(reference)) : await app.Models.Load(version, cancel);
            var (to, clock) = (parsed.GetRequiredValue(output), Stopwatch.StartNew());
            long rows;
            using (var line = ProgressLine.Show(parsed, "scoring"))
            {
                line.Say("reading");
                rows = await BatchScore.Run(loaded, [.. parsed.GetRequiredValue(data).Select(At)], At(to), parsed.GetValue(keep) is { Length: > 0 } names ? names : null, parsed.GetValue(explain),
                    done => line.Say(string.Create(CultureInfo.InvariantCulture, $"{done:N0} rows, {done / Math.Max(0.001, clock.Elapsed.TotalSeconds):N0} a second")), cancel);
            }
            if (parsed.GetValue(CommandLine.Json))
                Terminal.Json(new JsonObject { ["model"] = version?.Reference ?? reference, ["rows"] = rows, ["output"] = to, ["seconds"] = Math.Round(clock.Elapsed.TotalSeconds, 3) });
            else
                Terminal.Note(string.Create(CultureInfo.InvariantCulture, $"{to}: {rows:N0} rows scored by {version?.Reference ?? reference} in {clock.Elapsed.TotalSeconds:0.0} s"), Terminal.Tone.Good);
            return ExitCode.Ok;
        });
        return command;
    }
}
