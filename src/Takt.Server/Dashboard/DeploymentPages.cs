using Takt.Data;
using Takt.Deployments;

namespace Takt.Server.Dashboard;

static class DeploymentPages
{
    const int Recent = 20;

    public static (string, Html) List(TaktApp app)
    {
        var now = app.Time.GetUtcNow();
        return ("Deployments", Parts.Section("Endpoints", Parts.Table(["Endpoint", "In charge", "Challenger", "Traffic", "Requests", "Errors", "p95", "Rollout", "Changed"], app.Deployments.List().Select(d =>
        {
            var stats = app.Router.Find(d.Endpoint)?.Champion.Stats.Now();
            return new[]
            {
                Parts.Link($"/deployments/{d.Endpoint}", d.Endpoint), Parts.Text(Name(d.Live)), Parts.Text(Name(d.Challenger)), Parts.Bar(d.ChallengerShare, 1, $"{d.ChallengerShare:P0} to the challenger", "busy"),
                Parts.Count(stats?.Requests), Parts.Count(stats?.Errors), Ms(stats, "p95_ms"), d.Rollout is { } r ? Parts.State(r.State.ToString()) : Html.None, Parts.Time(d.UpdatedAt, now),
            };
        }), "Nothing is deployed.", "takt run", "Endpoints")));
    }

    public static (string, Html) One(TaktApp app, string endpoint)
    {
        var now = app.Time.GetUtcNow();
        var d = app.Deployments.Get(endpoint);
        var route = app.Router.Find(endpoint);
        return (endpoint, Html.Of($"""
            {Parts.Section("Traffic", Parts.Table(["", "Revision", "Model", "Share", "Requests", "Errors", "p50", "p95"], new[] { ("in charge", d.Live, route?.Champion, 1 - d.ChallengerShare), ("challenger", d.Challenger, route?.Challenger, d.ChallengerShare) }
                .Where(x => x.Item2 is not null).Select(x => (x.Item1, x.Item2, Stats: x.Item3?.Stats.Now(), Share: x.Item4)).Select(x => new[]
                {
                    Parts.Text(x.Item1), Parts.Count(x.Item2!.Number), Parts.Text(Name(x.Item2)), Parts.Bar(x.Share, 1, $"{x.Share:P0}"), Parts.Count(x.Stats?.Requests), Parts.Count(x.Stats?.Errors), Ms(x.Stats, "p50_ms"), Ms(x.Stats, "p95_ms"),
                }), "No revision is live.", "takt serve", "Traffic"))}
            {RolloutParts.Under(app, d, now)}
            {Parts.Section("Rollouts", Parts.Table(["Rollout", "Revision", "State", "Evidence", "Began"], app.Deployments.Rollouts(endpoint).Select(r => new[]
            {
                Parts.Count(r.Number), Parts.Count(r.Revision), Parts.State(r.State.ToString()), Parts.Text(r.Evidence), Parts.Time(r.CreatedAt, now),
            }), "No rollout.", "takt run", "Rollouts"))}
            {Parts.Section("What happened", Parts.Table(["When", "Rollout", "What", "Detail"], app.Deployments.History(endpoint, 60).Select(e => new[] { Parts.Time(e.Time, now), Parts.Count(e.Rollout), Parts.Text(e.Kind), Parts.Text(e.Detail) }), "Nothing.", "takt run", "What happened"))}
            {Parts.Section("Recent predictions", Predictions(app, endpoint), $"dropped for a full queue: {app.Predictions.Of(endpoint).Dropped:N0}")}
            """));
    }

    static Html Predictions(TaktApp app, string endpoint)
    {
        using var connection = app.Predictions.Of(endpoint).Open();
        var rows = connection is null ? null : Tables.Query(connection, $"select p.*, l.label from predictions p left join labels l using (id) order by received desc, id limit {Recent}");
        var columns = rows?.Columns.Where(c => c.Name is not ("received" or "revision" or "error")).ToList() ?? [];
        return Parts.Table(columns.Select(c => c.Name).ToList(), Enumerable.Range(0, rows?.Rows ?? 0).Select(row => columns.ConvertAll(c => c.Name == "id" ? Parts.Id(c.TextAt(row)) : c.Type == ColumnType.Number ? Parts.Number(c.IsMissing(row) ? null : c.Numbers[row]) : Parts.Text(c.TextAt(row)))),
            "No prediction is in a segment yet; they are written as they gather.", $"POST /v2/models/{endpoint}/infer", "Recent predictions");
    }

    static string Name(Revision? revision) => revision?.Model ?? revision?.Spec.Upstream?.Model ?? "";

    static Html Ms(SlotStats.Snapshot? stats, string name) => stats?.Value(name) is { } ms ? Parts.Text($"{ms:0.00} ms") : Html.None;
}
