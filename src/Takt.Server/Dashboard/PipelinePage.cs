using Takt.Pipelines;
using Takt.Runs;

namespace Takt.Server.Dashboard;

/// <summary>The stages of the project and what became of each in its last run.</summary>
static class PipelinePage
{
    const int Height = 46;
    const int GapX = 28;
    const int GapY = 18;

    public static (string, Html) Render(TaktApp app)
    {
        if (!File.Exists(app.Folder.ProjectFile))
            return ("Pipelines", Parts.Section("Stages", Parts.Empty($"A pipeline is the graph of stages in takt.yaml: what runs, what it needs, what is up to date. There is no takt.yaml in {app.Folder.Root}; any of these, in that folder, makes one:",
                "takt init --data FILE --target COLUMN\ntakt init --from flights\ntakt init")));
        Project project;
        try
        {
            project = app.Pipelines.LoadProject();
        }
        catch (TaktException e)
        {
            return ("Pipelines", Parts.Section("takt.yaml", Html.Of($"<ul class=\"faults\">{e.Faults.Select(f => Html.Of($"<li>{f}</li>"))}</ul>")));
        }
        var graph = StageGraph.Of(project);
        var run = app.Runs.List(project.Name, 1).FirstOrDefault();
        var states = run is null ? [] : app.Pipelines.Stages.Of(run.Id).ToDictionary(s => s.Stage);
        var note = run is null ? Parts.Text("it has not run yet; takt run") : Html.Of($"states of {RunPage.Named(run.Id.Value, run.Name)} {Parts.Time(run.StartedAt, app.Time.GetUtcNow())}");
        return ("Pipelines", Html.Of($"""
            {Parts.SectionWith(project.Name, graph.Order.Count == 0 ? Parts.Empty("takt.yaml has no stages.", "takt init --from flights") : Html.Of($"{Refusal(run)}{Graph(graph, states)}"), note)}
            {Parts.Section("Stages", Parts.Table(["Stage", "State", "Time", "What", "Reads", "Writes"], graph.Order.Select(stage => Row(stage, states.GetValueOrDefault(stage.Name), run)), "takt.yaml has no stages.", "takt init --from flights", "Stages", dropEmpty: true))}
            """));
    }

    static Html Refusal(RunDetail? run) => run?.Tags.GetValueOrDefault(PipelineRunner.RefusedTag) is { } refused ? Html.Of($"<p class=\"outcome warn\">The newest run was refused by <b>{refused}</b></p>") : Html.None;

    static Html[] Row(Stage stage, StageRun? ran, RunDetail? run) =>
    [
        run is null || ran is null ? Parts.Text(stage.Name) : Parts.Link($"/runs/{run.Id}#{stage.Name}", stage.Name),
        ran is null ? Parts.Badge("not run", "quiet") : Parts.State(ran.State.ToString()), ran?.State is StageState.Cached or StageState.Skipped ? Html.None : Parts.Seconds(ran?.StartedAt, ran?.EndedAt), Parts.Brief(ran?.Summary ?? "", 200),
        Parts.Text(string.Join(", ", stage.In)), Parts.Text(string.Join(", ", stage.AllOutputs)),
    ];

    /// <summary>Left to right by depth; an arrow is drawn from what feeds to what is fed.</summary>
    static Html Graph(StageGraph graph, Dictionary<string, StageRun> states)
    {
        var depth = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var stage in graph.Order) depth[stage.Name] = graph.Upstream[stage.Name].Select(u => depth[u] + 1).DefaultIfEmpty(0).Max();
        var columns = graph.Order.GroupBy(s => depth[s.Name]).ToDictionary(g => g.Key, g => g.Select(s => s.Name).ToList());
        // a pipeline of usual depth fits the page; a deeper one scrolls
        var box = Math.Clamp((1268 - ((columns.Count - 1) * GapX)) / columns.Count, 132, 176);
        var place = columns.SelectMany(c => c.Value.Select((name, i) => (name, X: c.Key * (box + GapX), Y: i * (Height + GapY)))).ToDictionary(p => p.name, p => (p.X, p.Y));
        var (width, height) = ((columns.Count * (box + GapX)) - GapX + 4, (columns.Values.Max(c => c.Count) * (Height + GapY)) + 4);
        var arrows = graph.Order.SelectMany(s => graph.Upstream[s.Name].Select(u => (From: place[u], To: place[s.Name])));
        return Html.Of($"""
            <div class="scroll" role="region" aria-label="Graph of the stages" tabindex="0"><svg class="graph" viewBox="-2 -2 {width} {height}" width="{width}" height="{height}" role="img" aria-label="Graph of the stages; the table below says the same">
            {arrows.Select(a => Html.Of($"<path d=\"{SvgText.Edge(a.From.X + box, a.From.Y + (Height / 2), a.To.X, a.To.Y + (Height / 2), GapX, Math.Max(a.From.Y, a.To.Y) + Height + (GapY / 2))}\"/>"))}
            {graph.Order.Select(s => Html.Of($"<g class=\"{Tone(states.GetValueOrDefault(s.Name))}\" transform=\"translate({place[s.Name].X},{place[s.Name].Y})\"><title>{s.Name}</title>{new Html(SvgText.Box(box, Height, s.Name, $"{s.Kind?.Name ?? "run"} · {(states.GetValueOrDefault(s.Name)?.State is { } state ? Parts.Words(state.ToString()) : "not run")}"))}</g>"))}
            </svg></div>
            """);
    }

    static string Tone(StageRun? run) => run?.State switch
    {
        null or StageState.Skipped or StageState.Waiting => "quiet",
        StageState.Running => "busy",
        StageState.Failed or StageState.Cancelled or StageState.Interrupted => "bad",
        StageState.NotPassed => "warn",
        _ => "good",
    };
}
