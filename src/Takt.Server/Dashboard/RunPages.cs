using Takt.Evaluation;
using Takt.Runs;

namespace Takt.Server.Dashboard;

static class RunPages
{
    /// <summary>More of a log than this is not put into a page.</summary>
    const int LongestLog = 20_000;

    public static (string, Html) List(TaktApp app, string? experiment) =>
        ("Runs", Parts.Section(string.IsNullOrEmpty(experiment) ? "All runs" : experiment, Table(app.Runs.List(string.IsNullOrEmpty(experiment) ? null : experiment, 200), app.Time.GetUtcNow())));

    public static Html Table(IReadOnlyList<RunDetail> runs, DateTimeOffset now) => Parts.Table(["Run", "Experiment", "Name", "Status", "Trigger", "Started", "Took"], runs.Select(r => new[]
    {
        Parts.Id(r.Id.Value, $"/runs/{r.Id}"), Parts.Link($"/runs?experiment={Uri.EscapeDataString(r.Experiment)}", r.Experiment), Parts.Text(r.Name), Parts.State(r.Status.ToString()),
        Parts.Text(r.Tags.GetValueOrDefault(PipelineRunner.TriggerTag)), Parts.Time(r.StartedAt, now), Parts.Seconds(r.StartedAt, r.EndedAt),
    }), "Nothing has run yet.", "takt run", "Runs");

    public static (string, Html) One(TaktApp app, string id)
    {
        var now = app.Time.GetUtcNow();
        var run = app.Runs.Get(new RunId(id));
        var stages = app.Pipelines.Stages.Of(run.Id);
        return ($"Run {id[..Math.Min(12, id.Length)]}", Html.Of($"""
            {Parts.Section(run.Name, Parts.Facts(("Status", Parts.State(run.Status.ToString())), ("Experiment", Parts.Text(run.Experiment)), ("Started", Parts.Time(run.StartedAt, now)),
                ("Took", Parts.Seconds(run.StartedAt, run.EndedAt)), ("Trigger", Parts.Text(run.Tags.GetValueOrDefault(PipelineRunner.TriggerTag))), ("Code", Parts.Id(run.Tags.GetValueOrDefault(PipelineRunner.CodeTag))),
                ("Part of", run.Parent is { } parent ? Parts.Id(parent.Value, $"/runs/{parent}") : Html.None)))}
            {(stages.Count == 0 ? Html.None : Parts.Section("Stages", Html.Join(stages.Select(s => Stage(app, run, s)))))}
            {Values("Params", run.Params.Select(p => (p.Key, Parts.Text(p.Value))))}
            {Values("Metrics", run.Metrics.Select(m => (m.Key, Parts.Number(m.Value.Value, "0.#####"))))}
            {Values("Tags", run.Tags.Select(t => (t.Key, Parts.Text(t.Value))))}
            {(run.Artifacts.Count == 0 ? Html.None : Parts.Section("Artifacts", Parts.Table(["Path", "Size", "SHA-256"], run.Artifacts.Select(a => new[] { Parts.Text(a.Path), Parts.Size(a.Size), Parts.Id(a.Digest.ToString()) }), "", "", "Artifacts")))}
            """));
    }

    static Html Stage(TaktApp app, RunDetail run, StageRun stage)
    {
        var log = app.Pipelines.LogOf(run.Id, stage.Stage) is { } path ? File.ReadAllText(path) : "";
        if (log.Length > LongestLog) log = "…" + log[^LongestLog..];
        var gates = stage.Run is { } gateRun ? app.Gates.Of(gateRun) : [];
        return Html.Of($"""
            <details id="{stage.Stage}"{new Html(stage.Succeeded ? "" : " open")}><summary><b>{stage.Stage}</b> {Parts.State(stage.State.ToString())} <span class="dim">{Parts.Seconds(stage.StartedAt, stage.EndedAt)}</span> {stage.Summary}</summary>
            {(gates.Count == 0 ? Html.None : Parts.Table(["Rule", "Verdict", "Left", "Right", "Why"], gates.Select(g => new[] { Html.Of($"<code>{g.Rule}</code>"), Verdict(g.Verdict), Parts.Number(g.Left), Parts.Number(g.Right), Parts.Text(g.Reason) }), "", "", "Rules of the gate"))}
            {(log.Length == 0 ? Html.Of($"<p class=\"dim\">nothing was run</p>") : Html.Of($"<pre tabindex=\"0\">{log}</pre>"))}
            {(stage.Run is { } own ? Html.Of($"<p>{Parts.Link($"/runs/{own}", "params, metrics and tags of this stage")}</p>") : Html.None)}</details>
            """);
    }

    static Html Verdict(GateVerdict verdict) => verdict == GateVerdict.NotApplicable ? Parts.Badge("does not apply", "quiet") : Parts.State(verdict.ToString());

    static Html Values(string title, IEnumerable<(string, Html)> values) =>
        values.ToList() is { Count: > 0 } list ? Parts.Section(title, Parts.Table(["Name", "Value"], list.Select(v => new[] { Html.Of($"<code>{v.Item1}</code>"), v.Item2 }), "", "", title)) : Html.None;
}
