namespace Takt.Server.Dashboard;

static class ModelPages
{
    public static (string, Html) List(TaktApp app)
    {
        var now = app.Time.GetUtcNow();
        return ("Models", Parts.Section("Registered models", Parts.Table(["Model", "Newest", "Aliases", "AUC", "Log loss", "Registered"], app.Models.Names().Select(name =>
        {
            var versions = app.Models.Versions(name);
            var newest = versions.Count > 0 ? versions[0] : null;
            return new[]
            {
                Parts.Link($"/models/{name}", name), Parts.Text(newest?.Reference), Html.Join(versions.SelectMany(v => v.Aliases.Select(a => Html.Of($"{Parts.Badge($"{a} → {v.Version}", "busy")} ")))),
                Metric(newest?.Metrics, "auc"), Metric(newest?.Metrics, "log_loss"), Parts.Time(newest?.CreatedAt, now),
            };
        }), "No model has been registered.", "takt run", "Models")));
    }

    public static (string, Html) One(TaktApp app, string name)
    {
        var now = app.Time.GetUtcNow();
        _ = app.Models.Resolve(name);
        var versions = app.Models.Versions(name);
        return (name, Html.Of($"""
            {Parts.Section("Versions", Parts.Table(["Version", "Aliases", "AUC", "Log loss", "Brier", "Run", "Code", "Data", "Registered"], versions.Select(v => new[]
            {
                Html.Of($"<b>{v.Version}</b>"), Html.Join(v.Aliases.Select(a => Html.Of($"{Parts.Badge(a, a == "champion" ? "good" : "busy")} "))), Metric(v.Metrics, "auc"), Metric(v.Metrics, "log_loss"), Metric(v.Metrics, "brier"),
                Parts.Id(v.Run?.Value, $"/runs/{v.Run}"), Parts.Id(v.CodeCommit), Html.Join(v.DatasetCommits.Select(c => Html.Of($"{Parts.Link($"/data/{c.Split('@')[0]}", c.Split('@')[0])} {Parts.Id(c.Split('@')[^1])} "))), Parts.Time(v.CreatedAt, now),
            }), "No version.", "takt run", "Versions"))}
            {Parts.Section("History", Parts.Table(["When", "Version", "What", "Detail"], app.Models.History(name).Select(e => new[] { Parts.Time(e.Time, now), Parts.Count(e.Version), Parts.Text(e.Kind), Parts.Text(e.Detail) }), "Nothing happened.", "takt run", "History"))}
            """));
    }

    static Html Metric(IReadOnlyDictionary<string, double>? metrics, string name) => Parts.Number(metrics is not null && metrics.TryGetValue(name, out var value) ? value : null);
}
