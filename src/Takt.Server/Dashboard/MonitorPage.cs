using Takt.Evaluation;
using Takt.Monitors;
using Takt.Runs;

namespace Takt.Server.Dashboard;

/// <summary>Live traffic, and what each monitor saw window by window.</summary>
static class MonitorPage
{
    public static (string, Html) Render(TaktApp app)
    {
        var now = app.Time.GetUtcNow();
        var monitors = File.Exists(app.Folder.ProjectFile) ? app.Pipelines.LoadProject().Monitors : [];
        return ("Monitors", Html.Of($"""
            {(app.Deployments.List().Count == 0 ? Html.None : Traffic)}
            {(monitors.Count == 0 ? Parts.Section("Monitors", Parts.Empty("A monitor compares what an endpoint is asked with what its model was trained on: drift, quality, and how right it was once labels come. None is declared: add one under monitor: in takt.yaml (docs/takt-yaml.md), then", "takt serve\ntakt monitor list")) : Html.Join(monitors.Select(m => One(app, m.Name, m.Threshold))))}
            {(monitors.Count == 0 ? Html.None : Parts.Section("What alerts started", Parts.Table(["Window end (UTC)", "Outcome", "Run", "Why", "Monitor", "Raised"], app.Monitors.Table.Triggers(30).Select(t => new[]
            {
                Parts.Moment(t.EventTime), Parts.State(t.Outcome.Length == 0 ? t.State : t.Outcome), Parts.Id(t.Run, $"/runs/{t.Run}"),
                t.Outcome == "gate not passed" && t.Run is { } run ? Parts.Brief(app.Runs.Find(new RunId(run))?.Tags.GetValueOrDefault(PipelineRunner.RefusedTag) ?? "")
                    : t.Outcome == TriggerEvent.Unchanged ? Parts.Text("no stage had new data or other settings: nothing was trained; bring new rows in, or collect the endpoint's log (docs/collect.md)")
                    : t.Run is { } of && app.Runs.Find(new RunId(of))?.Tags.GetValueOrDefault(PipelineRunner.UnchangedTag) is { } unchanged ? Parts.Brief(unchanged) : Html.None, Parts.Text(t.Monitor), Parts.Time(t.CreatedAt, now),
            }), "No alert has started a pipeline. One does when takt.yaml says so:", $"triggers: {{ drift: {{ monitor: {monitors[0].Name}, cooldown: 7d }} }}", "What alerts started", dropEmpty: true)))}
            """));
    }

    static Html Figure(double? value) => Parts.Text(value is { } known ? Parts.Figure(known) : null);

    static readonly Html Traffic = new("""
        <link rel="stylesheet" href="/assets/uplot/uplot.min.css">
        <section class="card"><header><h2>Requests per second</h2><button id="pause" type="button" aria-pressed="false">Pause</button></header><div id="live" class="chart" role="img" aria-label="Requests per second of each endpoint over the last two minutes"></div><p id="live-now" class="dim">waiting for the first second…</p></section>
        <script src="/assets/uplot/uplot.min.js"></script><script src="/assets/live.js"></script>
        """);

    static Html One(TaktApp app, string name, double threshold)
    {
        var windows = app.Monitors.Table.Windows(name, 60);
        var oldest = windows.Reverse().ToList();
        var asked = windows.FirstOrDefault(w => w.Rows > 0);
        double? Of(MonitorWindow window, string metric) => window.Performance.TryGetValue(metric, out var value) ? value : null;
        return Html.Of($"""
            {Parts.SectionWith(name, Html.Of($"""
                <div class="sparks">{new[] { "auc", "log_loss", "calibration_gap", "positive_rate", "rmse", "mae", "r2", "macro_f1" }.Select(metric => Parts.Sparkline(oldest.ConvertAll(w => Of(w, metric)), metric))}</div>
                {(asked is { Drift.Count: > 0 } ? Html.Of($"<h3>Drift in the newest window</h3>{Parts.Table(["Column", "PSI", "Test", "p (corrected)", "What moved most"], asked.Drift.Select(d => new[] { Parts.Text(d.Column), Parts.Bar(d.Psi, Math.Max(threshold, 0.01), $"{d.Psi:0.000}", d.Psi >= threshold ? "bad" : ""), Parts.Text(d.Test), Parts.Text(Parts.Chance(d.P)), Parts.Text(d.Moved) }), "", "", "Drift", numbers: [3])}") : Html.None)}
                {(windows.Select(w => (Window: w, Of: w.Confusion ?? Confusion.OfBinary(w.Performance, w.Labelled))).FirstOrDefault(w => w.Of is not null) is { Of: { } confusion } told ? Html.Of($"<h3>Confusion in the newest labelled window</h3>{ConfusionTable.Draw(confusion, $"Labelled predictions since {told.Window.Start.UtcDateTime:yyyy-MM-dd HH:mm} UTC")}") : Html.None)}
                <h3>Windows</h3>
                {Parts.Table(["Window (UTC)", "Verdict", "Predictions", "Labelled", "Model", "Most drift", "PSI", "AUC", "Accuracy", "Macro F1", "Log loss", "Predicted", "Happened", "RMSE", "MAE", "Mean prediction"], windows.Select(w => new[]
                {
                    Parts.Moment(w.Start), Parts.State(w.Verdict), Parts.Count(w.Rows), Parts.Percent(w.Rows == 0 ? null : (double)w.Labelled / w.Rows), Parts.Text(w.Model), Parts.Text(w.Drift.Count > 0 ? w.Drift[0].Column : ""), Parts.Number(w.Drift.Count > 0 ? w.Drift[0].Psi : null, "0.000"),
                    Parts.Number(Of(w, "auc"), "0.000"), Parts.Percent(Of(w, "macro_f1") is null ? null : Of(w, "accuracy")), Parts.Number(Of(w, "macro_f1"), "0.000"), Parts.Number(Of(w, "log_loss"), "0.000"), Parts.Percent(Of(w, "positive_rate") is null ? null : Of(w, "mean_score")), Parts.Percent(Of(w, "positive_rate")),
                    Figure(Of(w, "rmse")), Figure(Of(w, "mae")), Figure(Of(w, "rmse") is null ? null : Of(w, "mean_score")),
                }), "No window has passed yet.", $"POST /v2/models/{name}/infer", "Windows", numbers: [2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], dropEmpty: true)}
                """), windows is [var newest, ..] ? Html.Of($"{Parts.State(newest.Verdict)} {(newest.Rows == 0 ? "since" : "newest window")} {Parts.Moment(newest.Start)} · drift is a PSI of {threshold:0.###} or more") : Html.Of($"drift is a PSI of {threshold:0.###} or more"))}
            """);
    }
}
