using System.CommandLine;
using System.Text.Json;
using Takt.Data;

namespace Takt.Cli;

/// <summary><c>takt data diff</c> and <c>takt data sql</c>: versions of tables, compared and queried.</summary>
static class TableCommands
{
    const int ShownFiles = 20;

    static readonly Option<int> MemoryOption = new("--memory") { Description = "MiB of working memory before it spills to disk (default: a quarter of the machine's)" };
    static readonly Option<double?> TimeOption = new("--timeout") { Description = "Seconds it may take" };

    public static Command Diff()
    {
        var from = new Argument<string>("before") { Description = "NAME@REF or NAME@sha256:…; with one version, it is compared with the one before it" };
        var to = new Argument<string?>("now") { Description = "NAME, NAME@REF or NAME@sha256:…", Arity = ArgumentArity.ZeroOrOne };
        var key = new Option<string[]>("--key", "-k") { Description = "Columns that name a row (default: the one column whose values are unique in both)", AllowMultipleArgumentsPerToken = true };
        var samples = new Option<int>("--rows", "-n") { Description = "Rows shown of each kind", DefaultValueFactory = _ => 5 };
        var files = new Option<bool>("--files") { Description = "Files and columns only, no rows" };
        var command = new Command("diff", "What lies between two versions: files, columns, and rows by key") { from, to, key, samples, files, MemoryOption, TimeOption };
        command.SetAction(async (parsed, cancel) =>
        {
            await using var app = DataCommands.Open(parsed);
            var (before, now) = (parsed.GetRequiredValue(from), parsed.GetValue(to));
            if (now is null)
            {
                var commit = app.Datasets.Show(before);
                if (commit.Parents.Count == 0) throw TaktException.Invalid($"{before} is the first version; name two to compare");
                (before, now) = ($"{commit.Dataset}@{commit.Parents[0]}", before);
            }
            var options = new DiffOptions
            {
                Key = (parsed.GetValue(key) ?? []).SelectMany(k => k.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)).ToList(),
                Samples = Math.Clamp(parsed.GetValue(samples), 0, 1000),
                Rows = !parsed.GetValue(files),
                Limits = Limits(parsed),
            };
            var diff = await new DatasetDiffs(app.Datasets).Between(before, now, options, cancel);
            if (!DataCommands.Json(parsed, diff, DiffJson.Default.DatasetDiff)) Print(diff);
            return ExitCode.Ok;
        });
        return command;
    }

    public static Command Query()
    {
        var sql = new Argument<string>("query") { Description = "One SELECT; a dataset is a table of its name, trips@v3 is a version of it" };
        var limit = new Option<int?>("--limit") { Description = "Rows at most (default: 50 in a table, all otherwise)" };
        var format = new Option<string>("--format", "-f") { Description = "table, csv, json (a line a row) or parquet (with --output)", DefaultValueFactory = _ => "table" };
        format.AcceptOnlyFromAmong("table", "csv", "json", "parquet");
        var output = new Option<string?>("--output", "-o") { Description = "Write the result to this file: .parquet, .csv or .jsonl" };
        var command = new Command("sql", "Query any versions: takt data sql \"select count(*) from trips@v3\"") { sql, limit, format, output, MemoryOption, TimeOption };
        command.SetAction(async (parsed, cancel) =>
        {
            await using var app = DataCommands.Open(parsed);
            var query = new DatasetQuery(app.Datasets);
            var (text, most) = (parsed.GetRequiredValue(sql), parsed.GetValue(limit));
            var wanted = parsed.GetValue(CommandLine.Json) ? "json" : parsed.GetValue(format)!;
            if (parsed.GetValue(output) is { } file)
            {
                var path = Path.GetFullPath(file, ProjectFolder.Start(parsed));
                if (wanted == "parquet" && !path.EndsWith(".parquet", StringComparison.Ordinal)) throw TaktException.Invalid($"'{file}' must end with .parquet for --format parquet");
                var rows = await query.Write(Limited(text, most), path, Limits(parsed), cancel);
                Terminal.Note($"{file}: {DataText.Count(rows, "row")}");
                return ExitCode.Ok;
            }
            if (wanted == "parquet") throw TaktException.Invalid("--format parquet is a file: add --output FILE.parquet");
            if (wanted == "table")
            {
                var shown = most ?? 50;
                var table = await query.Table(text, shown == int.MaxValue ? shown : shown + 1, Limits(parsed), cancel);
                DataText.Rows(table.Columns.Select(c => c.Name).ToArray(), Enumerable.Range(0, Math.Min(shown, table.Rows)).Select(row => table.Columns.Select(c => c.TextAt(row) ?? "").ToArray()));
                if (table.Rows > shown) Terminal.Note($"the first {DataText.Count(shown, "row")}; --limit shows more, --format csv all", Terminal.Tone.Dim);
                return ExitCode.Ok;
            }
            await ToStandardOutput(app.Datasets.Scratch() + (wanted == "csv" ? ".csv" : ".jsonl"), path => query.Write(Limited(text, most), path, Limits(parsed), cancel), cancel);
            return ExitCode.Ok;
        });
        return command;
    }

    // by way of a file: a result of any size goes through without being held
    static async Task ToStandardOutput(string path, Func<string, Task> write, CancellationToken cancel)
    {
        try
        {
            await write(path);
            await using var content = File.OpenRead(path);
            await using var output = Console.OpenStandardOutput();
            await content.CopyToAsync(output, cancel);
        }
        finally
        {
            File.Delete(path);
        }
    }

    static string Limited(string sql, int? limit) => limit is null ? sql : $"select * from (\n{sql.TrimEnd().TrimEnd(';')}\n) limit {limit}";

    static QueryLimits Limits(ParseResult parsed) => new((long)Math.Max(0, parsed.GetValue(MemoryOption)) << 20, parsed.GetValue(TimeOption) is > 0 and var seconds ? TimeSpan.FromSeconds(seconds) : null);

    static void Print(DatasetDiff diff)
    {
        Console.WriteLine($"{Short(diff.From)} → {Short(diff.To)}");
        var (added, removed) = (diff.Files.Count(f => f.SizeBefore is null), diff.Files.Count(f => f.SizeNow is null));
        Console.WriteLine($"files    {added:N0} added, {removed:N0} removed, {diff.Files.Count - added - removed:N0} changed, {diff.SameFiles:N0} the same");
        foreach (var file in diff.Files.Take(ShownFiles))
            Console.WriteLine($"  {(file.SizeBefore is null ? '+' : file.SizeNow is null ? '-' : '~')} {DataText.OneLine(file.Path)}  {(file is { SizeBefore: { } b, SizeNow: { } n } ? $"{DataText.Size(b)} → {DataText.Size(n)}" : DataText.Size(file.SizeNow ?? file.SizeBefore ?? 0))}");
        if (diff.Files.Count > ShownFiles) Console.WriteLine($"  … and {diff.Files.Count - ShownFiles:N0} more (--json has all)");
        Console.WriteLine(diff.Columns.Count == 0 ? "columns  the same" : $"columns  {diff.Columns.Count:N0} differ{(diff.Columns.Count == 1 ? "s" : "")}");
        foreach (var column in diff.Columns)
            Console.WriteLine(column.Before is null ? $"  + {column.Name} {column.Now}" : column.Now is null ? $"  - {column.Name} {column.Before}" : $"  ~ {column.Name} {column.Before} → {column.Now}");
        if (diff.Rows is not { } rows)
        {
            Console.WriteLine($"rows     not compared: {diff.NoRows?.ReplaceLineEndings(" ")}");
            return;
        }
        var by = rows.Key.Count == 0 ? "whole rows" : $"by {string.Join(", ", rows.Key)}{(rows.Inferred ? " (its values are unique)" : "")}";
        Console.WriteLine($"rows     {rows.Added:N0} added, {rows.Removed:N0} removed, {rows.Changed:N0} changed, {rows.Same:N0} the same in files that differ, {by}");
        if (rows.ChangedColumns.Count > 0) Console.WriteLine($"         changed in {string.Join(", ", rows.ChangedColumns.OrderByDescending(c => c.Value).Select(c => $"{c.Key} {c.Value:N0}"))}");
        foreach (var row in rows.Samples) Console.WriteLine("  " + Row(row, rows.Key));
    }

    static string Row(RowChange row, IReadOnlyList<string> key) => row switch
    {
        { Before: { } before, Now: { } now } =>
            $"~ {{{string.Join(", ", key.Select(k => $"{k}: {before[k] ?? "null"}"))}}} {string.Join("; ", before.Keys.Except(key).Select(c => $"{c}: {before[c] ?? "null"} → {now[c] ?? "null"}"))}",
        { Now: { } now } => $"+ {{{string.Join(", ", now.Take(12).Select(v => $"{v.Key}: {v.Value ?? "null"}"))}}}",
        _ => $"- {{{string.Join(", ", row.Before!.Take(12).Select(v => $"{v.Key}: {v.Value ?? "null"}"))}}}",
    };

    static string Short(string reference) => reference.IndexOf("@sha256:", StringComparison.Ordinal) is >= 0 and var at ? reference[..Math.Min(reference.Length, at + 20)] : reference;
}
