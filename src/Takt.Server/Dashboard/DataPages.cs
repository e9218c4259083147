using System.Globalization;
using Takt.Data;
using Takt.Deployments;
using Takt.Runs;

namespace Takt.Server.Dashboard;

static class DataPages
{
    const int MostChecks = 20;
    const int MostResults = 500;

    /// <summary>So many that passed are shown at once.</summary>
    const int FewChecks = 8;

    public static (string, Html) List(TaktApp app, Workspace workspace)
    {
        if (!workspace.IsDefault) return ("Data", WorkspaceChoice.Elsewhere("Datasets"));
        var now = app.Time.GetUtcNow();
        return ("Data", Html.Of($"{Datasets(app, now)}{Refreshes(app, now)}"));
    }

    static Html Datasets(TaktApp app, DateTimeOffset now) => Parts.Section("Datasets", Parts.Table(["Dataset", "Version", "Rows", "Files", "Size", "Versions", "Collected"], app.Datasets.List().Select(d => new[]
        {
            Parts.Link($"/data/{d.Name}", d.Name), Version(app.Datasets.Numbers(d.Name), d.Tip), Parts.Count(d.Tip.Rows), Parts.Count(d.Tip.Files), Parts.Size(d.Tip.Bytes), Parts.Count(d.Commits), Parts.Time(d.Tip.Time, now),
        }), "Datasets are tables and folders with a history: what each column holds, which version came when and from where, what was made of it. There is none yet.",
        File.Exists(app.Folder.ProjectFile) ? "takt run\ntakt data add data/" : "takt data add data/\ntakt init --data FILE --target COLUMN", "Datasets", numbers: [2, 3, 4, 5]));

    /// <summary>What is collected on a schedule; nothing when nothing is, or when the project file has faults, which the Pipelines page shows.</summary>
    static Html Refreshes(TaktApp app, DateTimeOffset now)
    {
        IReadOnlyList<Refresh> list;
        try
        {
            list = File.Exists(app.Folder.ProjectFile) ? app.Refreshes.List() : [];
        }
        catch (TaktException)
        {
            return Html.None;
        }
        if (list.Count == 0) return Html.None;
        return Parts.Section("Refreshed on a schedule", Parts.Table(["Stage", "Schedule (UTC)", "State", "Next", "Last success", "Last error"], list.Select(r => new[]
        {
            Parts.Text(r.Stage), Parts.Text(r.Schedule), Parts.Badge(r.Failures > 1 ? $"{r.State}, {r.Failures} times" : r.State, r.State switch { "ok" => "good", "failing" => "bad", "running" => "busy", _ => "quiet" }), Parts.Text(r.NextAt?.UtcDateTime.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture)), Parts.Time(r.SucceededAt, now), Parts.Brief(r.Error ?? ""),
        }), "Nothing is.", "takt status", "Refreshed on a schedule", dropEmpty: true));
    }

    public static async Task<(string, Html)> One(TaktApp app, Workspace workspace, string name)
    {
        if (!workspace.IsDefault) throw WorkspaceChoice.NotHere("dataset", name, workspace);
        var now = app.Time.GetUtcNow();
        var log = app.Datasets.Log(name);
        var numbers = app.Datasets.Numbers(name);
        var profile = await app.Datasets.Profile(log[0]);
        return (name, Html.Of($"""
            {(profile is null ? Html.None : Parts.Section("Profile", Parts.Table(["Column", "Type", "Distribution", "Missing", "Distinct", "Least", "Mean", "Most", "Most frequent"], profile.Columns.Select(Column),
                "The newest version holds no table.", "takt data profile", "Profile", numbers: [3, 4, 5, 6, 7], dropEmpty: true), $"newest version, {profile.Rows:N0} rows"))}
            {Parts.Section("Versions", Parts.Table(["Version", "Rows", "Files", "Size", "Source", "Collected"], log.Select(c => new[]
            {
                Version(numbers, c), Parts.Count(c.Rows), Parts.Count(c.Files), Parts.Size(c.Bytes), Parts.Text(c.Source), Parts.Time(c.Time, now),
            }), "No version.", "takt run", "Versions", numbers: [1, 2, 3], dropEmpty: true), $"{log.Count:N0}{Kept(app, name)}")}
            {Checks(app, name, now)}
            {await LineageDrawing.Section(app, workspace, $"data:{name}", LineageDirection.Both)}
            """));
    }

    /// <summary>As commands take it, and its digest.</summary>
    static Html Version(IReadOnlyDictionary<Digest, long> numbers, DatasetCommit commit) => Html.Of($"<span class=\"once\">v{numbers[commit.Id]} {Parts.Id(commit.Id.ToString())}</span>");

    static string Kept(TaktApp app, string name) => app.DatasetRetention.List().FirstOrDefault(rule => rule.Dataset == name) is not { } rule ? ""
        : $"; garbage collection keeps {string.Join(" and ", ((string?[])[rule.KeepLast is { } last ? $"the newest {last:N0}" : null, rule.KeepFor is { } age ? $"those of the last {age.TotalDays:0.#} days" : null]).Where(part => part is not null))}, and what is named";

    /// <summary>What the expectations found in the newest check, and in those before it.</summary>
    static Html Checks(TaktApp app, string name, DateTimeOffset now)
    {
        var checks = app.Datasets.Checks(name, null, MostChecks);
        if (checks is not [var newest, ..]) return Html.None;
        static Html Counts(CheckReport r) => Html.Of($"{(r.Failed > 0 ? Parts.Badge($"{r.Failed} failed", "bad") : Html.None)} {(r.Warned > 0 ? Parts.Badge($"{r.Warned} warned", "warn") : Html.None)} {Parts.Badge($"{r.Passed} passed", r.Failed + r.Warned == 0 ? "good" : "quiet")} {(r.Skipped > 0 ? Parts.Badge($"{r.Skipped} skipped", "quiet") : Html.None)}");
        Html Results(IEnumerable<CheckResult> results, string label) => Parts.Table(["Column", "Expectation", "Result", "What was found", "Rows"], results.OrderBy(r => r.Status switch { CheckStatus.Failed => 0, CheckStatus.Warned => 1, CheckStatus.Skipped => 2, _ => 3 }).Take(MostResults).Select(r => new[]
        {
            Html.Of($"<b>{r.Column ?? "table"}</b>"), Html.Of($"{(r.Name is null ? Html.None : Html.Of($"{r.Name} "))}<code>{r.Rule}{(r.Where is null ? "" : $" where {r.Where}")}</code>"),
            Parts.Badge(r.Status.ToString().ToLowerInvariant(), r.Status switch { CheckStatus.Passed => "good", CheckStatus.Failed => "bad", CheckStatus.Warned => "warn", _ => "quiet" }), Parts.Long(r.Message), r.Count > 0 ? Parts.Count(r.Count) : Html.None,
        }), "The check held no expectation.", "takt data suggest " + name, label, numbers: [4], dropEmpty: true);
        // what needs nobody's eyes is folded
        var (passed, open) = (newest.Report.Results.Where(r => r.Status == CheckStatus.Passed).ToList(), newest.Report.Results.Where(r => r.Status != CheckStatus.Passed).ToList());
        return Parts.Section("Expectations", Html.Of($"""
            {(open.Count > 0 || passed.Count == 0 ? Results(open, "Expectations that did not pass") : Html.None)}
            {(passed.Count == 0 ? Html.None : Html.Of($"<details{new Html(open.Count == 0 && passed.Count <= FewChecks ? " open" : "")}><summary>{Parts.Badge($"{passed.Count:N0} passed", "good")}</summary>{Results(passed, "Expectations that passed")}</details>"))}
            <details><summary>Earlier checks</summary>{Parts.Table(["Version", "Result", "Rows", "Checked"], checks.Select(c => new[] { c.Commit is null ? Parts.Badge("refused", "bad") : Parts.Id(c.Commit), Counts(c.Report), Parts.Count(c.Report.Rows), Parts.Time(c.At, now) }), "", "", "Earlier checks", numbers: [2])}</details>
            """), newest.Commit is null ? "a version that was refused" : "newest check");
    }

    static Html[] Column(ColumnProfile c) =>
    [
        Html.Of($"<b>{c.Name}</b>"), Parts.Text(c.Type.ToString().ToLowerInvariant()),
        Distribution(c),
        Parts.Count(c.Missing), Parts.Count(c.Distinct), Value(c, c.Min), c.Type == ColumnType.Time ? Html.None : Parts.Number(c.Mean, "0.##"), Value(c, c.Max),
        Parts.Text(string.Join(", ", c.Top.Take(3).Select(t => $"{t.Value} ({t.Count:N0})"))),
    ];

    static Html Distribution(ColumnProfile c) => c.TopIsAll && c.BinCounts.Count > 0
        ? Parts.Columns(c.Top.OrderBy(t => double.TryParse(t.Value, CultureInfo.InvariantCulture, out var number) ? number : 0).ThenBy(t => t.Value, StringComparer.Ordinal).Select(t => t.Count).ToList(), $"{c.Name}: each of its values, the least first")
        : c.BinCounts.Count > 0 ? Parts.Density(c.Cuts, c.BinCounts, $"{c.Name}: the middle 98 % of its values")
        : Parts.Columns(c.Top.Take(12).Select(t => t.Count).ToList(), $"{c.Name}: its most frequent values");

    static Html Value(ColumnProfile c, double? value) => value is null ? Html.None
        : c.Type == ColumnType.Time ? Parts.Day(DateTimeOffset.UnixEpoch.AddTicks((long)(value.Value * 10))) : Parts.Number(value, "0.####");
}
