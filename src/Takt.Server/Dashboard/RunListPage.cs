using System.Globalization;
using System.Net;
using System.Text;
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
    const int LongestCell = 80;

    /// <summary>Up to so many columns each rounded number has the exact one as its title.</summary>
    const int WithExact = 60;

    public static (string, Html) Render(TaktApp app, Workspace workspace, RunListState state)
    {
        var now = app.Time.GetUtcNow();
        var experiment = Resolve(app, workspace, state.Experiment);
        var grid = app.RunGrid.In(workspace);
        IReadOnlyList<long> ids = experiment is null ? [] : [experiment.Id];
        var query = state.Query(ids);
        string? fault = null;
        Html body;
        var count = "";
        try
        {
            var total = grid.Count(query, state.Filter.Length == 0 ? long.MaxValue : CountedUpTo);
            count = $"{total:N0}{(state.Filter.Length > 0 && total == CountedUpTo ? " or more" : "")} {(state.Deleted ? "deleted " : "")}run{(total == 1 ? "" : "s")}";
            body = state.Group is { } group ? Groups(grid, state, query, group, now) : Table(grid, state, query, now, all: experiment is null);
        }
        catch (TaktException e) when (e.Error == TaktError.Invalid)
        {
            fault = e.Message;
            body = Html.None;
        }
        return (experiment is null ? "Runs" : experiment.Name, Html.Of($"""
            <section class="card runs" data-experiment="{state.Experiment}">
            {Toolbar(app.ExperimentGrid.In(workspace), state, experiment, fault)}
            <p class="count"><span>{count} · {Parts.Link("/experiments", "all experiments")}</span>{Exports(state)}</p>
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
        var kept = (state.Start with { Experiment = "", Filter = "", Group = null, Show = RunListState.Sizes[0], TopLevel = false, Deleted = false }).Parts();
        return Html.Of($"""
            <form class="toolbar" method="get" action="/runs" role="search" aria-label="Runs">
            {kept.Select(p => Html.Of($"<input type=\"hidden\" name=\"{p.Name}\" value=\"{p.Value}\">"))}
            <label class="field"><span>Experiment</span><select name="experiment" data-submit>{Option("", "All experiments", experiment is null)}{listed.Select(e => Option(e.Id.ToString(CultureInfo.InvariantCulture), Cut(e.Name), e.Id == experiment?.Id))}</select></label>
            <label class="field wide"><span>Filter</span><input id="filter" name="filter" value="{state.Filter}" list="keys" spellcheck="false" autocomplete="off" autocapitalize="none" placeholder="metrics.acc &gt; 0.9 AND params.model = 'vit'" {new Html(fault is null ? "" : "aria-invalid=\"true\" aria-describedby=\"fault\"")}></label>
            <datalist id="keys"></datalist>
            <label class="field"><span>Group by</span><input name="group" value="{state.Group?.ToString() ?? ""}" list="groups" spellcheck="false" autocomplete="off" placeholder="params.model" size="14"></label>
            <datalist id="groups"><option value="status"></option><option value="user_id"></option><option value="experiment"></option></datalist>
            <label class="field"><span>Rows</span><select name="show" data-submit>{RunListState.Sizes.Select(n => Option(n.ToString(CultureInfo.InvariantCulture), n.ToString(CultureInfo.InvariantCulture), n == state.Show))}</select></label>
            <label class="field"><span>Nested</span><select name="top" data-submit>{Option("", "all runs", !state.TopLevel)}{Option("1", "top level only", state.TopLevel)}</select></label>
            <label class="field"><span>State</span><select name="deleted" data-submit>{Option("", "active", !state.Deleted)}{Option("1", "deleted", state.Deleted)}</select></label>
            <button class="primary">Search</button>
            <button type="button" id="choose-columns">Columns</button>
            </form>
            {(fault is null ? Html.None : Html.Of($"<p class=\"fault\" id=\"fault\" role=\"alert\">{fault}</p>"))}
            """);
    }

    static Html Option(string value, string text, bool chosen) => Html.Of($"""<option value="{value}"{new Html(chosen ? " selected" : "")}>{text}</option>""");

    static Html Exports(RunListState state) => state.Group is not null ? Html.None
        : Html.Of($"""<span class="exports">Export {Parts.Link(state.Start.Url("/runs/export.csv"), "CSV")} {Parts.Link(state.Start.Url("/runs/export.json"), "JSON")} <span class="dim keys">· keys: j k move, x select, c compare, Enter open, / filter</span></span>""");

    // written straight into one buffer: a table of 100 rows and 500 columns is 50,000 cells
    static Html Table(RunGrid grid, RunListState state, RunGridQuery query, DateTimeOffset now, bool all)
    {
        var page = grid.Page(query, state.Columns);
        if (page.Rows.Count == 0)
            return state.Filter.Length > 0 ? Html.Of($"""<div class="empty"><p>No run matches this filter.</p><p>{Parts.Link((state.Start with { Filter = "" }).Url(), "Show all of them")}</p></div>""")
                : state.Deleted ? Html.Of($"""<div class="empty"><p>Nothing is in the bin.</p></div>""")
                : Parts.Empty("Nothing has run here yet. Run the pipeline, or log from any MLflow client:", "takt run   ·   mlflow.set_tracking_uri(\"http://this-server\")");
        var html = new StringBuilder(page.Rows.Count * (600 + (page.Columns.Count * 30)));
        html.Append("""<form id="selection" method="get" action="/compare"><div class="scroll grid" role="region" aria-label="Runs" tabindex="0"><table><thead><tr><th class="pick"><input type="checkbox" id="pick-all" aria-label="Select all runs on this page"></th>""");
        Head(html, state, new(RunColumnKind.Attribute, "run_name"), "Run", "name");
        Head(html, state, new(RunColumnKind.Attribute, "status"), "Status");
        Head(html, state, new(RunColumnKind.Attribute, "start_time"), "Started");
        Head(html, state, new(RunColumnKind.Attribute, "duration"), "Took", "n");
        if (all) Head(html, state, new(RunColumnKind.Attribute, "experiment"), "Experiment");
        var users = page.Rows.Any(r => r.User.Length > 0);
        if (users) Head(html, state, new(RunColumnKind.Attribute, "user_id"), "User");
        foreach (var column in page.Columns)
            Head(html, state, column, column.Kind == RunColumnKind.Attribute ? column.Key : column.Key, column.Kind == RunColumnKind.Metric ? "n" : "", column.Kind switch { RunColumnKind.Metric => "metric", RunColumnKind.Param => "param", RunColumnKind.Tag => "tag", _ => "" });
        html.Append("</tr></thead><tbody>");
        foreach (var row in page.Rows)
        {
            var name = row.Name.Length == 0 ? row.Id[..Math.Min(12, row.Id.Length)] : Cut(row.Name);
            html.Append("<tr data-run=\"").Append(Encoded(row.Id)).Append("\"><td class=\"pick\"><input type=\"checkbox\" name=\"run\" value=\"").Append(Encoded(row.Id)).Append("\" aria-label=\"Select ").Append(Encoded(name)).Append("\"></td><td class=\"name\">")
                .Append(row.Parent is null ? "" : "<span class=\"dim\" title=\"part of another run\">↳ </span>").Append(RunColour.Swatch(row.Id).Value)
                .Append("<a href=\"/runs/").Append(Uri.EscapeDataString(row.Id)).Append("\" dir=\"auto\">").Append(Encoded(name)).Append("</a></td><td>").Append(Parts.State(row.Status).Value)
                .Append("</td><td>").Append(Parts.Time(Millis(row.Started), now).Value).Append("</td><td class=\"n\">").Append(Encoded(row.Ended is { } end ? Parts.Took(end - row.Started) : "")).Append("</td>");
            if (all) html.Append("<td><a href=\"/runs?experiment=").Append(row.Experiment).Append("\">").Append(Encoded(Cut(row.ExperimentName))).Append("</a></td>");
            if (users) html.Append("<td>").Append(Encoded(Cut(row.User))).Append("</td>");
            for (var i = 0; i < page.Columns.Count; i++) Cell(html, page.Columns[i], row, row.Cells[i], exact: page.Columns.Count <= WithExact);
            html.Append("</tr>");
        }
        html.Append("</tbody></table></div>");
        html.Append(Html.Of($"""
            <div class="pager"><span id="selected" class="dim" aria-live="polite">none selected</span><button class="primary" id="compare">Compare</button>
            {Parts.Link((state.Start with { Columns = null, Show = RunListState.Sizes[0] }).Url("/compare"), "Compare all that match")}
            <span class="pages">{(page.Earlier ? Html.Of($"<a rel=\"prev\" href=\"{(state with { After = null, Before = page.Rows[0].Id }).Url()}\">← Previous</a>") : Html.None)}
            {(page.More ? Html.Of($"<a rel=\"next\" href=\"{(state with { Before = null, After = page.Rows[^1].Id }).Url()}\">Next →</a>") : Html.None)}</span></div></form>
            """).Value);
        return new Html(html.ToString());
    }

    static void Head(StringBuilder html, RunListState state, RunColumn column, string text, string style = "", string kind = "")
    {
        var here = state.Sort == column;
        var up = here ? !state.Ascending : column is { Kind: RunColumnKind.Attribute, Key: "run_name" or "status" or "user_id" or "experiment" };
        html.Append("<th scope=\"col\"").Append(style.Length == 0 ? "" : $" class=\"{style}\"").Append(here ? $" aria-sort=\"{(state.Ascending ? "ascending" : "descending")}\"" : "").Append('>');
        if (kind.Length > 0) html.Append("<span class=\"kind\">").Append(kind).Append("</span>");
        html.Append("<a href=\"").Append(Encoded((state.Start with { Sort = column, Ascending = up }).Url())).Append("\" title=\"").Append(Encoded(column.ToString())).Append("\">").Append(Encoded(Cut(text))).Append("</a></th>");
    }

    static void Cell(StringBuilder html, RunColumn column, RunGridRow row, RunGridCell cell, bool exact)
    {
        if (column.Kind == RunColumnKind.Attribute)
            cell = new(null, column.Key switch
            {
                "run_name" => row.Name,
                "status" => row.Status,
                "user_id" => row.User,
                "run_id" => row.Id,
                "experiment" => row.ExperimentName,
                "duration" => row.Ended is { } end ? Parts.Took(end - row.Started) : null,
                "start_time" => Exact(row.Started),
                "end_time" => row.Ended is { } ended ? Exact(ended) : null,
                _ => null,
            });
        if (cell.Number is { } number)
        {
            var shown = Parts.Figure(number);
            html.Append("<td class=\"n\"");
            if (exact && shown.Length >= 6 && number.ToString("R", CultureInfo.InvariantCulture) is { } full && full != shown) html.Append(" title=\"").Append(full).Append('"');
            html.Append('>').Append(shown);
        }
        else if (cell.Text is not { } text) html.Append("<td>");
        else
        {
            html.Append(Parts.LooksNumeric(text) ? "<td class=\"n\"" : "<td dir=\"auto\"");
            if (text.Length > LongestCell) html.Append(" title=\"").Append(Encoded(text[..Math.Min(text.Length, 500)])).Append('"');
            html.Append('>').Append(Encoded(Cut(text)));
        }
        html.Append("</td>");
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
        <label class="field wide"><span>Shown, in this order; <code>metrics.val_*</code> stands for all that begin so; empty: a few</span><input name="cols" id="cols" value="{state.ColumnText}" spellcheck="false" autocomplete="off"></label>
        <label class="field wide"><span>Find</span><input type="search" id="find-column" autocomplete="off" placeholder="part of a name"></label>
        <div id="column-list" class="choices" role="group" aria-label="Columns that there are" tabindex="0"></div>
        <p class="dim" id="column-note">the keys of the newest and the oldest runs; any other can be typed above</p>
        <p class="buttons"><button type="button" id="cancel-columns">Cancel</button><button class="primary">Show</button></p>
        </form></dialog>
        """);

    public static DateTimeOffset Millis(long time) => DateTimeOffset.FromUnixTimeMilliseconds(Math.Clamp(time, -62_135_596_800_000, 253_402_300_799_999));

    static string Exact(long time) => Millis(time).UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);

    static string Cut(string text) => text.Length <= LongestCell ? text : text[..(char.IsHighSurrogate(text[LongestCell - 2]) ? LongestCell - 2 : LongestCell - 1)] + "…";

    static string Encoded(string text) => WebUtility.HtmlEncode(text);
}
