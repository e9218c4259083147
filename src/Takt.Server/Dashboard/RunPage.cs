using System.Globalization;
using Takt.Deployments;
using Takt.Evaluation;
using Takt.Runs;

namespace Takt.Server.Dashboard;

/// <summary>All that is known of one run.</summary>
static class RunPage
{
    /// <summary>More of a log than this is not put into a page.</summary>
    const int LongestLog = 20_000;

    /// <summary>More rows than this are not put into a table of the page.</summary>
    const int MostValues = 3000;
    const int MostParts = 20;

    /// <summary>More than these are shown by folder.</summary>
    const int MostArtifacts = 25;

    public static Html Table(IReadOnlyList<RunDetail> runs, DateTimeOffset now) => Parts.Table(["Run", "Experiment", "Status", "Trigger", "Started", "Took"], runs.Select(r => new[]
    {
        Named(r.Id.Value, r.Name), Parts.Link($"/runs?experiment={Uri.EscapeDataString(r.Experiment)}", Parts.Cut(r.Experiment, 40)), Parts.Outcome(r),
        Parts.Text(r.Tags.GetValueOrDefault(PipelineRunner.TriggerTag)), Parts.Time(r.StartedAt, now), Parts.Seconds(r.StartedAt, r.EndedAt),
    }), "Nothing has run yet.", "takt run", "Runs", numbers: [5], dropEmpty: true);

    public static Html Named(string id, string name) => Html.Of($"{RunColour.Swatch(id)}{Link(id, name)}");

    static Html Link(string id, string name) => Html.Of($"<a href=\"/runs/{Uri.EscapeDataString(id)}\" dir=\"auto\">{Label(id, name)}</a>");

    /// <summary>The name, of a run without one the first digits of its id.</summary>
    static string Label(string id, string name) => name.Length == 0 ? id[..Math.Min(12, id.Length)] : Parts.Cut(name);

    public static async Task<(string, Html)> Render(TaktApp app, Workspace workspace, string id)
    {
        var now = app.Time.GetUtcNow();
        var tracked = app.RunLog.In(workspace).Get(id); // first: a run of another workspace is not there
        var run = app.Runs.Get(new RunId(id));
        var experiment = app.ExperimentGrid.In(workspace).Find(tracked.Experiment.ToString(CultureInfo.InvariantCulture));
        var stages = app.Pipelines.Stages.Of(run.Id);
        var children = app.RunGrid.In(workspace).Page(new RunGridQuery { Experiments = [tracked.Experiment], Parent = id, Ascending = true, Limit = MostParts }, null, 4, 4);
        var refused = run.Tags.GetValueOrDefault(PipelineRunner.RefusedTag);
        var keys = app.MetricSeries.Keys(id);
        var extremes = app.MetricSeries.Extremes(id);
        var running = tracked.Status is "RUNNING" or "SCHEDULED" && !tracked.Deleted;
        var note = tracked.Tags.LastOrDefault(t => t.Key == "mlflow.note.content").Value;
        var system = run.Tags.Where(t => IsSystem(t.Key)).ToList();
        var own = run.Tags.Where(t => !IsSystem(t.Key)).ToList();
        var shown = KeyOrder.Sort(keys.Where(k => !IsSystem(k.Newest.Key)), k => k.Newest.Key);
        var (outputs, lineage) = (Outputs(app, workspace, tracked), await LineageDrawing.Section(app, workspace, $"run:{id}", LineageDirection.Both));
        (string Name, bool There, int? Count)[] places = [("Stages", stages.Count > 0, stages.Count), ("Charts", keys.Any(k => k.Series), keys.Count(k => k.Series)), ("Metrics", shown.Count > 0, shown.Count), ("Params", run.Params.Count > 0, run.Params.Count),
            ("Parts", children.Rows.Count > 0, children.More ? null : children.Rows.Count), ("Inputs", tracked.Inputs.Count > 0, tracked.Inputs.Count), ("Models", outputs.Value.Length > 0, null), ("Artifacts", run.Artifacts.Count > 0, run.Artifacts.Count), ("Lineage", lineage.Value.Length > 0, null), ("Tags", own.Count > 0, own.Count)];
        return (run.Name.Length is 0 ? $"Run {id[..Math.Min(12, id.Length)]}" : run.Name.Length > 120 ? run.Name[..120] + "…" : run.Name, Html.Of($"""
            <section class="card" id="about"{new Html(running ? " data-live" : "")} data-run="{id}">
            {(refused is null ? Html.None : Html.Of($"<p class=\"outcome warn\">Refused by <b>{refused}</b>. Nothing broke, and what was in charge stays in charge.</p>"))}
            {(run.Tags.GetValueOrDefault(PipelineRunner.UnchangedTag) is not { } unchanged ? Html.None : Html.Of($"<p class=\"outcome warn\">{char.ToUpperInvariant(unchanged[0]) + unchanged[1..]}. New files at a source of takt.yaml bring newer rows; so does a source <code>predictions:ENDPOINT</code>, what was asked with what came true (docs/collect.md).</p>"))}
            {Parts.Facts(("Status", Html.Of($"<span id=\"status\">{(refused is null ? Parts.State(tracked.Status) : Parts.Badge("refused", "warn"))}</span>{(tracked.Deleted ? Parts.Badge("deleted", "bad") : Html.None)}")), ("Run", Html.Of($"{RunColour.Swatch(id)}{Parts.Id(id)} <button type=\"button\" class=\"small\" data-copy=\"{id}\">Copy</button>")),
                ("Experiment", experiment is null ? Parts.Text(run.Experiment) : Html.Of($"<a href=\"/runs?experiment={experiment.Id}\" title=\"{experiment.Name}\">{Parts.Cut(experiment.Name, 48)}</a>")), ("Started", Parts.Time(run.StartedAt, now)), ("Took", run.EndedAt is { } end ? Parts.Text(Parts.Took((long)(end - run.StartedAt).TotalMilliseconds)) : Html.None),
                ("User", Parts.Text(tracked.User.Length > 0 ? tracked.User : run.Tags.GetValueOrDefault("mlflow.user"))), ("Source", Parts.Text(run.Tags.GetValueOrDefault("mlflow.source.name"))), ("Trigger", Parts.Text(run.Tags.GetValueOrDefault(PipelineRunner.TriggerTag))),
                ("Code", Parts.Id(run.Tags.GetValueOrDefault(PipelineRunner.CodeTag) ?? run.Tags.GetValueOrDefault("mlflow.source.git.commit"))), ("Part of", run.Parent is { } parent ? app.Runs.Find(parent) is { } above ? Named(parent.Value, above.Name) : Parts.Id(parent.Value, $"/runs/{parent}") : Html.None))}
            {(string.IsNullOrEmpty(note) ? Html.None : Html.Of($"<div class=\"prose\">{Markdown.Render(note)}</div>"))}
            <div class="actions">{(running ? Html.Of($"<button type=\"button\" id=\"pause\" aria-pressed=\"false\">Pause updates</button> <span class=\"dim\" id=\"news\" aria-live=\"polite\">live</span>") : Html.None)}{RunActions.Buttons(id, run.Name, tracked.Deleted)}</div>
            </section>
            {Jump(places.Where(p => p.There).ToList())}
            {(stages.Count == 0 ? Html.None : At("Stages", Parts.Section("Stages", Html.Join(await Task.WhenAll(stages.Select(s => Stage(app, run, s)))))))}
            {Charts(keys, [(id, run.Name)])}
            <div class="two">
            {At("Metrics", Values("Metrics", shown.Select(k => (k.Newest.Key, Html.Of($"<b data-metric=\"{k.Newest.Key}\" title=\"{k.Newest.Value.ToString("R", CultureInfo.InvariantCulture)}\">{Parts.Figure(k.Newest.Value)}</b> <span class=\"dim\" data-step=\"{k.Newest.Key}\">{(k.Newest.Step == 0 ? "" : $"step {k.Newest.Step}")}</span>{(extremes.TryGetValue(k.Newest.Key, out var of) ? Range(k.Newest.Key, of) : Html.None)}"))), shown.Count))}
            {At("Params", Values("Params", KeyOrder.Sort(run.Params, p => p.Key).Select(p => (p.Key, Parts.Long(p.Value))), run.Params.Count))}
            </div>
            {(children.Rows.Count == 0 ? Html.None : At("Parts", Parts.Section("Parts", Html.Of($"""
                {Parts.Table(["Run", "Status", "Started", "Took", .. children.Columns.Select(c => c.Key)], children.Rows.Select(r => (Html[])
                [
                    Named(r.Id, r.Name), Parts.Outcome(r.Status, r.Refused), Parts.Time(RunListPage.Millis(r.Started), now), Parts.Text(r.Ended is { } at ? Parts.Took(at - r.Started) : ""),
                    .. r.Cells.Select(c => Parts.Text(c.Number is { } number ? Parts.Figure(number) : Parts.Cut(c.Text ?? "", 48))),
                ]), "", "", "Parts", numbers: [3, .. Enumerable.Range(4, children.Columns.Count).Where(i => children.Rows.All(r => r.Cells[i - 4] is var c && (c.Number is not null || c.Text is null || Parts.LooksNumeric(c.Text))))], dropEmpty: true)}
                <p class="count"><a href="/runs?experiment={tracked.Experiment}&filter={Uri.EscapeDataString($"tags.`mlflow.parentRunId` = '{id}'")}">{(children.More ? "All of its parts" : "As a table to sort and compare")}</a></p>
                """), children.More ? $"the first {MostParts}" : $"{children.Rows.Count}")))}
            {At("Inputs", Inputs(tracked))}{At("Models", outputs)}
            {At("Artifacts", Artifacts(run))}
            {At("Lineage", lineage)}
            {At("Tags", Values("Tags", own.Select(t => (t.Key, Parts.Long(t.Value))), own.Count))}
            {(system.Count == 0 ? Html.None : Html.Of($"<details class=\"card fold\"><summary><h2>System</h2></summary>{Parts.Table(["Name", "Value"], system.Take(MostValues).Select(t => new[] { Html.Of($"<code>{t.Key}</code>"), Parts.Long(t.Value) }), "", "", "System")}</details>"))}
            <script src="/assets/run.js" defer></script>
            """));
    }

    /// <summary>What a long page has, each a click away.</summary>
    static Html Jump(IReadOnlyList<(string Name, bool There, int? Count)> places) => places.Count < 3 ? Html.None
        : Html.Of($"<nav class=\"jump\" aria-label=\"On this page\">{places.Select(p => Html.Of($"<a href=\"#{Place(p.Name)}\">{p.Name}{(p.Count is { } count ? Html.Of($" <span class=\"dim\">{count:N0}</span>") : Html.None)}</a>"))}</nav>");

    // a stage's own name is a place of the page as well
    static string Place(string section) => section == "Charts" ? "charts" : $"at-{section.ToLowerInvariant()}";

    static Html At(string section, Html content) => content.Value.Length == 0 ? Html.None : Html.Of($"<div id=\"{Place(section)}\">{content}</div>");

    static Html Range(string key, MetricExtremes of) => Html.Of($"<span class=\"range dim\" data-range=\"{key}\" data-least=\"{of.Least.ToString("R", CultureInfo.InvariantCulture)}\" data-most=\"{of.Most.ToString("R", CultureInfo.InvariantCulture)}\">least <b>{Parts.Figure(of.Least)}</b> at {of.LeastStep}, greatest <b>{Parts.Figure(of.Most)}</b> at {of.MostStep}</span>");

    /// <summary>A place for each chart; it is drawn when it comes into view.</summary>
    public static Html Charts(IReadOnlyList<MetricKey> keys, IReadOnlyList<(string Id, string Name)> runs)
    {
        var series = KeyOrder.Sort(keys.Where(k => k.Series), k => k.Newest.Key);
        if (series.Count == 0) return Html.None;
        // a group of one or two charts would leave most of its row empty: those stand together
        static string Folder(MetricKey k) => k.Newest.Key.LastIndexOf('/') is var slash and > 0 ? k.Newest.Key[..slash] : "";
        var small = series.GroupBy(Folder).Where(g => g.Count() < 3 && g.Key != "system").Select(g => g.Key).ToHashSet(StringComparer.Ordinal);
        var groups = series.GroupBy(k => Folder(k) is var folder && small.Contains(folder) ? "" : folder).OrderBy(g => g.Key == "system" || g.Key.StartsWith("system/", StringComparison.Ordinal)).ThenBy(g => g.Key, StringComparer.Ordinal).ToList();
        return Html.Of($"""
            <link rel="stylesheet" href="/assets/uplot/uplot.min.css">
            <section class="card" id="charts"><header><h2>Charts</h2><div class="chart-tools">
            <label>Find <input type="search" id="chart-find" size="12" autocomplete="off"></label>
            <label>Axis <select id="chart-axis"><option value="step">step</option><option value="time">time</option><option value="relative">relative time</option></select></label>
            <label><input type="checkbox" id="chart-log"> Log scale</label>
            <label title="Leaves the hundredth part of the values at either end out of sight"><input type="checkbox" id="chart-calm"> Without outliers</label>
            <label>Smooth <input type="range" id="chart-smooth" min="0" max="0.99" step="0.01" value="0"> <output id="chart-smooth-value" for="chart-smooth"></output></label>
            </div></header>
            <ul class="legend" id="chart-runs"{new Html(runs.Count == 1 ? " hidden" : "")}>{(runs.Count < 3 ? Html.None : Html.Of($"<li><button type=\"button\" class=\"small\" id=\"chart-all\">Show all or none</button></li>"))}{runs.Select(r => Html.Of($"<li data-run=\"{r.Id}\" data-name=\"{Label(r.Id, r.Name)}\" data-colour=\"{RunColour.Of(r.Id)}\"><button type=\"button\" class=\"mark\" aria-pressed=\"true\" aria-label=\"Draw {Label(r.Id, r.Name)}\" title=\"Hide or show; Alt or a double click: this one alone\">{RunColour.Swatch(r.Id)}</button>{Link(r.Id, r.Name)}</li>"))}</ul>
            {groups.Select(g => Html.Of($"""
                <details class="charts" open><summary>{(g.Key.Length == 0 ? "metrics" : g.Key)} <span class="dim">{g.Count()}</span></summary><div class="plots">{g.Select(k => Html.Of($"<figure class=\"plot\" data-key=\"{k.Newest.Key}\"><figcaption title=\"{k.Newest.Key}\">{k.Newest.Key}</figcaption><span class=\"plot-tools\"><button type=\"button\" class=\"small\" data-enlarge aria-pressed=\"false\" aria-label=\"Enlarge {k.Newest.Key}\">Large</button><button type=\"button\" class=\"small\" data-png aria-label=\"{k.Newest.Key} as a picture\">PNG</button><button type=\"button\" class=\"small\" data-csv aria-label=\"Every point of {k.Newest.Key} as CSV\">CSV</button></span><div class=\"canvas\" role=\"img\" aria-label=\"Chart of {k.Newest.Key}\"></div><div class=\"values-here\" hidden></div></figure>"))}</div></details>
                """))}
            <p class="count dim">drag to zoom, double-click to see all again; many points are thinned so that every extreme stays</p>
            </section>
            <script src="/assets/uplot/uplot.min.js" defer></script><script src="/assets/charts.js" defer></script>
            """);
    }

    static bool IsSystem(string key) => key.StartsWith("mlflow.", StringComparison.Ordinal) || key.StartsWith("system/", StringComparison.Ordinal);

    static Html Inputs(TrackedRun run) => run.Inputs.Count == 0 ? Html.None : Parts.Section("Inputs", Parts.Table(["Dataset", "Digest", "Context", "Source"], run.Inputs.Take(MostValues).Select(i => new[]
    {
        Parts.Text(i.Name), Parts.Id(i.Digest), Parts.Text(i.Tags.GetValueOrDefault(RunInput.ContextTag)), Parts.Long(i.Source),
    }), "", "", "Inputs", dropEmpty: true));

    static Html Outputs(TaktApp app, Workspace workspace, TrackedRun run)
    {
        var versions = app.ModelCatalog.In(workspace).SearchVersions($"run_id = '{run.Id}'", [], MostParts, null).Items;
        return run.Outputs.Count == 0 && versions.Count == 0 ? Html.None : Parts.Section("Models", Parts.Table(["Model", "What", "Stage or step"],
            versions.Select(v => new[] { Parts.Link($"/models/{Uri.EscapeDataString(v.Name)}/{v.Version}", $"{v.Name}@{v.Version}"), Parts.Text("registered version"), v.Stage == "None" ? Html.None : Parts.Badge(v.Stage, "busy") })
            .Concat(run.Outputs.Take(MostParts).Select(o => new[] { Html.Of($"<a href=\"{LoggedModelPages.Url(o.Model)}\">{app.LoggedModels.In(workspace).Find(o.Model)?.Name} <code>{o.Model}</code></a>"), Parts.Text("logged model"), Parts.Count(o.Step) })), "", "", "Models", dropEmpty: true));
    }

    static Html Artifacts(RunDetail run) => run.Artifacts.Count == 0 ? Html.None : Parts.Section("Artifacts", run.Artifacts.Count > MostArtifacts ? ArtifactPage.Entries(run, "")
        : Parts.Table(["Path", "Size", "SHA-256"], run.Artifacts.Select(a => new[] { Parts.Link(ArtifactPage.Url(run.Id.Value, a.Path), a.Path), Parts.Size(a.Size), Parts.Id(a.Digest.ToString()) }), "", "", "Artifacts", numbers: [1]), $"{run.Artifacts.Count:N0} files, {Parts.Bytes(run.Artifacts.Sum(a => a.Size))}");

    static async Task<Html> Stage(TaktApp app, RunDetail run, StageRun stage)
    {
        var confusion = await ConfusionTable.Of(app, stage);
        var log = app.Pipelines.LogOf(run.Id, stage.Stage, LongestLog) ?? "";
        var gates = stage.Run is { } gateRun ? app.Gates.Of(gateRun) : [];
        return Html.Of($"""
            <details id="{stage.Stage}"{new Html(stage.Succeeded ? "" : " open")}><summary class="stage"><b>{stage.Stage}</b> {Parts.State(stage.State.ToString())} <span class="dim">{(stage.State is StageState.Cached or StageState.Skipped ? Html.None : Parts.Seconds(stage.StartedAt, stage.EndedAt))}</span> <span class="text">{stage.Summary}</span></summary>
            {(gates.Count == 0 ? Html.None : Parts.Table(["Rule", "Verdict", "Left", "Right", "Why"], gates.Select(g => new[] { Html.Of($"<code>{g.Rule}</code>"), Verdict(g.Verdict), Parts.Number(g.Left), Parts.Number(g.Right), Parts.Text(g.Reason) }), "", "", "Rules of the gate", numbers: [2, 3], dropEmpty: true))}
            {(confusion is null ? Html.None : ConfusionTable.Draw(confusion, "Rows of the test"))}
            {(log.Length == 0 ? Html.Of($"<p class=\"dim\">nothing was run</p>") : Html.Of($"<pre tabindex=\"0\">{log}</pre>"))}
            {(stage.Run is { } own ? Html.Of($"<p>{Parts.Link($"/runs/{own}", "params, metrics and tags of this stage")}</p>") : Html.None)}</details>
            """);
    }

    public static Html Verdict(GateVerdict verdict) => verdict == GateVerdict.NotApplicable ? Parts.Badge("does not apply", "quiet") : Parts.State(verdict.ToString());

    /// <summary>Names and values that scroll in themselves, and can be searched when there are many.</summary>
    public static Html Values(string title, IEnumerable<(string Name, Html Value)> values, int count) => values.Take(MostValues).ToList() is { Count: > 0 } list ? Html.Of($"""
        <section class="card values"><header><h2>{title} <span class="dim">{list.Count:N0}</span></h2>{(list.Count > 12 ? Html.Of($"<input type=\"search\" class=\"find\" placeholder=\"find\" aria-label=\"Find in {title}\" autocomplete=\"off\">") : Html.None)}</header>
        <div class="scroll tall" role="region" aria-label="{title}" tabindex="0"><table><thead><tr><th scope="col">Name</th><th scope="col">Value</th></tr></thead><tbody>{list.Select(v => Html.Of($"<tr><td><code>{v.Name}</code></td><td>{v.Value}</td></tr>"))}</tbody></table></div>
        {(count > MostValues ? Html.Of($"<p class=\"count dim\">the first {MostValues:N0} of {count:N0}; the API has all</p>") : Html.None)}</section>
        """) : Html.None;
}
