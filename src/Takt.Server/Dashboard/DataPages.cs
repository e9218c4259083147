using System.Globalization;
using Takt.Data;
using Takt.Deployments;

namespace Takt.Server.Dashboard;

static class DataPages
{
    public static (string, Html) List(TaktApp app)
    {
        var now = app.Time.GetUtcNow();
        return ("Data", Parts.Section("Datasets", Parts.Table(["Dataset", "Version", "Rows", "Files", "Size", "Versions", "Collected"], app.Datasets.List().Select(d => new[]
        {
            Parts.Link($"/data/{d.Name}", d.Name), Parts.Id(d.Tip.Id.ToString()), Parts.Count(d.Tip.Rows), Parts.Count(d.Tip.Files), Parts.Size(d.Tip.Bytes), Parts.Count(d.Commits), Parts.Time(d.Tip.Time, now),
        }), "No data has been collected.", "takt run", "Datasets")));
    }

    public static async Task<(string, Html)> One(TaktApp app, string name)
    {
        var now = app.Time.GetUtcNow();
        var log = app.Datasets.Log(name);
        var profile = await app.Datasets.Profile(log[0]);
        return (name, Html.Of($"""
            {(profile is null ? Html.None : Parts.Section("Profile", Parts.Table(["Column", "Type", "Distribution", "Missing", "Distinct", "Least", "Mean", "Most", "Most frequent"], profile.Columns.Select(Column),
                "The newest version holds no table.", "takt data profile", "Profile"), $"newest version, {profile.Rows:N0} rows"))}
            {Parts.Section("Versions", Parts.Table(["Version", "Rows", "Files", "Size", "Source", "Collected"], log.Select(c => new[]
            {
                Parts.Id(c.Id.ToString()), Parts.Count(c.Rows), Parts.Count(c.Files), Parts.Size(c.Bytes), Parts.Text(c.Source), Parts.Time(c.Time, now),
            }), "No version.", "takt run", "Versions"))}
            {await LineageDrawing.Section(app, $"data:{name}", LineageDirection.Both)}
            """));
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
