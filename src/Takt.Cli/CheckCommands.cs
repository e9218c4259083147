using System.CommandLine;
using Takt.Data;
using Takt.Pipelines;

namespace Takt.Cli;

/// <summary><c>takt data check</c>, <c>checks</c>, <c>suggest</c>: what data must be like, and whether it is.</summary>
static class CheckCommands
{
    public static Command Check()
    {
        var what = new Argument<string>("what") { Description = "A dataset (NAME, NAME@REF), or a file or folder of tables with --expect" };
        var expect = new Option<string?>("--expect", "-e") { Description = "A file of expectations, instead of those in takt.yaml" };
        var all = new Option<bool>("--all") { Description = "Show what passed, too" };
        var command = new Command("check", "Hold a version to its expectations; the result is kept with it") { what, expect, all };
        command.SetAction(async (parsed, cancel) =>
        {
            var (wanted, file) = (parsed.GetRequiredValue(what), parsed.GetValue(expect));
            var start = ProjectFolder.Start(parsed);
            CheckReport report;
            if (file is not null && await DataCommands.TablesAt(parsed, wanted) is { } path)
                report = ExpectationReader.ReadFile(Path.Combine(start, file), file).Check([path], null, cancel);
            else
            {
                await using var app = DataCommands.Open(parsed);
                var name = wanted.Split('@')[0];
                if (file is null && TaktFolder.Find(start) is null) throw TaktException.Invalid($"there is no takt.yaml here that says what '{name}' must be like: name a file of expectations with --expect ('takt data suggest {name}' writes a start)");
                var rules = file is not null ? ExpectationReader.ReadFile(Path.Combine(start, file), file) : ExpectationReader.Of(Project.Load(app.Folder, app.Steps), name);
                report = (await app.Datasets.Check(wanted, rules, cancel)).Report;
            }
            if (!DataCommands.Json(parsed, report, CheckJson.Default.CheckReport)) Print(wanted, report, parsed.GetValue(all));
            return report.Failed > 0 ? ExitCode.Failed : ExitCode.Ok;
        });
        return command;
    }

    public static Command Checks()
    {
        var reference = new Argument<string>("dataset") { Description = "NAME: all its checks, also of versions that were refused; NAME@REF: those of one version" };
        var most = new Option<int>("--limit") { Description = "How many", DefaultValueFactory = _ => 20 };
        var command = new Command("checks", "What checks of a dataset found, the newest first") { reference, most };
        command.SetAction(async (parsed, cancel) =>
        {
            await using var app = DataCommands.Open(parsed);
            var wanted = parsed.GetRequiredValue(reference);
            DatasetReference.CheckName(wanted.Split('@')[0]);
            var commit = wanted.Contains('@') ? app.Datasets.Show(wanted) : null;
            var checks = app.Datasets.Checks(wanted.Split('@')[0], commit?.Id, Math.Clamp(parsed.GetValue(most), 1, 1000));
            if (DataCommands.Json(parsed, checks, CheckJson.Default.IReadOnlyListStoredCheck)) return ExitCode.Ok;
            if (checks.Count == 0) Console.Error.WriteLine($"no checks of {wanted} yet; expectations stand under data: in takt.yaml, and 'takt data check {wanted}' holds a version to them");
            else DataText.Rows(["VERSION", "AT", "ROWS", "PASSED", "WARNED", "FAILED", "SKIPPED", "FIRST FAULT"], checks.Select(check => new[]
            {
                check.Commit is { } id ? id[..Math.Min(id.Length, 19)] : "refused", DataText.Time(check.At), DataText.Count(check.Report.Rows),
                $"{check.Report.Passed}", $"{check.Report.Warned}", $"{check.Report.Failed}", $"{check.Report.Skipped}",
                check.Report.Results.FirstOrDefault(result => result.Status == CheckStatus.Failed)?.ToString() ?? check.Report.Results.FirstOrDefault(result => result.Status == CheckStatus.Warned)?.ToString() ?? "",
            }));
            await Task.CompletedTask;
            return ExitCode.Ok;
        });
        return command;
    }

    public static Command Suggest()
    {
        var what = new Argument<string>("what") { Description = "A dataset (NAME, NAME@REF), or a file or folder of tables" };
        var command = new Command("suggest", "Expectations that the data meets now, as YAML to paste into takt.yaml") { what };
        command.SetAction(async (parsed, cancel) =>
        {
            Console.Write(SuggestedExpectations.Yaml(await DataCommands.ProfileOf(parsed, parsed.GetRequiredValue(what), cancel)));
            return ExitCode.Ok;
        });
        return command;
    }

    static void Print(string what, CheckReport report, bool all)
    {
        if (report.Kinds is { } kinds) Terminal.Note($"takt: warning: {TableKind.Told(kinds)}", Terminal.Tone.Warn);
        foreach (var result in report.Results.Where(result => all || result.Status != CheckStatus.Passed))
        {
            var mark = result.Status switch { CheckStatus.Passed => "ok   ", CheckStatus.Warned => "warn ", CheckStatus.Failed => "FAIL ", _ => "skip " };
            Console.WriteLine(mark + result);
        }
        Console.WriteLine($"{what}: {DataText.Count(report.Rows, "row")}; {report.Passed} passed, {report.Warned} warned, {report.Failed} failed, {report.Skipped} skipped");
    }
}
