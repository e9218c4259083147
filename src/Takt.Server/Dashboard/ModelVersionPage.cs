using Takt.Deployments;
using Takt.Models;

namespace Takt.Server.Dashboard;

/// <summary>One version: how good it is, where it came from, what it takes and gives, and where it is used.</summary>
static class ModelVersionPage
{
    static readonly string[] Stages = ["None", "Staging", "Production", "Archived"];

    public static async Task<(string, Html)> Render(TaktApp app, Workspace workspace, string name, int number)
    {
        var now = app.Time.GetUtcNow();
        var version = app.Models.Resolve($"{name}@{number}", workspace);
        var seen = app.ModelCatalog.In(workspace).GetVersion(name, number);
        var run = version.Run is { } id ? app.Runs.Find(id) : null;
        var gates = GatesOf(app, version);
        var deployed = app.Deployments.List().Where(d => workspace.IsDefault && (d.Live?.Model == version.Reference || d.Challenger?.Model == version.Reference)).ToList();
        return (version.Reference, Html.Of($"""
            <section class="card">
            {Parts.Facts(("Model", Parts.Link(ModelPages.Url(name), Parts.Cut(name, 40))), ("Aliases", ModelPages.Aliases(version.Aliases)), ("Stage", seen.Stage == "None" ? PromptText.Is(seen) ? Html.None : Parts.Text("none") : ModelPages.Stage(seen.Stage)), ("Status", seen.Status == "READY" ? Parts.Badge("ready", "good") : Parts.State(seen.Status)), ("Registered", Parts.Time(version.CreatedAt, now)),
                ("Run", run is null ? Parts.Id(version.Run?.Value) : RunPage.Named(run.Id.Value, run.Name)), ("Code", Parts.Id(version.CodeCommit)), ("Data", ModelPages.Data(version.DatasetCommits)), ("Source", PromptText.Is(seen) ? Html.None : Html.Of($"<span class=\"text\">{version.Source}</span>")),
                ("Deployed", Html.Join(deployed.Select(d => Html.Of($"{Parts.Link($"/deployments/{Uri.EscapeDataString(d.Endpoint)}", d.Endpoint)} {(d.Live?.Model == version.Reference ? "in charge" : "challenger")} ")))))}
            {(seen.Description.Length == 0 ? Html.None : Html.Of($"<div class=\"prose\">{Markdown.Render(seen.Description)}</div>"))}
            <div class="actions">{Actions(version, seen)}</div>
            </section>
            {PromptText.Section(app.ModelCatalog.In(workspace), seen)}
            {await LineageDrawing.Section(app, workspace, $"model:{version.Reference}", LineageDirection.Both)}
            <div class="two">
            {Values("Metrics", version.Metrics.Count > 0 ? version.Metrics.Where(m => !m.Key.StartsWith(OfClasses, StringComparison.Ordinal)).Select(m => (m.Key, Parts.Figure(m.Value))) : run?.Metrics.Values.Select(m => (m.Key, Parts.Figure(m.Value))) ?? [])}
            {Values("Params", version.Params.Count > 0 ? version.Params.Select(p => (p.Key, p.Value)) : run?.Params.Select(p => (p.Key, p.Value)) ?? [])}
            </div>
            {Classes(version)}
            {(await ConfusionTable.Of(app, version.Run, version.Metrics) is { } confusion ? Parts.Section("Confusion", ConfusionTable.Draw(confusion, "Rows of the test")) : Html.None)}
            {(gates.Count == 0 ? Html.None : Parts.Section("Gates", Parts.Table(["Rule", "Verdict", "Left", "Right", "Why"], gates.Select(g => new[] { Html.Of($"<code>{g.Rule}</code>"), RunPage.Verdict(g.Verdict), Parts.Number(g.Left), Parts.Number(g.Right), Parts.Text(g.Reason) }), "", "", "Gates", numbers: [2, 3], dropEmpty: true)))}
            {await SignatureOf(app, version)}
            {Values("Tags", seen.Tags.Where(t => !PromptText.Is(seen) || !t.Key.StartsWith("mlflow.prompt.", StringComparison.Ordinal)).Select(t => (t.Key, t.Value)))}
            {(version.Files.Count == 0 ? Html.None : Parts.Section("Package", Parts.Table(["File", "SHA-256"], version.Files.Select(f => new[] { Parts.Text(f.Key), Parts.Id(f.Value) }), "", "", "Package"), version.Package is { } package ? $"{package}"[..19] : null))}
            {Parts.Section("History", ModelPages.History(app, workspace, name, number, now))}
            """));
    }

    const string OfClasses = "classes.";

    /// <summary>Of a model that says classes, how good it is for each; empty for any other.</summary>
    static Html Classes(ModelVersion version)
    {
        var names = version.Metrics.Keys.Where(k => k.StartsWith(OfClasses, StringComparison.Ordinal) && k.EndsWith(".rows", StringComparison.Ordinal)).Select(k => k[OfClasses.Length..^".rows".Length]).ToList();
        double? Of(string name, string figure) => version.Metrics.TryGetValue($"{OfClasses}{name}.{figure}", out var value) ? value : null;
        return names.Count == 0 ? Html.None : Parts.Section("Classes", Parts.Table(["Class", "Rows", "Predicted", "Precision", "Recall", "F1"], names.Select(n => new[]
        {
            Parts.Text(n), Parts.Count((long?)Of(n, "rows")), Parts.Count((long?)Of(n, "predicted")), Parts.Number(Of(n, "precision"), "0.000"), Parts.Number(Of(n, "recall"), "0.000"), Parts.Number(Of(n, "f1"), "0.000"),
        }), "", "", "Classes", numbers: [1, 2, 3, 4, 5]), $"{names.Count}, on {Parts.Figure(version.Metrics.GetValueOrDefault("rows"))} rows of the test");
    }

    static Html Actions(ModelVersion version, RegisteredVersion seen)
    {
        var url = ModelPages.Url(version.Name);
        var which = Html.Of($"<input type=\"hidden\" name=\"version\" value=\"{version.Version}\">");
        return Html.Of($"""
            {Forms.Dialog("set-alias", "Set alias", $"{url}/alias", $"Point an alias to {version.Reference}", Html.Of($"{which}<label class=\"field wide\"><span>Alias; whoever follows it, such as a deployment, gets this version from now on</span><input name=\"alias\" list=\"aliases\" required maxlength=\"255\" pattern=\"[A-Za-z0-9_\\-]+\" autocomplete=\"off\"></label><datalist id=\"aliases\"><option value=\"champion\"></option><option value=\"challenger\"></option></datalist>"), "Set alias")}
            {version.Aliases.Select((a, i) => Forms.Dialog($"unalias-{i}", $"Take {a} away", $"{url}/unalias", $"Take the alias {a} away?", Html.Of($"{which}<input type=\"hidden\" name=\"alias\" value=\"{a}\"><p>Whoever asks for <code>{version.Name}@{a}</code> finds nothing until it is set again.</p>"), "Take away", danger: true))}
            {(PromptText.Is(seen) ? Html.None : Forms.Dialog("move-stage", "Move to stage", $"{url}/stage", $"Move {version.Reference}", Html.Of($"{which}<label class=\"field wide\"><span>Stage</span><select name=\"stage\">{Stages.Select(s => Html.Of($"<option{new Html(s == seen.Stage ? " selected" : "")}>{s}</option>"))}</select></label><p><label><input type=\"checkbox\" name=\"archive\" value=\"1\"> archive the versions that are in it now</label></p>"), "Move"))}
            {Forms.Dialog("tag-version", "Set a tag", $"{url}/tag", "Set a tag", Html.Of($"{which}<label class=\"field wide\"><span>Name</span><input name=\"key\" required maxlength=\"250\" autocomplete=\"off\"></label><label class=\"field wide\"><span>Value</span><textarea name=\"value\" rows=\"3\" maxlength=\"100000\"></textarea></label>"), "Set")}
            {Forms.Dialog("describe", "Describe", $"{url}/describe", $"Describe {version.Reference}", Html.Of($"{which}<label class=\"field wide\"><span>Markdown</span><textarea name=\"description\" rows=\"8\" maxlength=\"100000\">{seen.Description}</textarea></label>"), "Save")}
            """);
    }

    /// <summary>The rules that let it pass stand with the pipeline run's gate stages, beside the run that trained it.</summary>
    static List<Evaluation.GateOutcome> GatesOf(TaktApp app, ModelVersion version)
    {
        if (version.Run is not { } id) return [];
        // a pipeline's version names the pipeline's run, a client's the run that trained it
        var runs = new List<RunId> { id };
        runs.AddRange(app.Pipelines.Stages.Of(id).Select(s => s.Run).OfType<RunId>());
        if (runs.Count == 1 && app.Runs.Find(id)?.Parent is { } parent) runs.AddRange(app.Pipelines.Stages.Of(parent).Select(s => s.Run).OfType<RunId>());
        return [.. runs.Distinct().SelectMany(app.Gates.Of)];
    }

    static async Task<Html> SignatureOf(TaktApp app, ModelVersion version)
    {
        if (version.Package is null) return Html.None;
        try
        {
            var package = ModelPackage.Open(await app.Models.PackageFolder(version));
            var fields = package.Info.Signature.Inputs.Select(f => ("in", f)).Concat(package.Info.Signature.Outputs.Select(f => ("out", f)));
            return Parts.Section("Signature", Parts.Table(["Way", "Name", "Type", "Required"], fields.Select(x => new[] { Parts.Text(x.Item1), Html.Of($"<code>{x.f.Name}</code>"), Parts.Text(x.f.Type.ToString()), Parts.Text(x.f.Required ? "yes" : "no") }), "", "", "Signature"), $"{package.Info.Task}, {package.Flavor}");
        }
        catch (TaktException e)
        {
            return Parts.Section("Signature", Html.Of($"<div class=\"empty\"><p>{e.Message}</p></div>"));
        }
    }

    static Html Values(string title, IEnumerable<(string Name, string Value)> pairs) => pairs.ToList() is { Count: > 0 } list ? RunPage.Values(title, list.Select(p => (p.Name, Parts.Long(p.Value))), list.Count) : Html.None;
}
