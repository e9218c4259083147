using System.Globalization;
using System.Text.Json;
using Takt.Runs;

namespace Takt.Server.Dashboard;

/// <summary>Models as runs logged them, registered or not: which there are, and how good one is on which data.</summary>
static class LoggedModelPages
{
    const int Together = 50;
    const int Listed = 200;
    const int Chosen = 4;
    const int MostPoints = 1000;

    public static string Url(string id) => $"/logged-models/{Uri.EscapeDataString(id)}";

    public static (string, Html) List(TaktApp app, Workspace workspace, string experiment, string filter, string? after)
    {
        var now = app.Time.GetUtcNow();
        var choice = app.ExperimentGrid.In(workspace).Choice(Listed).ToList();
        var chosen = RunListPage.Resolve(app, workspace, experiment);
        if (chosen is not null && choice.TrueForAll(e => e.Id != chosen.Id)) choice.Insert(0, chosen);
        string? fault = null;
        Page<LoggedModel> page = new([], null);
        try
        {
            page = app.LoggedModels.In(workspace).Search(chosen is null ? [.. choice.Select(e => e.Id)] : [chosen.Id], filter.Length == 0 ? null : filter, [], [], Together, after);
        }
        catch (TaktException e) when (e.Error == TaktError.Invalid)
        {
            fault = e.Message;
        }
        var names = choice.ToDictionary(e => e.Id, e => e.Name);
        var metrics = KeyOrder.Sort(page.Items.SelectMany(m => m.Metrics.Select(p => p.Metric.Key).Distinct()).GroupBy(k => k), g => g.Key).OrderByDescending(g => g.Count()).Take(Chosen).Select(g => g.Key).ToList();
        var asked = $"/logged-models?{(experiment.Length == 0 ? "" : $"experiment={Uri.EscapeDataString(experiment)}&")}{(filter.Length == 0 ? "" : $"filter={Uri.EscapeDataString(filter)}&")}";
        return ("Logged models", Html.Of($"""
            <section class="card">
            <form class="toolbar" method="get" action="/logged-models" role="search" aria-label="Logged models">
            <label class="field"><span>Experiment</span><select name="experiment" data-submit><option value="">All experiments</option>{choice.Select(e => Html.Of($"<option value=\"{e.Id}\"{new Html(e.Id == chosen?.Id ? " selected" : "")}>{Parts.Cut(e.Name)}</option>"))}</select></label>
            <label class="field wide"><span>Filter</span><input name="filter" value="{filter}" spellcheck="false" autocomplete="off" placeholder="metrics.acc &gt; 0.9 AND name LIKE 'ckpt%'" {new Html(fault is null ? "" : "aria-invalid=\"true\" aria-describedby=\"fault\"")}></label>
            <button class="primary">Search</button></form>
            {(fault is not null ? Html.Of($"<p class=\"fault\" id=\"fault\" role=\"alert\">{fault}</p>") : page.Items.Count == 0 && filter.Length > 0 ? Html.Of($"<div class=\"empty\"><p>No logged model matches this filter.</p></div>")
                : Parts.Table(["Model", "Status", "Type", "Run", .. metrics, "Logged", .. chosen is null ? (string[])["Experiment"] : []], page.Items.Select(m => (Html[])
                [
                    Html.Of($"<a href=\"{Url(m.Id)}\" dir=\"auto\">{Parts.Cut(m.Name)}</a>"), Status(m), Parts.Text(m.ModelType), Run(app, m),
                    .. metrics.Select(key => m.Metrics.Where(p => p.Metric.Key == key).OrderBy(p => p.Metric.Step).ThenBy(p => p.Metric.Time).Select(p => (double?)p.Metric.Value).LastOrDefault() is { } value ? Parts.Text(Parts.Figure(value)) : Html.None),
                    Parts.Time(m.CreatedAt, now), .. chosen is null ? (Html[])[Parts.Link($"/logged-models?experiment={m.Experiment}", Parts.Cut(names.GetValueOrDefault(m.Experiment, $"{m.Experiment}"), 40))] : [],
                ]), "A logged model is what a run saved, registered or not: its params, and how good it was on which dataset. There is none yet:", "mlflow.sklearn.log_model(model, name=\"NAME\")", "Logged models", numbers: [.. Enumerable.Range(4, metrics.Count)], dropEmpty: true))}
            {(after is null && page.Next is null ? Html.None : Html.Of($"<p class=\"pager\"><span class=\"pages\">{(after is null ? Html.None : Parts.Link(asked.TrimEnd('&', '?'), "First page"))} {(page.Next is { } next ? Html.Of($"<a rel=\"next\" href=\"{asked}after={Uri.EscapeDataString(next)}\">Next →</a>") : Html.None)}</span></p>"))}</section>
            """));
    }

    public static (string, Html) One(TaktApp app, Workspace workspace, string id)
    {
        var now = app.Time.GetUtcNow();
        var model = app.LoggedModels.In(workspace).Get(id);
        var experiment = app.ExperimentGrid.In(workspace).Find(model.Experiment.ToString(CultureInfo.InvariantCulture));
        var metrics = KeyOrder.Sort(model.Metrics, p => p.Metric.Key);
        return (Parts.Cut(model.Name, 120), Html.Of($"""
            <section class="card">{Parts.Facts(("Status", Status(model)), ("Logged model", Html.Of($"<code title=\"{id}\">{Parts.Cut(id, 14)}</code> <button type=\"button\" class=\"small\" data-copy=\"{id}\">Copy</button>")), ("Type", Parts.Text(model.ModelType)), ("Experiment", experiment is null ? Html.None : Parts.Link($"/runs?experiment={experiment.Id}", Parts.Cut(experiment.Name, 48))),
                ("Run", Run(app, model)), ("Logged", Parts.Time(model.CreatedAt, now)), ("Registered as", Registered(model)), ("Files", Html.Of($"<span class=\"text\">{model.ArtifactUri}</span>")))}</section>
            {Parts.Section("Metrics", Parts.Table(["Metric", "Value", "Step", "Dataset", "Measured by", "When"], metrics.Take(MostPoints).Select(p => new[]
            {
                Html.Of($"<code>{p.Metric.Key}</code>"), Parts.Text(Parts.Figure(p.Metric.Value)), Parts.Count(p.Metric.Step), Html.Of($"{p.Metric.DatasetName} {Parts.Id(p.Metric.DatasetDigest)}"), Parts.Id(p.Run, $"/runs/{p.Run}"), Parts.Time(RunListPage.Millis(p.Metric.Time), now),
            }), "Nothing was measured of this model.", "mlflow.log_metric(\"acc\", 0.9, model_id=\"ID\")", "Metrics", numbers: [1, 2], dropEmpty: true), metrics.Count > MostPoints ? $"the first {MostPoints:N0} of {metrics.Count:N0} points" : null)}
            <div class="two">{RunPage.Values("Params", KeyOrder.Sort(model.Params, p => p.Key).Select(p => (p.Key, Parts.Long(p.Value))), model.Params.Count)}{RunPage.Values("Tags", model.Tags.Select(t => (t.Key, Parts.Long(t.Value))), model.Tags.Count)}</div>
            """));
    }

    static Html Status(LoggedModel model) => model.Status switch
    {
        "LOGGED_MODEL_READY" => Parts.Badge("ready", "good"),
        "LOGGED_MODEL_PENDING" => Parts.Badge("pending", "busy"),
        "LOGGED_MODEL_UPLOAD_FAILED" => Parts.Badge("upload failed", "bad"),
        var other => Parts.Badge(other, "quiet"),
    };

    static Html Run(TaktApp app, LoggedModel model) => model.Run.Length == 0 ? Html.None : app.Runs.Find(new RunId(model.Run)) is { } run ? RunPage.Named(model.Run, run.Name) : Parts.Id(model.Run);

    /// <summary>MLflow's clients keep in a tag which versions were made of it.</summary>
    static Html Registered(LoggedModel model)
    {
        if (model.Tags.LastOrDefault(t => t.Key == "mlflow.modelVersions").Value is not { } kept) return Html.None;
        try
        {
            return Html.Join(JsonElement.Parse(kept).EnumerateArray().Select(v => (Name: v.GetProperty("name").GetString()!, Version: long.Parse(v.GetProperty("version").ToString(), CultureInfo.InvariantCulture))).Select(v => Html.Of($"{ModelPages.Named(v.Name, v.Version)} ")));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or OverflowException)
        {
            return Html.None; // a client wrote something else there
        }
    }
}
