using Takt.Data;
using Takt.Deployments;

namespace Takt.Server.Dashboard;

static class DeploymentPages
{
    const int Recent = 20;
    const int Events = 60;

    /// <summary>So much of the history is not folded.</summary>
    const int NewestEvents = 10;

    public static (string, Html) List(TaktApp app)
    {
        var now = app.Time.GetUtcNow();
        return ("Deployments", Parts.Section("Endpoints", Parts.Table(["Endpoint", "In charge", "Challenger", "Traffic", "Requests", "Errors", "p95", "Rollout", "Changed"], app.Deployments.List().Select(d =>
        {
            var stats = app.Router.Find(d.Endpoint)?.Champion.Stats.Now();
            return new[]
            {
                Parts.Link($"/deployments/{d.Endpoint}", d.Endpoint), Parts.Text(Name(d.Live)), Parts.Text(Name(d.Challenger)), d.Challenger is null ? Html.None : Parts.Bar(d.ChallengerShare, 1, $"{d.ChallengerShare:P0} to the challenger", "busy"),
                Parts.Count(stats?.Requests), Parts.Count(stats?.Errors), Ms(stats, "p95_ms"), d.Rollout is { } r ? Parts.State(r.State.ToString()) : Html.None, Parts.Time(d.UpdatedAt, now),
            };
        }), "Endpoints answer for a model: which version is in charge, how fast it is, how a rollout stands. Nothing is deployed yet: name a model under deploy: in takt.yaml (docs/takt-yaml.md has an example), then", "takt run", "Endpoints", numbers: [4, 5, 6], dropEmpty: true)));
    }

    /// <param name="liveOnly">Only what changes while a rollout is under way: the page asks for it every few seconds.</param>
    public static async Task<(string, Html)> One(TaktApp app, string endpoint, bool liveOnly)
    {
        var now = app.Time.GetUtcNow();
        var d = app.Deployments.Get(endpoint);
        var route = app.Router.Find(endpoint);
        var live = d.Rollout is { Active: true };
        var fleet = app.Fleet?.View();
        var newest = Html.Of($"""
            <div id="live-part"{new Html(live ? " data-refresh=\"3\"" : "")}>
            {Parts.Section("Traffic", Parts.Table(["Role", "Revision", "Model", "Share", "Ready on", "Requests", "Errors", "p50", "p95"], new[] { ("in charge", d.Live, route?.Champion, 1 - d.ChallengerShare), ("challenger", d.Challenger, route?.Challenger, d.ChallengerShare) }
                .Where(x => x.Item2 is not null).Select(x => (x.Item1, x.Item2, Stats: x.Item3?.Stats.Now(), Share: x.Item4)).Select(x => new[]
                {
                    Parts.Text(x.Item1), Parts.Count(x.Item2!.Number), Parts.Text(Name(x.Item2)), Parts.Bar(x.Share, 1, $"{x.Share:P0}"), ReadyOn(fleet, x.Item2), Parts.Count(x.Stats?.Requests), Parts.Count(x.Stats?.Errors), Ms(x.Stats, "p50_ms"), Ms(x.Stats, "p95_ms"),
                }), "No revision is live.", "takt serve", "Traffic", numbers: [5, 6, 7, 8], dropEmpty: true))}
            {RolloutParts.Under(app, d, now)}
            </div>
            """);
        if (liveOnly) return (endpoint, newest);
        var (rollouts, events) = (app.Deployments.Rollouts(endpoint), app.Deployments.History(endpoint, Events));
        return (endpoint, Html.Of($"""
            {(live ? Html.Of($"<p class=\"follows\"><button type=\"button\" class=\"small\" id=\"hold\" aria-pressed=\"false\">Pause updates</button> <span class=\"dim\" id=\"held\" aria-live=\"polite\">this page follows the rollout</span></p>") : Html.None)}
            {newest}
            {RolloutParts.Buttons(d)}
            {Parts.Section("Rollouts", Parts.Table(["Rollout", "Revision", "State", "Evidence", "Began"], rollouts.Select(r => new[]
            {
                Parts.Count(r.Number), Parts.Count(r.Revision), Parts.State(r.State.ToString()), Parts.Brief(r.Evidence), Parts.Time(r.CreatedAt, now),
            }), "No rollout.", "takt run", "Rollouts"))}
            {Parts.Section("What happened", Html.Of($"{Happened(events.Take(NewestEvents), now)}{(events.Count > NewestEvents ? Html.Of($"<details><summary>Earlier</summary>{Happened(events.Skip(NewestEvents), now)}</details>") : Html.None)}"))}
            {(fleet is null ? Html.None : Parts.Section("Servers", Replicas(fleet, d, now)))}
            {Parts.Section("Recent predictions", await Predictions(app, endpoint, d.Live?.Spec.Upstream is not null), Missing(app.Predictions.Of(endpoint)))}
            """));
    }

    static Html Happened(IEnumerable<RolloutEvent> events, DateTimeOffset now) => Parts.Table(["When", "Rollout", "What", "Detail"],
        events.Select(e => new[] { Parts.Time(e.Time, now), Parts.Count(e.Rollout), Html.Of($"<span class=\"once\">{e.Kind.Replace('-', ' ')}</span>"), Parts.Brief(e.Detail) }), "Nothing.", "takt run", "What happened");

    /// <summary>On how many of the servers that live a revision can answer.</summary>
    static Html ReadyOn(IReadOnlyList<Replica>? fleet, Revision revision)
    {
        if (fleet is null) return Html.None;
        var (ready, all) = (fleet.Count(r => r.IsReady(revision.Endpoint, revision.Number)), fleet.Count(r => r.Live));
        return Parts.Bar(ready, Math.Max(1, all), $"{ready} of {all}", ready < all ? "busy" : "");
    }

    /// <summary>Who serves it, where several may.</summary>
    static Html Replicas(IReadOnlyList<Replica> fleet, Deployment d, DateTimeOffset now) => Parts.Table(["Server", "Seen", "In charge", "Challenger"], fleet.Select(r => new[]
    {
        Parts.Text(r.Name), r.Live ? Parts.Time(r.SeenAt, now) : Html.Of($"{Parts.Time(r.SeenAt, now)} <span class=\"dim\">gone</span>"), State(r, d.Live), State(r, d.Challenger),
    }), "No server that serves models is up.", "takt serve --roles serving", "Servers", dropEmpty: true);

    static Html State(Replica replica, Revision? revision) => revision is null ? Html.None
        : replica.Of(revision.Endpoint, revision.Number) is not { } known ? Parts.Text("loading") : known.Fault is null ? Parts.Text("ready") : Parts.Brief(known.Fault);

    static string? Missing(PredictionLog log)
    {
        string?[] words =
        [
            log.Dropped > 0 ? $"{log.Dropped:N0} were not logged: the queue was full" : null,
            log.Lost > 0 ? $"{log.Lost:N0} were lost when this server was killed" : null,
            log.SharingFault is { } fault ? $"what this server answers is not with the others now: {fault}" : null,
        ];
        return words.Any(w => w is not null) ? string.Join("; ", words.OfType<string>()) : null;
    }

    static async Task<Html> Predictions(TaktApp app, string endpoint, bool llm)
    {
        var rows = await NewestPredictions.Of(app.Predictions.Of(endpoint), Recent);
        // what was answered and what came true first: a model has many inputs
        var columns = rows is null ? [] : Told(rows).Where(c => c.Name is not ("received" or "revision" or "error")).OrderBy(c => c.Name is "id" or "time" or "key" ? 0 : c.Name.StartsWith("out_", StringComparison.Ordinal) ? 1 : c.Name == "label" ? 2 : c.Name.StartsWith("in_", StringComparison.Ordinal) ? 3 : 4).ToList();
        return Parts.Table(columns.Select(c => c.Name).ToList(), Enumerable.Range(0, rows?.Rows ?? 0).Select(row => columns.ConvertAll(c => Cell(c, row))),
            "None is in the log's files yet; they are written there as they gather.", llm ? "POST /v1/chat/completions" : $"POST /v2/models/{endpoint}/infer", "Recent predictions", numbers: Enumerable.Range(0, columns.Count).Where(i => columns[i].Type is ColumnType.Number or ColumnType.Integer).ToList(), dropEmpty: true);
    }

    /// <summary>Of a model that says classes, one probability: of what it said.</summary>
    static IReadOnlyList<Column> Told(Table rows)
    {
        const string Said = "out_" + Models.PackageInfo.ClassOutput;
        var each = "out_" + Models.PackageInfo.ProbabilityOf("");
        if (rows.Find(Said) is not { Type: ColumnType.Text } said) return rows.Columns;
        var probability = Enumerable.Range(0, rows.Rows).Select(row => said.TextAt(row) is { } name && rows.Find(each + name) is { } of ? of.NumberAt(row) : double.NaN).ToArray();
        return [.. rows.Columns.Where(c => !c.Name.StartsWith(each, StringComparison.Ordinal)), Column.Of(each.TrimEnd('.'), probability)];
    }

    internal static Html Cell(Column column, int row) => column.TextAt(row) is not { } text ? Html.None : column.Name == "id" ? Html.Of($"<code class=\"once\" title=\"{text}\">{(text.Length > 14 ? $"…{text[^12..]}" : text)}</code>") // rows of one request differ at its end only
        : column.Type == ColumnType.Number ? Parts.Text(Parts.Figure(column.Numbers[row])) : column.Type == ColumnType.Time ? Html.Of($"<span class=\"once\">{text.Replace('T', ' ').Replace("000Z", "Z", StringComparison.Ordinal)}</span>")
        : column.Name == "model_version" ? Html.Of($"<span class=\"once\">{text}</span>") : Parts.Text(text);

    static string Name(Revision? revision) => revision?.Model ?? revision?.Spec.Elsewhere ?? "";

    static Html Ms(SlotStats.Snapshot? stats, string name) => stats?.Value(name) is { } ms ? Parts.Text($"{ms:0.00} ms") : Html.None;
}
