using Takt.Runs;

namespace Takt.Server.Dashboard;

/// <summary>The line as stations, each with how it stands now.</summary>
static class OverviewPage
{
    /// <param name="here">The server's own address.</param>
    public static (string, Html) Render(TaktApp app, Workspace workspace, string here)
    {
        if (!workspace.IsDefault) return Other(app, workspace);
        var now = app.Time.GetUtcNow();
        var data = app.Datasets.List();
        var run = app.Runs.Pipelines(1).FirstOrDefault();
        var models = app.Models.Names();
        var deployments = app.Deployments.List();
        var alerts = app.Monitors.Table.Alerts(limit: 8);
        var champion = models.Select(n => app.Models.Find($"{n}@champion")).FirstOrDefault(v => v is not null);
        var several = models.Count > 1;
        Html[] stations =
        [
            Station("/data", "Data", data is [var d, ..] ? $"{d.Name}" : "no data yet", data is [var e, ..] ? Html.Of($"{Parts.Count(e.Tip.Rows)} rows · {Parts.Time(e.Tip.Time, now)}") : Parts.Text("versions of tables and folders")),
            Station("/pipelines", "Pipeline", run?.Experiment ?? "not run yet", run is null ? Parts.Text("stages of takt.yaml") : Html.Of($"{Parts.Outcome(run)} {Parts.Time(run.StartedAt, now)}")),
            several ? Station("/models", "Models", $"{models.Count:N0} models", Parts.Text(champion is null ? "none is champion" : $"such as {Parts.Cut(champion.Reference, 40)}")) : Station("/models", "Champion", champion?.Reference ?? "none yet", champion is null ? Parts.Text("the model in charge") : Parts.Text(Measure(champion.Metrics))),
            Station("/deployments", "Deployments", deployments switch { [] => "none yet", [var only] => only.Endpoint, _ => $"{deployments.Count} endpoints" },
                deployments.Count == 0 ? Parts.Text("endpoints and rollouts") : Html.Of($"{Parts.Count(deployments.Sum(d => Traffic(app, d.Endpoint)))} requests {Html.Join(deployments.Where(d => d.Rollout is { Active: true }).Take(2).Select(d => Html.Of($"{Parts.State(d.Rollout!.State.ToString())} {(deployments.Count > 1 ? d.Endpoint : "")} ")))}")),
            Station("/monitors", "Monitor", alerts.Count == 0 ? "quiet" : "alerts", alerts is [var a, ..] ? Html.Of($"{Parts.Badge(a.Kind, "bad")} {Parts.Moment(a.WindowStart)}") : Parts.Text("no alert")),
        ];
        var runs = app.Runs.List(limit: 6, workspace: workspace);
        return ("Overview", Html.Of($"""
            <ol class="line">{stations}</ol>
            {(runs.Count == 0 && data.Count == 0 && models.Count == 0 ? Begin(app, here) : Html.None)}
            <div class="two">
            {Parts.Section("Alerts", Parts.Table(["Window (UTC)", "What"], alerts.Select(x => new[] { Html.Of($"{Parts.Moment(x.WindowStart)}<br>{Parts.Badge(x.Kind, "bad")}"), Parts.Text(x.Message.Replace(" %", "\u00a0%", StringComparison.Ordinal)) }), "Alerts of monitors stand here: drift, quality, performance, calibration. None has been raised.", "takt monitor list", "Alerts"), alerts.Count == 0 ? null : "newest windows first")}
            {Parts.Section("Latest runs", RunPage.Table(runs, now))}
            </div>
            """));
    }

    /// <summary>How good it was when it was tested: the measure of its task, else what it has.</summary>
    static string Measure(IReadOnlyDictionary<string, double> metrics) =>
        ((string[])["auc", "rmse", "macro_f1", .. metrics.Keys]).Where(metrics.ContainsKey).Select(m => $"{(m is "auc" or "rmse" ? m.ToUpperInvariant() : m.Replace('_', ' '))} {Parts.Figure(metrics[m])}").FirstOrDefault() ?? "not tested";

    /// <summary>What a server that is new can be filled with.</summary>
    static Html Begin(TaktApp app, string here) => Parts.Section("Begin here", Html.Of($"""
        <div class="begin"><div><h3>Log from code that you have</h3><p>Any MLflow client, unmodified:</p>{Parts.Command($"export MLFLOW_TRACKING_URI={here}")}</div>
        <div><h3>Make a line for a table of yours</h3><p>{(File.Exists(app.Folder.ProjectFile) ? "takt.yaml is there and has not run yet:" : "In the folder of this server:")}</p>{(File.Exists(app.Folder.ProjectFile) ? Html.None : Parts.Command("takt init --data FILE --target COLUMN"))}{Parts.Command("takt run")}</div>
        <div><h3>See the whole loop first</h3><p>Half a year of flights in about a minute, with a dashboard of its own:</p>{Parts.Command("takt demo")}</div></div>
        """));

    /// <summary>Of a workspace without the project: its runs and models.</summary>
    static (string, Html) Other(TaktApp app, Workspace workspace)
    {
        var now = app.Time.GetUtcNow();
        var (runs, models) = (app.Runs.List(limit: 12, workspace: workspace), app.Models.Names(workspace));
        var champion = models.Select(n => app.Models.Find($"{n}@champion", workspace)).FirstOrDefault(v => v is not null);
        Html[] stations =
        [
            Station("/runs", "Runs", runs is [var r, ..] ? r.Experiment : "no runs yet", runs is [var s, ..] ? Html.Of($"{Parts.State(s.Status.ToString())} {Parts.Time(s.StartedAt, now)}") : Parts.Text("log from any MLflow client")),
            Station("/models", "Models", $"{models.Count:N0}", Parts.Text(champion is null ? "no champion" : $"champion {champion.Reference}")),
            Station("/traces", "Traces", "traces", Parts.Text("what applications did")),
        ];
        return ("Overview", Html.Of($"""
            <ol class="line">{stations}</ol>
            {Parts.Section("Latest runs", RunPage.Table(runs, now), $"workspace {workspace}")}
            """));
    }

    static Html Station(string path, string name, string main, Html detail) =>
        Html.Of($"""<li><a href="{path}"><span class="station">{name}</span><strong>{main}</strong><span class="dim">{detail}</span></a></li>""");

    static long Traffic(TaktApp app, string endpoint) => app.Router.Find(endpoint) is { } route ? route.Champion.Stats.Requests + (route.Challenger?.Stats.Requests ?? 0) : 0;
}
