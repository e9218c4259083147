using System.Globalization;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Http;
using Takt.Runs;

namespace Takt.Server.Dashboard;

/// <summary>The runs table: a page by keyset, columns on demand, the API's own filter language, groups.</summary>
static class RunListPage
{
    /// <summary>A filtered table's runs are counted up to here.</summary>
    const long CountedUpTo = 1_000;
    const int MostGroups = 200;
    const int MostGroupMetrics = 8;
    const int UsualGroupMetrics = 3;
    const int ListedExperiments = 200;

    /// <summary>Parts of a run that open below it; a link leads to all.</summary>
    const int MostBelow = 200;

    /// <param name="here">The server's own address, for who wants to log to it.</param>
    public static (string, Html) Render(TaktApp app, Workspace workspace, RunListState state, Notice notice, string here)
    {
        var now = app.Time.GetUtcNow();
        var experiment = Resolve(app, workspace, state.Experiment);
        var grid = app.RunGrid.In(workspace);
        IReadOnlyList<long> ids = experiment is null ? [] : [experiment.Id];
        var query = state.Query(ids);
        var fault = state.Fault;
        var body = Html.None;
        var count = "";
        if (fault is null)
        {
            try
            {
                long Count(RunGridQuery of) => grid.Count(of, state.Filter.Length == 0 ? long.MaxValue : CountedUpTo);
                var (total, within) = (Count(query), state.AsTree || state.FoldsStages ? Count(query with { TopLevel = false, FoldStages = false }) : 0);
                count = $"{total:N0}{(state.Filter.Length > 0 && total == CountedUpTo ? " or more" : "")} {(state.Deleted ? "deleted " : "")}run{(total == 1 ? "" : "s")}{(within > total ? $", {within:N0} with their parts" : "")}";
                body = state.Group is { } group ? Groups(grid, state, query, group, now) : Table(grid, state, query, now, all: experiment is null, here);
            }
            catch (TaktException e) when (e.Error == TaktError.Invalid)
            {
                fault = e.Message;
            }
        }
        return (experiment is null ? "Runs" : experiment.Name, Html.Of($"""
            <script src="/assets/columns.js"></script>
            {notice.Show(state.Url())}
            <section class="card runs" data-experiment="{state.Experiment}">
            {Toolbar(app.ExperimentGrid.In(workspace), state, experiment, fault)}
            <p class="count"><span>{count}{(count.Length > 0 ? " · " : "")}{Parts.Link("/experiments", "all experiments")}</span>{(fault is null ? Exports(state) : Html.None)}</p>
            {body}
            </section>
            {Columns(state)}
            <script src="/assets/grid.js" defer></script>
            """));
    }

    /// <summary>By id, else by name.</summary>
    /// <exception cref="TaktException">NotFound.</exception>
    public static ExperimentRow? Resolve(TaktApp app, Workspace workspace, string text) => text.Length == 0 ? null
        : app.ExperimentGrid.In(workspace).Find(text) ?? throw TaktException.NotFound($"no experiment '{text}'; /experiments lists those that there are");

    static Html Toolbar(ExperimentGrid experiments, RunListState state, ExperimentRow? experiment, string? fault)
    {
        var listed = experiments.Choice(ListedExperiments).ToList();
        if (experiment is not null && listed.TrueForAll(e => e.Id != experiment.Id)) listed.Insert(0, experiment);
        var kept = (state.Start with { Experiment = "", Filter = "", Group = null, Show = RunListState.Sizes[0], Nested = null, Deleted = false }).Parts();
        return Html.Of($"""
            <form class="toolbar" method="get" action="/runs" role="search" aria-label="Runs">
            {kept.Select(p => Html.Of($"<input type=\"hidden\" name=\"{p.Name}\" value=\"{p.Value}\">"))}
            <label class="field"><span>Experiment</span><select name="experiment" data-submit>{Option("", "All experiments", experiment is null)}{listed.Select(e => Option(e.Id.ToString(CultureInfo.InvariantCulture), Cut(e.Name), e.Id == experiment?.Id))}</select></label>
            <label class="field wide"><span>Filter</span><input id="filter" name="filter" value="{state.Filter}" list="keys" spellcheck="false" autocomplete="off" autocapitalize="none" placeholder="metrics.acc &gt; 0.9 AND params.model = 'vit'" {new Html(fault is null || state.Fault is not null ? "" : "aria-invalid=\"true\" aria-describedby=\"fault\"")}></label>
            <datalist id="keys"></datalist>
            <label class="field"><span>Group by</span><input name="group" value="{state.GroupText}" list="groups" spellcheck="false" autocomplete="off" placeholder="params.model" size="19"></label>
            <datalist id="groups"><option value="status"></option><option value="user_id"></option><option value="experiment"></option></datalist>
            <label class="field"><span>Rows</span><select name="show" data-submit>{RunListState.Sizes.Select(n => Option(n.ToString(CultureInfo.InvariantCulture), n.ToString(CultureInfo.InvariantCulture), n == state.Show))}</select></label>
            <label class="field"><span>Nested</span><select name="nested" data-submit>{Option("", state.Nested is null ? state.AsTree ? "auto: below" : "auto: one list" : "auto", state.Nested is null)}{Option("tree", "below parents", state.Nested == true)}{Option("flat", "one list", state.Nested == false)}</select></label>
            <label class="field"><span>State</span><select name="deleted" data-submit>{Option("", "active", !state.Deleted)}{Option("1", "deleted", state.Deleted)}</select></label>
            <button class="primary">Search</button>
            <button type="button" id="choose-columns">Columns{(state.Columns is null ? Html.None : Html.Of($" <span class=\"dim\">{state.Columns.Count}</span>"))}</button>
            </form>
            {(fault is null ? Html.None : Html.Of($"<p class=\"fault\" id=\"fault\" role=\"alert\">{fault}</p>"))}
            """);
    }

    static Html Option(string value, string text, bool chosen) => Html.Of($"""<option value="{value}"{new Html(chosen ? " selected" : "")}>{text}</option>""");

    static Html Exports(RunListState state) => state.Group is not null ? Html.None
        : Html.Of($"""<span class="exports">Export {Parts.Link(state.Start.Url("/runs/export.csv"), "CSV")} {Parts.Link(state.Start.Url("/runs/export.json"), "JSON")} <span class="dim keys">· keys: j k move, x select, o parts, c compare, Enter open, / filter</span></span>""");

    // written straight into one buffer: a table of 100 rows and 500 columns is 50,000 cells
    static Html Table(RunGrid grid, RunListState state, RunGridQuery query, DateTimeOffset now, bool all, string here)
    {
        var page = grid.Page(query, state.Columns);
        if (page.Rows.Count == 0)
            return state.Filter.Length > 0 ? Html.Of($"""<div class="empty"><p>No run matches this filter.</p><p>{Parts.Link((state.Start with { Filter = "" }).Url(), "Show all of them")}</p></div>""")
                : state.Deleted ? Html.Of($"""<div class="empty"><p>Nothing is in the bin.</p></div>""")
                : Parts.Empty("Every run has a row here: of a pipeline, of its stages, and what any MLflow client logs; to filter, sort, group and compare. Nothing has run yet:", $"takt run\nexport MLFLOW_TRACKING_URI={here}\nmlflow.set_tracking_uri(\"{here}\")");
        var rows = new RunRows(page.Columns, now) { Experiments = all, Users = page.Rows.Any(r => r.User.Length > 0), Parts = state.AsTree || state.FoldsStages ? grid.Parts(page.Rows, state.Deleted) : null };
        var html = new StringBuilder(page.Rows.Count * (600 + (page.Columns.Count * 30)));
        html.Append(Html.Of($"""<form id="selection" method="get" action="/compare"><div class="scroll grid" role="region" aria-label="Runs" tabindex="0"><table data-shape="{rows.Shape}"><thead><tr><th class="pick"><input type="checkbox" id="pick-all" aria-label="Select all runs on this page"></th>""").Value);
        Head(html, state, new(RunColumnKind.Attribute, "run_name"), "Run", "name");
        Head(html, state, new(RunColumnKind.Attribute, "status"), "Status");
        Head(html, state, new(RunColumnKind.Attribute, "start_time"), "Started");
        Head(html, state, new(RunColumnKind.Attribute, "duration"), "Took", "n");
        if (all) Head(html, state, new(RunColumnKind.Attribute, "experiment"), "Experiment");
        if (rows.Users) Head(html, state, new(RunColumnKind.Attribute, "user_id"), "User");
        foreach (var column in page.Columns)
            Head(html, state, column, column.Key, column.Kind == RunColumnKind.Metric ? "n" : "", column.Kind switch { RunColumnKind.Metric => "metric", RunColumnKind.Param => "param", RunColumnKind.Tag => "tag", _ => "" });
        html.Append("</tr></thead><tbody>");
        foreach (var row in page.Rows) rows.Append(html, row, 0);
        html.Append("</tbody></table></div>");
        var (verb, title) = state.Deleted ? ("restore", "Restore") : ("delete", "Delete");
        html.Append(Html.Of($"""
            <div class="pager"><span id="selected" class="dim" aria-live="polite">none selected</span><button class="primary" id="compare">Compare</button>
            <button type="button" id="{verb}-selected" class="together{(state.Deleted ? "" : " danger")}" data-dialog="together" disabled>{title}</button> <button type="button" id="unselect" hidden>Clear</button>
            {Parts.Link((state.Start with { Columns = null, Show = RunListState.Sizes[0] }).Url("/compare"), "Compare all that match")}
            <span class="pages">{(page.Earlier ? Html.Of($"<a rel=\"prev\" href=\"{(state with { After = null, Before = page.Rows[0].Id }).Url()}\">← Previous</a>") : Html.None)}
            {(page.More ? Html.Of($"<a rel=\"next\" href=\"{(state with { Before = null, After = page.Rows[^1].Id }).Url()}\">Next →</a>") : Html.None)}</span></div></form>
            <dialog id="together" aria-labelledby="together-title"><form method="post" action="/runs"><h2 id="together-title">{title} <span id="together-count">the selected runs</span>?</h2>
            <input type="hidden" name="do" value="{verb}"><input type="hidden" name="runs" id="together-runs"><input type="hidden" name="back" value="{state.Url()}">
            <p>{(state.Deleted ? "They appear in searches again." : "They go to the bin, from where they can be restored. Selected runs of other pages are among them.")}</p>
            <p><label><input type="checkbox" name="parts" value="1" checked> with the runs that are part of them</label></p>
            <p class="buttons"><button type="button" data-close>Cancel</button><button class="primary{(state.Deleted ? "" : " danger")}">{title}</button></p></form></dialog>
            """).Value);
        return new Html(html.ToString());
    }

    /// <summary>Rows for the parts of a run, to stand below it: what a table that is open already asks for.</summary>
    public static IResult Below(TaktApp app, Workspace workspace, HttpContext http, string id)
    {
        var query = http.Request.Query;
        var state = RunListState.Read(query).Valid();
        var parent = app.RunLog.In(workspace).Get(id);
        var grid = app.RunGrid.In(workspace);
        var depth = int.TryParse(query["depth"], NumberStyles.None, CultureInfo.InvariantCulture, out var asked) ? Math.Clamp(asked, 1, RunRows.Deepest) : 1;
        var page = grid.Page(new RunGridQuery { Experiments = [parent.Experiment], Parent = id, Ascending = true, Limit = MostBelow, Deleted = parent.Deleted }, state.Columns ?? []);
        var shape = query["shape"].ToString();
        var rows = new RunRows(page.Columns, app.Time.GetUtcNow()) { Experiments = shape.Contains('e'), Users = shape.Contains('u'), Parts = grid.Parts(page.Rows, parent.Deleted) };
        var html = new StringBuilder();
        foreach (var row in page.Rows) rows.Append(html, row, depth);
        if (page.More) html.Append(Html.Of($"<tr class=\"more\"><td class=\"pick\"></td><td class=\"name d{depth}\" colspan=\"{rows.Width - 1}\"><a href=\"/runs?experiment={parent.Experiment}&filter={Uri.EscapeDataString($"tags.`mlflow.parentRunId` = '{id}'")}\">the first {MostBelow}; all of them</a></td></tr>").Value);
        SecurityHeaders.ForPage(http.Response);
        return Results.Text(html.ToString(), "text/html; charset=utf-8");
    }

    static void Head(StringBuilder html, RunListState state, RunColumn column, string text, string style = "", string kind = "")
    {
        var here = state.Sort == column;
        var up = here ? !state.Ascending : column is { Kind: RunColumnKind.Attribute, Key: "run_name" or "status" or "user_id" or "experiment" };
        html.Append("<th scope=\"col\"").Append(style.Length == 0 ? "" : $" class=\"{style}\"").Append(here ? $" aria-sort=\"{(state.Ascending ? "ascending" : "descending")}\"" : "").Append(kind.Length > 0 || column is { Kind: RunColumnKind.Attribute, Key: "run_id" or "end_time" } ? $" data-column=\"{WebUtility.HtmlEncode(column.ToString())}\"" : "").Append('>');
        if (kind.Length > 0) html.Append("<span class=\"kind\">").Append(kind).Append("</span>");
        html.Append("<a href=\"").Append(WebUtility.HtmlEncode((state.Start with { Sort = column, Ascending = up }).Url())).Append("\" title=\"").Append(WebUtility.HtmlEncode(column.ToString())).Append("\">").Append(WebUtility.HtmlEncode(RunRows.Cut(text))).Append("</a></th>");
    }

    static Html Groups(RunGrid grid, RunListState state, RunGridQuery query, RunColumn by, DateTimeOffset now)
    {
        var metrics = state.Columns?.Where(c => c is { Kind: RunColumnKind.Metric, IsPattern: false }).Select(c => c.Key).Distinct().ToList()
            ?? grid.Page(query with { Limit = 20, After = null, Before = null }, null).Columns.Where(c => c.Kind == RunColumnKind.Metric).Select(c => c.Key).Take(UsualGroupMetrics).ToList();
        metrics = metrics[..Math.Min(metrics.Count, MostGroupMetrics)];
        var groups = grid.Groups(query, by, metrics, MostGroups);
        return Html.Of($"""
            <div class="scroll" role="region" aria-label="Groups" tabindex="0"><table><thead><tr><th scope="col">{by.ToString()}</th><th scope="col" class="n">Runs</th><th scope="col">Newest</th>{metrics.Select(m => Html.Of($"<th scope=\"col\" class=\"n\"><span class=\"kind\">mean, least – greatest</span>{m}</th>"))}</tr></thead>
            <tbody>{groups.Select(g => Html.Of($"""
                <tr><td>{(g.Value is { } value ? Parts.Link((state.And(Clause(by, value)) with { Group = null }).Url(), Cut(value)) : Html.Of($"<span class=\"dim\">none</span>"))}</td><td class="n">{g.Runs:N0}</td><td>{Parts.Time(Millis(g.Newest), now)}</td>
                {g.Metrics.Select(m => m.Runs == 0 ? Html.Of($"<td class=\"n dim\">–</td>") : Html.Of($"<td class=\"n\"><b>{Parts.Figure(m.Mean)}</b> <span class=\"dim\">{Parts.Figure(m.Least)} – {Parts.Figure(m.Most)}</span></td>"))}</tr>
                """))}</tbody></table></div>
            {(groups.Count == MostGroups ? Html.Of($"<p class=\"count dim\">the {MostGroups} largest groups</p>") : Html.None)}
            """);
    }

    static string Clause(RunColumn by, string value) => $"{by} = {(value.Contains('\'') ? $"\"{value}\"" : $"'{value}'")}";

    static Html Columns(RunListState state) => Html.Of($"""
        <dialog id="columns" aria-labelledby="columns-title"><form method="get" action="/runs">
        <h2 id="columns-title">Columns</h2>
        {(state with { Columns = null }).Parts().Select(p => Html.Of($"<input type=\"hidden\" name=\"{p.Name}\" value=\"{p.Value}\">"))}
        <label class="field wide"><span>Shown, in this order; <code>metrics.val_*</code> stands for all that begin so; empty: a few</span><input name="cols" id="cols" value="{(state.Fault is null ? state.ColumnText : state.ColumnsTyped)}" spellcheck="false" autocomplete="off"></label>
        <label class="field wide"><span>Find</span><input type="search" id="find-column" autocomplete="off" placeholder="part of a name"></label>
        <div id="column-list" class="choices" role="group" aria-label="Columns that there are" tabindex="0"></div>
        <p class="dim" id="column-note">the keys of the newest and the oldest runs; any other can be typed above</p>
        <p><label><input type="checkbox" id="remember-columns" checked> remember them for this table, in this browser</label></p>
        <p class="buttons"><button type="button" id="usual-columns">The usual few</button><button type="button" id="cancel-columns">Cancel</button><button class="primary">Show</button></p>
        </form></dialog>
        """);

    public static DateTimeOffset Millis(long time) => DateTimeOffset.FromUnixTimeMilliseconds(Math.Clamp(time, -62_135_596_800_000, 253_402_300_799_999));

    static string Cut(string text) => RunRows.Cut(text);
}
