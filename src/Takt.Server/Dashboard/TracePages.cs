using System.Globalization;
using System.Text.Json;
using Takt.Runs;
using Takt.Runs.Traces;

namespace Takt.Server.Dashboard;

/// <summary>Traces: found by the API's own filter, and one as a waterfall of its spans with what each was given and gave.</summary>
static class TracePages
{
    const int Together = 50;
    const int MostSpans = 2000;
    const int Listed = 200;

    /// <summary>Fewer are seen at once, and need no folding.</summary>
    const int FewSpans = 8;

    /// <summary>Deeper spans stand as far to the right as these; their depth is told.</summary>
    const int Deepest = 12;
    const int LongestPreview = 90;

    public static (string, Html) List(TaktApp app, Workspace workspace, string experiment, string filter, string? after, string here)
    {
        var now = app.Time.GetUtcNow();
        var choice = app.ExperimentGrid.In(workspace).Choice(Listed);
        var chosen = RunListPage.Resolve(app, workspace, experiment);
        string? fault = null;
        TracePage page = new([], null);
        try
        {
            page = app.Traces.Search(new TraceQuery(chosen is null ? choice.Select(e => e.Id).ToList() : [chosen.Id], filter.Length == 0 ? null : filter, [], Together, after));
        }
        catch (TaktException e) when (e.Error == TaktError.Invalid)
        {
            fault = e.Message;
        }
        var names = choice.ToDictionary(e => e.Id, e => e.Name);
        var longest = page.Traces.Select(t => t.Duration ?? 0).DefaultIfEmpty(0).Max();
        string Next(string token) => $"/traces?{(experiment.Length == 0 ? "" : $"experiment={Uri.EscapeDataString(experiment)}&")}{(filter.Length == 0 ? "" : $"filter={Uri.EscapeDataString(filter)}&")}after={Uri.EscapeDataString(token)}";
        var pages = after is null && page.Next is null ? Html.None : Html.Of($"""
            <p class="pager"><span class="pages">{(after is null ? Html.None : Parts.Link($"/traces{(experiment.Length == 0 ? "" : $"?experiment={Uri.EscapeDataString(experiment)}")}", "First page"))}{(page.Next is { } token ? Html.Of($"<a rel=\"next\" href=\"{Next(token)}\">Next →</a>") : Html.None)}</span></p>
            """);
        return ("Traces", Html.Of($"""
            <section class="card">
            <form class="toolbar" method="get" action="/traces" role="search" aria-label="Traces">
            <label class="field"><span>Experiment</span><select name="experiment" data-submit><option value="">All experiments</option>{choice.Select(e => Html.Of($"<option value=\"{e.Id}\"{new Html(e.Id == chosen?.Id ? " selected" : "")}>{e.Name}</option>"))}</select></label>
            <label class="field wide"><span>Filter</span><input name="filter" value="{filter}" spellcheck="false" autocomplete="off" list="trace-keys" placeholder="trace.status = 'ERROR' AND trace.execution_time_ms &gt; 1000" {new Html(fault is null ? "" : "aria-invalid=\"true\" aria-describedby=\"fault\"")}></label>
            <datalist id="trace-keys"><option value="trace.status = 'ERROR'"></option><option value="trace.execution_time_ms &gt; 1000"></option><option value="trace.name = ''"></option><option value="trace.text LIKE '%%'"></option><option value="span.type = 'LLM'"></option></datalist>
            <button class="primary">Search</button></form>
            {(fault is null ? Html.None : Html.Of($"<p class=\"fault\" id=\"fault\" role=\"alert\">{fault}</p>"))}
            {(fault is not null ? Html.None : page.Traces.Count == 0 && filter.Length > 0 ? Html.Of($"<div class=\"empty\"><p>No trace matches this filter.</p></div>") : Parts.Table(["Trace", "Request", "Response", "State", "Began", "Took", "Assessments", .. chosen is null ? (string[])["Experiment"] : []], page.Traces.Select(t => (Html[])
            [
                Html.Of($"<a href=\"/traces/{Uri.EscapeDataString(t.Id)}\" dir=\"auto\">{Short(t.Tag("mlflow.traceName") is { Length: > 0 } name ? name : t.Id)}</a>"), Html.Of($"<span dir=\"auto\">{Short(t.RequestPreview ?? "")}</span>"), Html.Of($"<span dir=\"auto\">{Short(t.ResponsePreview ?? "")}</span>"),
                State(t.State), Parts.Time(RunListPage.Millis(t.Started), now), t.Duration is { } took ? Parts.Bar(took, Math.Max(1, longest), Parts.Took(took)) : Parts.Text("running"), Html.Join(t.Assessments.Where(a => a.Valid).Take(3).Select(a => Html.Of($"{Badge(a)} "))), .. chosen is null ? (Html[])[Parts.Link($"/traces?experiment={t.Experiment}", Parts.Cut(names.GetValueOrDefault(t.Experiment) ?? $"{t.Experiment}", 32))] : [],
            ]), "A trace is one request to an application, as the steps it took: what each was given, gave, and how long it ran. MLflow's clients send them, any OpenTelemetry exporter (with the header x-mlflow-experiment-id), and endpoints with traces: in takt.yaml. There is none yet:",
                $"mlflow.set_tracking_uri(\"{here}\"); mlflow.openai.autolog()\nexport OTEL_EXPORTER_OTLP_TRACES_ENDPOINT={here}/v1/traces OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf OTEL_EXPORTER_OTLP_HEADERS=x-mlflow-experiment-id={(chosen?.Id ?? 0).ToString(CultureInfo.InvariantCulture)}", "Traces", dropEmpty: true))}
            {pages}
            </section>
            """));
    }

    public static (string, Html) One(TaktApp app, Workspace workspace, string id)
    {
        var now = app.Time.GetUtcNow();
        var (trace, spans) = app.Traces.WithSpans([id]).FirstOrDefault();
        if (trace is null) throw TaktException.NotFound($"no trace '{id}'");
        // an experiment that is not of this workspace hides its traces
        var experiment = app.ExperimentGrid.In(workspace).Find(trace.Experiment.ToString(CultureInfo.InvariantCulture));
        if (experiment is null) throw TaktException.NotFound($"no trace '{id}'");
        var ordered = Nested(spans);
        var (low, high) = spans.Count == 0 ? (0L, 1L) : (spans.Min(s => s.Started), Math.Max(spans.Min(s => s.Started) + 1, spans.Max(s => s.Ended ?? s.Started)));
        return (trace.Tag("mlflow.traceName") is { Length: > 0 } name ? name : "Trace", Html.Of($"""
            <section class="card">{Parts.Facts(("State", State(trace.State)), ("Trace", Html.Of($"<code title=\"{trace.Id}\">{(trace.Id.Length > 15 ? trace.Id[..15] : trace.Id)}</code> <button type=\"button\" class=\"small\" data-copy=\"{trace.Id}\">Copy</button>")), ("Began", Parts.Time(RunListPage.Millis(trace.Started), now)), ("Took", Parts.Text(trace.Duration is { } took ? Parts.Took(took) : "running")),
                ("Experiment", Parts.Link($"/traces?experiment={experiment.Id}", experiment.Name)), ("Run", trace.Fact("mlflow.sourceRun") is { Length: > 0 } run ? Parts.Id(run, $"/runs/{run}") : Html.None), ("Session", Parts.Text(trace.Fact("mlflow.trace.session"))), ("Tokens", Parts.Text(Tokens(trace.Fact("mlflow.trace.tokenUsage")))))}
            </section>
            {(trace.Assessments.Count == 0 ? Html.None : Parts.Section("Assessments", Parts.Table(["Name", "Value", "By", "Why", "Given"], trace.Assessments.Select(a => new[]
            {
                Html.Of($"{a.Name} {(a.Valid ? Html.None : Parts.Badge("replaced", "quiet"))}"), a.Error is { } error ? Parts.Long(error) : Parts.Long(Told(a.Value)), Parts.Text($"{a.Source} ({a.SourceType.ToLowerInvariant().Replace('_', ' ')})"), Parts.Long(a.Rationale ?? ""), Parts.Time(RunListPage.Millis(a.Created), now),
            }), "", "", "Assessments")))}
            <section class="card" id="spans"><header><h2>Spans</h2><p class="note">{spans.Count:N0} spans, {Parts.Took((high - low) / 1_000_000)}; open one to see what it was given and gave</p>
            {(spans.Count < FewSpans ? Html.None : Html.Of($"<div class=\"chart-tools\"><label>Find <input type=\"search\" id=\"span-find\" size=\"12\" autocomplete=\"off\"></label><label><input type=\"checkbox\" id=\"span-errors\"> Errors only</label><button type=\"button\" class=\"small\" id=\"span-all\">Unfold all</button> <span class=\"dim\" id=\"span-note\" role=\"status\">← folds what is below a span, → unfolds it</span></div>"))}</header>
            {(spans.Count == 0 ? Html.Of($"<div class=\"empty\"><p>No span of this trace has arrived.</p></div>") : Html.Join(ordered.Take(MostSpans).Select(s => Row(s.Span, s.Depth, low, high))))}
            {(spans.Count > MostSpans ? Html.Of($"<p class=\"count dim\">the first {MostSpans:N0} of {spans.Count:N0}; the API has all</p>") : Html.None)}</section>
            {(spans.Count < FewSpans ? Html.None : new Html("<script src=\"/assets/trace.js\" defer></script>"))}
            <div class="two">{Pairs("Tags", trace.Tags)}{Pairs("Metadata", trace.Metadata)}</div>
            """));
    }

    /// <summary>Children below their parent by time; a span whose parent is not there stands at the top.</summary>
    static List<(Span Span, int Depth)> Nested(List<Span> spans)
    {
        var known = spans.Select(s => s.Id).ToHashSet(StringComparer.Ordinal);
        var below = spans.ToLookup(s => s.Parent is { } parent && known.Contains(parent) && parent != s.Id ? parent : "", StringComparer.Ordinal);
        var ordered = new List<(Span, int)>(spans.Count);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var open = new Stack<(Span Span, int Depth)>(below[""].OrderByDescending(s => s.Started).Select(s => (s, 0)));
        while (open.TryPop(out var next))
        {
            if (!seen.Add(next.Span.Id)) continue;
            ordered.Add(next);
            foreach (var child in below[next.Span.Id].OrderByDescending(s => s.Started)) open.Push((child, next.Depth + 1));
        }
        ordered.AddRange(spans.Where(s => !seen.Contains(s.Id)).Select(s => (s, 0))); // a circle of parents
        return ordered;
    }

    static Html Row(Span span, int depth, long low, long high)
    {
        var width = (double)(high - low);
        var (left, right) = ((span.Started - low) / width * 1000, ((span.Ended ?? high) - low) / width * 1000);
        var indent = Math.Min(depth, Deepest);
        return Html.Of($"""
            <details class="span {(span.Status == "ERROR" ? "bad" : "")}" data-depth="{depth}"><summary><span class="label"><svg viewBox="0 0 {Math.Max(1, indent * 14)} 1" width="{indent * 14}" height="1" aria-hidden="true"></svg><span class="branch" aria-hidden="true"></span>{(depth > Deepest ? Html.Of($"<span class=\"dim\" title=\"{depth} deep\">{depth} </span>") : Html.None)}<b dir="auto">{Short(span.Name)}</b> {(span.Type is { Length: > 0 } and not "UNKNOWN" ? Parts.Badge(span.Type.ToLowerInvariant().Replace('_', ' '), "quiet") : Html.None)}{(span.Status == "ERROR" ? Parts.Badge("error", "bad") : Html.None)}</span>
            <svg class="lane" viewBox="0 0 1000 12" preserveAspectRatio="none" role="img" aria-label="{Took(span)}, begins after {Parts.Took((span.Started - low) / 1_000_000)}"><rect x="{Math.Clamp(left, 0, 998):0.#}" y="1" width="{Math.Max(2, right - left):0.#}" height="10" rx="2"/></svg><span class="took">{Took(span)}</span></summary>
            {Content(span)}</details>
            """);
    }

    static string Took(Span span) => span.Ended is not { } end ? "running" : end - span.Started < 1_000_000 ? string.Create(CultureInfo.InvariantCulture, $"{(end - span.Started) / 1000.0:0.#} µs") : Parts.Took((end - span.Started) / 1_000_000);

    static Html Content(Span span)
    {
        try
        {
            using var json = JsonDocument.Parse(span.Content);
            var root = json.RootElement;
            var attributes = root.TryGetProperty("attributes", out var a) && a.ValueKind == JsonValueKind.Object ? a.EnumerateObject().Select(p => (p.Name, Value: Plain(p.Value))).ToList() : [];
            var events = root.TryGetProperty("events", out var e) && e.ValueKind == JsonValueKind.Array ? e.EnumerateArray().ToList() : [];
            Html Named(string title, string key) => attributes.Find(x => x.Name == key).Value is { Length: > 0 } value && value != "null" ? Html.Of($"<h3>{title}</h3><pre tabindex=\"0\" dir=\"auto\">{Pretty(value)}</pre>") : Html.None;
            return Html.Of($"""
                <div class="span-body">{Named("Inputs", "mlflow.spanInputs")}{Named("Outputs", "mlflow.spanOutputs")}
                {(events.Count == 0 ? Html.None : Html.Of($"<h3>Events</h3>{events.Take(100).Select(x => Html.Of($"<pre tabindex=\"0\" dir=\"auto\">{Pretty(x.GetRawText())}</pre>"))}"))}
                {(attributes.Count == 0 ? Html.None : Html.Of($"<h3>Attributes</h3>{Parts.Table(["Name", "Value"], attributes.Where(x => x.Name is not ("mlflow.spanInputs" or "mlflow.spanOutputs")).Take(500).Select(x => new[] { Html.Of($"<code>{x.Name}</code>"), Parts.Long(x.Value) }), "no others", "", "Attributes")}"))}</div>
                """);
        }
        catch (JsonException)
        {
            return Html.Of($"<pre tabindex=\"0\">{span.Content}</pre>");
        }
    }

    // an attribute is kept as the JSON text of its value
    static string Plain(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.String) return value.GetRawText();
        var text = value.GetString()!;
        if (text.Length < 2 || text[0] != '"') return text;
        try
        {
            using var inner = JsonDocument.Parse(text);
            return inner.RootElement.ValueKind == JsonValueKind.String ? inner.RootElement.GetString()! : text;
        }
        catch (JsonException)
        {
            return text;
        }
    }

    static string Pretty(string text)
    {
        const int Most = 100_000;
        if (text.Length > Most) return text[..Most] + "…";
        if (text.Length == 0 || text[0] is not ('{' or '[')) return text;
        try
        {
            using var json = JsonDocument.Parse(text);
            return JsonSerializer.Serialize(json.RootElement, Indented);
        }
        catch (JsonException)
        {
            return text;
        }
    }

    static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    static Html State(string state) => state switch { "OK" => Parts.Badge("ok", "good"), "ERROR" => Parts.Badge("error", "bad"), "IN_PROGRESS" => Parts.Badge("running", "busy"), _ => Parts.Badge("unknown", "quiet") };

    /// <summary>A value that is kept as JSON as a reader writes it: a text without quotes, a number in six digits.</summary>
    static string Told(string json)
    {
        try
        {
            var value = JsonElement.Parse(json);
            return value.ValueKind switch { JsonValueKind.String => value.GetString()!, JsonValueKind.Number => Parts.Figure(value.GetDouble()), _ => json };
        }
        catch (JsonException)
        {
            return json;
        }
    }

    /// <summary>MLflow's counts in words; anything else as it is.</summary>
    static string? Tokens(string? usage)
    {
        if (usage is null) return null;
        try
        {
            var of = JsonElement.Parse(usage);
            long? Count(string name) => of.ValueKind == JsonValueKind.Object && of.TryGetProperty(name, out var value) && value.TryGetInt64(out var count) ? count : null;
            return Count("total_tokens") is not { } all ? usage : string.Create(CultureInfo.InvariantCulture, $"{all:N0}{(Count("input_tokens") is { } given && Count("output_tokens") is { } made ? $": {given:N0} in, {made:N0} out" : "")}");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return usage;
        }
    }

    static Html Badge(Assessment assessment) => Parts.Badge($"{assessment.Name}: {Short(assessment.Error is null ? Told(assessment.Value) : "error")}", assessment.Error is not null || assessment.Value is "false" or "\"no\"" ? "bad" : assessment.Value is "true" or "\"yes\"" ? "good" : "quiet");

    static Html Pairs(string title, List<KeyValuePair<string, string>> pairs) => pairs.Count == 0 ? Html.None
        : Parts.Section(title, Parts.Table(["Name", "Value"], pairs.OrderBy(p => p.Key, StringComparer.Ordinal).Take(1000).Select(p => new[] { Html.Of($"<code>{p.Key}</code>"), Parts.Long(p.Value) }), "", "", title));

    static string Short(string text) => text.Length <= LongestPreview ? text : text[..(char.IsHighSurrogate(text[LongestPreview - 2]) ? LongestPreview - 2 : LongestPreview - 1)] + "…";
}
