using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Takt.Runs;
using Takt.Server;

namespace Takt.Cli.Demo;

/// <summary><c>takt demo</c>: the whole loop on real flights, in a folder of its own.</summary>
static class DemoCommand
{
    public static Command Create()
    {
        var once = new Option<bool>("--once") { Description = "End when the story is told, also in a terminal" };
        var port = new Option<int>("--port", "-p") { Description = "0 takes any that is free", DefaultValueFactory = _ => 0 };
        var weeks = new Option<int>("--weeks") { Description = "How many weeks to play, 6 to 26", DefaultValueFactory = _ => 26 };
        var command = new Command("demo", "Play the whole loop on half a year of real flights, in ./takt-demo") { once, port, weeks };
        command.SetAction(async (parsed, cancel) =>
        {
            var last = parsed.GetValue(weeks);
            if (last is < Sample.FirstWeeks + 2 or > 26) throw TaktException.Invalid("--weeks must be 6 to 26");
            return await Play(ProjectFolder.Start(parsed), parsed.GetValue(port), last, parsed.GetValue(once), cancel);
        });
        return command;
    }

    static async Task<int> Play(string start, int port, int last, bool once, CancellationToken cancel)
    {
        var clock = Stopwatch.StartNew();
        var folder = TaktFolder.At(Path.Combine(start, "takt-demo"));
        var again = File.Exists(folder.ProjectFile);
        if (!again) Sample.Copy("flights", folder.Root);
        var files = Sample.Weeks("flights");

        await using var server = await TaktServer.Start(folder, "127.0.0.1", port, cancel: cancel);
        Terminal.Note($"takt demo in {folder.Root}; watch it on {Address(server)}", Terminal.Tone.Good);
        if (again)
        {
            Terminal.Note("The story was played here before: it begins anew, and what was computed then comes from the cache.");
            await FlightsStory.Rewind(server.App);
        }
        Terminal.Note($"\nWeeks 1–{Sample.FirstWeeks}: will this flight be more than 15 minutes late? Trained on three weeks, tested on the fourth.");
        var display = new RunDisplay(quiet: true);
        var first = await server.App.Pipelines.Run(new PipelineRequest([]), display.Tell, null, cancel);
        display.Close(first);
        if (!first.Succeeded) return first.StoppedByGate ? ExitCode.GateNotPassed : ExitCode.Failed;
        await Live(server, cancel);

        Terminal.Note($"\nWeeks {Sample.FirstWeeks + 1}–{last}: every flight is asked about over HTTP; which were late is told when the week is over.");
        var weeks = Enumerable.Range(Sample.FirstWeeks + 1, last - Sample.FirstWeeks).Select(n => FlightWeek.Read(n, files[n - 1]));
        var story = new FlightsStory(server, [.. weeks], line => Terminal.Note(line));
        var told = await story.Play(cancel);

        var ends = once || Console.IsInputRedirected || Console.IsOutputRedirected;
        Close(server, story, told, $"{Terminal.Program} -C {Path.GetRelativePath(Environment.CurrentDirectory, folder.Root)}", ends);
        Terminal.Note($"\nThe loop went round in {clock.Elapsed.TotalSeconds:0} s.", Terminal.Tone.Good);
        if (ends) return ExitCode.Ok;
        Terminal.Note($"Still serving on {Address(server)}; Ctrl-C ends it.");
        await server.WaitForShutdown(cancel);
        return ExitCode.Ok;
    }

    /// <summary>Waits for the first revision to answer.</summary>
    static async Task Live(TaktServer server, CancellationToken cancel)
    {
        while (server.App.Router.Find("flights") is null) await Task.Delay(TimeSpan.FromMilliseconds(20), cancel);
    }

    static void Close(TaktServer server, FlightsStory story, IReadOnlyList<StoryWeek> told, string takt, bool ends)
    {
        var rollouts = story.Rollouts();
        Console.WriteLine();
        DataText.Rows(["WEEK", "FLIGHTS", "LATE", "PREDICTED", "AUC", "LOG LOSS", "MOST DRIFT", "SERVED BY", "ACTION"], told.Select(w => new[]
        {
            $"{w.Week}", w.Flights.ToString("N0", CultureInfo.InvariantCulture), Percent(w.Late), Percent(w.Predicted), Number(w.Auc), Number(w.LogLoss), w.Drift, w.Model,
            rollouts.FirstOrDefault(r => w.Action.Contains($"{r.Key},", StringComparison.Ordinal)) is { Key: { } key, Value: { } end } ? w.Action.Replace("canary", end, StringComparison.Ordinal) : w.Action,
        }));
        var app = server.App;
        Console.WriteLine();
        DataText.Rows(["WHAT", "WHERE"],
        [
            ["project", app.Folder.ProjectFile],
            ["versions of the data", $"{takt} data log flights"],
            ["models", $"{takt} models show flights@champion   ({app.Models.Find("flights@champion")?.Reference})"],
            ["rollouts", $"{takt} deploy history flights"],
            ["windows and alerts", $"{takt} monitor show flights"],
            ["predictions and labels", Path.Combine(app.Folder.Predictions, "flights")],
            ["runs and their logs", app.Folder.Runs],
            ["dashboard", ends ? $"{takt} serve" : Address(server)],
        ]);
        if (app.Predictions.Of("flights").Dropped is > 0 and var dropped) Terminal.Note($"{dropped:N0} predictions were not logged: the queue was full", Terminal.Tone.Bad);
    }

    static string Address(TaktServer server) => server.Address.ToString().TrimEnd('/');

    static string Percent(double? value) => value?.ToString("P1", CultureInfo.InvariantCulture) ?? "";

    static string Number(double? value) => value?.ToString("0.000", CultureInfo.InvariantCulture) ?? "";
}
