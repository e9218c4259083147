using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Takt.Data;

namespace Takt.Cli;

/// <summary><c>takt labels</c>: what became of predictions, out of files.</summary>
static class LabelCommands
{
    /// <summary>Labels a request; the server takes twice as many.</summary>
    const int AtOnce = 50_000;

    public static Command Create() => new("labels", "What turned out to be true of an endpoint's predictions") { Add() };

    static Command Add()
    {
        var endpoint = new Argument<string>("endpoint") { Description = "An endpoint of takt.yaml" };
        var files = new Argument<string[]>("files") { Description = "Tables (.csv, .parquet, .jsonl) with a column id or key, a column label, and perhaps time", Arity = ArgumentArity.OneOrMore };
        var command = new Command("add", "Give labels to predictions, by their ids or by the keys that the requests said") { endpoint, files };
        command.SetAction(async (parsed, cancel) =>
        {
            var start = ProjectFolder.Start(parsed);
            var (labels, without) = Read([.. parsed.GetRequiredValue(files).Select(file => Path.GetFullPath(file, start))]);
            await using var api = await ApiClient.Connect(parsed);
            var path = $"/api/v1/deployments/{Uri.EscapeDataString(parsed.GetRequiredValue(endpoint))}/labels";
            // names of classes first: where the endpoint says none, nothing has been sent when it refuses them
            foreach (var some in labels.OrderByDescending(l => l["label"]!.GetValueKind() == System.Text.Json.JsonValueKind.String).Chunk(AtOnce)) await api.Post(path, cancel, new JsonObject { ["labels"] = new JsonArray([.. some]) });
            if (parsed.GetValue(CommandLine.Json)) Terminal.Json(new JsonObject { ["accepted"] = labels.Count, ["without_label"] = without });
            else Terminal.Note(string.Create(CultureInfo.InvariantCulture, $"{labels.Count:N0} labels for {parsed.GetRequiredValue(endpoint)}{(without > 0 ? $"; {without:N0} {(without == 1 ? "row has" : "rows have")} none yet" : "")}"), Terminal.Tone.Good);
            return ExitCode.Ok;
        });
        return command;
    }

    /// <summary>All are read before the first is sent: of a file with a fault nothing is.</summary>
    static (List<JsonObject> Labels, int Without) Read(IReadOnlyList<string> files)
    {
        var what = string.Join(", ", files.Select(Path.GetFileName));
        if (files.FirstOrDefault(file => !File.Exists(file)) is { } absent) throw TaktException.NotFound($"there is no file {absent}");
        using var connection = DuckDb.Open(threads: 1);
        var table = DuckDb.Guard(what, () => Tables.Query(connection, $"select * from {DuckDb.Scan(files, asText: true)}"));
        var by = (table.Find("id"), table.Find("key")) switch { ({ }, null) => "id", (null, { }) => "key", _ => throw TaktException.Invalid($"{what}: a column id or a column key is needed, and not both; there are {string.Join(", ", table.Columns.Select(c => c.Name))}") };
        var (names, values, times) = (table[by], table.Find("label") ?? throw TaktException.Invalid($"{what}: there is no column label; there are {string.Join(", ", table.Columns.Select(c => c.Name))}"), table.Find("time"));
        var (labels, without, faults) = (new List<JsonObject>(table.Rows), 0, new List<string>());
        for (var row = 0; row < table.Rows; row++)
        {
            if (values.IsMissing(row) || values.TextAt(row) is not { Length: > 0 } text)
            {
                without++;
                continue;
            }
            var label = new JsonObject { [by] = names.IsMissing(row) ? "" : names.TextAt(row) };
            if (bool.TryParse(text, out var truth)) label["label"] = truth;
            else if (double.TryParse(text, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number)) label["label"] = number;
            else label["label"] = text; // the name of a class
            if (label[by]!.GetValue<string>().Length == 0) faults.Add($"{what}, row {row + 1}: the {by} is missing");
            if (times is not null && !times.IsMissing(row))
            {
                if (DateTimeOffset.TryParse(times.TextAt(row), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)) label["time"] = time.ToString("o", CultureInfo.InvariantCulture);
                else faults.Add($"{what}, row {row + 1}: '{times.TextAt(row)}' is no time; write 2026-03-01T10:00:00Z");
            }
            if (faults.Count >= 10) break;
            labels.Add(label);
        }
        return faults.Count > 0 ? throw new TaktException(TaktError.Invalid, faults) : (labels, without);
    }
}
