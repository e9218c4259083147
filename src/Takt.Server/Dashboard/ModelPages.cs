using Takt.Models;
using Takt.Runs;

namespace Takt.Server.Dashboard;

static class ModelPages
{
    const int Most = 500;
    const int Together = 100;
    const int Chosen = 4;

    /// <param name="find">A part of the name; empty for all.</param>
    /// <param name="after">Where the page before ended; null: from the start.</param>
    public static (string, Html) List(TaktApp app, Workspace workspace, bool prompts, string find, string? after)
    {
        var now = app.Time.GetUtcNow();
        string?[] clauses = [find.Length == 0 ? null : $"name ILIKE {Quoted($"%{find}%")}", prompts ? $"tag.`{ModelCatalog.PromptTag}` = 'true'" : null];
        var page = app.ModelCatalog.In(workspace).Search(clauses.Any(c => c is not null) ? string.Join(" AND ", clauses.OfType<string>()) : null, [], Together, after);
        var (path, title) = prompts ? ("/prompts", "Prompts") : ("/models", "Models");
        var asked = find.Length == 0 ? "" : $"find={Uri.EscapeDataString(find)}&";
        var table = page.Items.Count == 0 && find.Length > 0 ? Html.Of($"<div class=\"empty\"><p>None has such a name. {Parts.Link(path, "Show all")}</p></div>")
            : Parts.Table([prompts ? "Prompt" : "Model", "Newest", "Aliases", "Stages", "Description", "Changed"], page.Items.Select(m => new[]
            {
                Parts.Link(Url(m.Name), Parts.Cut(m.Name)), m.Latest.MaxBy(v => v.Version) is { } newest ? Html.Of($"<span class=\"once\">{Parts.Link(Url(m.Name, newest.Version), $"version {newest.Version}")}</span>") : Html.None,
                Html.Join(m.Aliases.Select(a => Html.Of($"{Parts.Badge($"{a.Key} → {a.Value}", a.Key == "champion" ? "good" : "busy")} "))), Html.Join(m.Latest.Where(v => v.Stage != "None").Select(v => Html.Of($"{Parts.Badge($"{v.Stage} → {v.Version}", "quiet")} "))),
                Html.Of($"<span dir=\"auto\">{Parts.Cut(Markdown.FirstWords(m.Description), 80)}</span>"), Parts.Time(m.UpdatedAt, now),
            }), prompts ? "Prompts: their texts, version by version, and which one an alias names. There is none yet:" : "Registered models: their versions, which one is champion, how good each is and where it is from. There is none yet: a register stage of a pipeline makes one, and so does any MLflow client.",
                prompts ? "mlflow.genai.register_prompt(name=\"NAME\", template=\"…\")" : "takt run\nmlflow.register_model(\"runs:/RUN_ID/model\", \"NAME\")", title, dropEmpty: true);
        return (title, Html.Of($"""
            <section class="card"><form class="toolbar" method="get" action="{path}" role="search"><label class="field wide"><span>Name</span><input type="search" name="find" value="{find}" autocomplete="off"></label><button class="primary">Search</button></form>
            <p class="count"><span>{(prompts ? Parts.Link("/models", "models") : Parts.Link("/prompts", "prompts"))} · {Parts.Link("/logged-models", "logged models")}</span></p>
            {table}
            {(after is null && page.Next is null ? Html.None : Html.Of($"<p class=\"pager\"><span class=\"pages\">{(after is null ? Html.None : Parts.Link($"{path}?{asked}".TrimEnd('&', '?'), "First page"))} {(page.Next is { } next ? Html.Of($"<a rel=\"next\" href=\"{path}?{asked}after={Uri.EscapeDataString(next)}\">Next →</a>") : Html.None)}</span></p>"))}</section>
            """));
    }

    public static (string, Html) One(TaktApp app, Workspace workspace, string name)
    {
        var now = app.Time.GetUtcNow();
        var model = app.ModelCatalog.In(workspace).Get(name);
        var versions = app.Models.Versions(name, workspace);
        var seen = app.ModelCatalog.In(workspace).SearchVersions($"name = {Quoted(name)}{(model.Tags.Any(t => t.Key == ModelCatalog.PromptTag) ? PromptText.Clause : "")}", [], Most, null).Items.ToDictionary(v => v.Version);
        // the metrics that most versions have, so that they can be told apart
        var metrics = KeyOrder.Sort(versions.SelectMany(v => v.Metrics.Keys).GroupBy(k => k), g => g.Key).OrderByDescending(g => g.Count()).ThenBy(g => Rank(g.Key)).Take(Chosen).Select(g => g.Key).ToList();
        return (name, Html.Of($"""
            {Parts.Section("Versions", Parts.Table(["Version", "Aliases", "Stage", .. metrics, "Prompt", "Run", "Code", "Data", "Registered"], versions.Take(Most).Select(v => (Html[])
            [
                Named(name, v.Version), Aliases(v.Aliases), Stage(seen.GetValueOrDefault(v.Version)?.Stage), .. metrics.Select(m => v.Metrics.TryGetValue(m, out var value) ? Parts.Text(Parts.Figure(value)) : Html.None), PromptText.Brief(seen.GetValueOrDefault(v.Version)),
                Parts.Id(v.Run?.Value, $"/runs/{v.Run}"), Parts.Id(v.CodeCommit), Data(v.DatasetCommits), Parts.Time(v.CreatedAt, now),
            ]), "No version has been registered.", "takt run", "Versions", numbers: Enumerable.Range(3, metrics.Count).ToList(), dropEmpty: true), versions.Count > Most ? $"the newest {Most} of {versions.Count:N0}" : $"{versions.Count:N0}")}
            <section class="card"><header><h2>About</h2></header>{(model.Description.Length == 0 ? Html.Of($"<p class=\"count dim\">Nobody has described this model yet.</p>") : Html.Of($"<div class=\"prose\">{Markdown.Render(model.Description)}</div>"))}
            <div class="actions">{Forms.Dialog("describe", "Describe", $"{Url(name)}/describe", "Describe this model", Html.Of($"<label class=\"field wide\"><span>Markdown</span><textarea name=\"description\" rows=\"8\" maxlength=\"100000\">{model.Description}</textarea></label>"), "Save")}
            {(model.Tags.Count == 0 ? Html.None : Html.Join(model.Tags.Take(30).Select(t => Html.Of($"{Parts.Badge($"{t.Key}: {(t.Value.Length > 60 ? t.Value[..60] + "…" : t.Value)}", "quiet")} "))))}</div></section>
            {Parts.Section("History", History(app, workspace, name, null, now))}
            """));
    }

    public static Html History(TaktApp app, Workspace workspace, string name, int? version, DateTimeOffset now) => Parts.Table(["When", "Version", "What", "Detail"],
        app.Models.History(name, Most, workspace).Where(e => version is null || e.Version == version).Select(e => new[] { Parts.Time(e.Time, now), e.Version is { } v ? Parts.Link(Url(name, v), $"{v}") : Html.None, Parts.Text(Words(e.Kind)), e.Detail.StartsWith("sha256:", StringComparison.Ordinal) ? Html.Of($"package {Parts.Id(e.Detail)}") : Parts.Long(e.Detail) }),
        "Nothing happened.", "takt run", "History");

    /// <summary>A version by its name; of a long one the number alone.</summary>
    public static Html Named(string name, long version) => name.Length <= 30 ? Parts.Link(Url(name, version), $"{name}@{version}") : Html.Of($"<a href=\"{Url(name, version)}\" title=\"{name}@{version}\">…@{version}</a>");

    public static string Url(string name, long? version = null) => $"/models/{Uri.EscapeDataString(name)}{(version is { } v ? $"/{v}" : "")}";

    public static Html Aliases(IReadOnlyList<string> aliases) => Html.Join(aliases.Select(a => Html.Of($"{Parts.Badge(a, a == "champion" ? "good" : "busy")} ")));

    public static Html Stage(string? stage) => stage is null or "None" ? Html.None : Parts.Badge(stage, stage == "Production" ? "good" : stage == "Staging" ? "busy" : "quiet");

    public static Html Data(IReadOnlyList<string> commits) => Html.Join(commits.Select(c => Html.Of($"{Parts.Link($"/data/{Uri.EscapeDataString(c.Split('@')[0])}", c.Split('@')[0])} {Parts.Id(c.Split('@')[^1])} ")));

    internal static string Quoted(string name) => name.Contains('\'') ? $"\"{name}\"" : $"'{name}'";

    static int Rank(string metric) => metric switch { "auc" => 0, "log_loss" => 1, "brier" => 2, "rmse" => 3, "accuracy" => 4, "f1" => 5, _ => 9 };

    static string Words(string kind) => kind switch
    {
        "model.created" => "model made",
        "model.deleted" => "model deleted",
        "version.created" => "version registered",
        "version.deleted" => "version deleted",
        "alias.set" => "alias set",
        "alias.deleted" => "alias taken away",
        "stage.moved" => "moved to stage",
        _ => kind,
    };
}
