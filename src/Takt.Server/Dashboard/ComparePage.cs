using System.Globalization;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Http;
using Takt.Runs;

namespace Takt.Server.Dashboard;

/// <summary>Runs side by side: what differs, a plot of all of them, charts laid over each other. Of 2 or of 300 runs.</summary>
static class ComparePage
{
    const int MostRuns = 300;
    const int MostKeys = 400;
    const int MostAxes = 8;
    const int MostCharts = 200;
    const int LongestCell = 48;

    /// <summary>Runs whose history is asked for what can be charted; others have the same keys.</summary>
    const int Sampled = 10;

    public static (string, Html) Render(TaktApp app, Workspace workspace, IQueryCollection query)
    {
        var ids = query["run"].OfType<string>().SelectMany(r => r.Split(',', StringSplitOptions.RemoveEmptyEntries)).Distinct().ToList();
        var onlyDifferences = query["all"] != "1";
        if (ids.Count > MostRuns) throw TaktException.Invalid($"{ids.Count} runs are more than the {MostRuns} that are compared at once; choose fewer");
        if (ids.Count == 0)
        {
            var state = RunListState.Read(query).Valid();
            var experiment = RunListPage.Resolve(app, workspace, state.Experiment);
            ids = app.RunGrid.In(workspace).Page(state.Query(experiment is null ? [] : [experiment.Id]) with { Limit = MostRuns, After = null, Before = null, TopLevel = state.Nested == true }, []).Rows.Select(r => r.Id).ToList();
        }
        if (ids.Count == 0) return ("Compare", Html.Of($"<section class=\"card\">{Html.Of($"<div class=\"empty\"><p>Here the params, metrics and curves of 2 to 300 runs stand side by side. Select some in the <a href=\"/runs\">runs table</a>, then press Compare.</p></div>")}</section>"));
        var table = app.RunGrid.In(workspace).Of(ids);
        var missing = ids.Except(table.Rows.Select(r => r.Id)).ToList();
        if (missing.Count > 0) throw TaktException.NotFound($"no run {string.Join(", ", missing.Take(5))}{(missing.Count > 5 ? $" and {missing.Count - 5} more" : "")}");
        var rows = table.Rows;
        var columns = KeyOrder.Sort(table.Columns.Select((c, i) => (Column: c, Index: i, Differs: Differs(rows, i))), c => c.Column.Key);
        var axes = Axes(query["axes"].ToString(), columns, rows);
        var url = "/compare?run=" + string.Join(',', ids.Select(Uri.EscapeDataString)) + (query["axes"].ToString() is { Length: > 0 } drawn ? "&axes=" + Uri.EscapeDataString(drawn) : "");
        var differing = columns.Count(c => c.Differs);
        return ($"{rows.Count} runs", Html.Of($"""
            {Parts.Section("Plot", Html.Of($"""
                {(axes.Count < 2 ? Html.Of($"<div class=\"empty\"><p>The runs differ in fewer than two numbers: there is nothing to plot.</p></div>") : ParallelPlot.Draw(rows, axes))}
                <form class="toolbar" method="get" action="/compare"><input type="hidden" name="run" value="{string.Join(',', ids)}">{(onlyDifferences ? Html.None : Html.Of($"<input type=\"hidden\" name=\"all\" value=\"1\">"))}
                <label class="field wide"><span>Axes, from left to right; the last one orders the eye. Two axes: a scatter plot</span><input name="axes" value="{string.Join(',', axes.Select(a => a.Column))}" spellcheck="false" autocomplete="off"></label><button>Draw</button></form>
                """), $"{rows.Count} runs, {axes.Count} axes{(rows.Count > ParallelPlot.MostOwnColours && axes.Count > 0 ? $"; coloured by {Parts.Cut(axes[^1].Column.Key, 40)}, from blue (least) to red (most)" : "")}")}
            {RunPage.Charts(Series(app, rows), rows.Select(r => (r.Id, r.Name)).ToList())}
            <section class="card" id="values"><header><h2>Params, metrics and tags</h2><a class="switch" role="switch" aria-checked="{(onlyDifferences ? "true" : "false")}" id="only-differing" href="{url}{(onlyDifferences ? "&all=1" : "")}#values">Only what differs <span class="dim">{differing:N0} of {columns.Count:N0}</span></a></header>
            {Differences(rows, columns, onlyDifferences)}</section>
            <script src="/assets/compare.js" defer></script>
            """));
    }

    static bool Differs(IReadOnlyList<RunGridRow> rows, int column) => rows.Skip(1).Any(r => !r.Cells[column].Equals(rows[0].Cells[column]));

    static IReadOnlyList<MetricKey> Series(TaktApp app, IReadOnlyList<RunGridRow> rows) =>
        rows.Take(Sampled).Concat(rows.TakeLast(2)).DistinctBy(r => r.Id).SelectMany(r => app.MetricSeries.Keys(r.Id)).Where(k => k.Series).DistinctBy(k => k.Newest.Key).OrderBy(k => k.Newest.Key, StringComparer.Ordinal).Take(MostCharts).ToList();

    static List<PlotAxis> Axes(string asked, List<(RunColumn Column, int Index, bool Differs)> columns, IReadOnlyList<RunGridRow> rows)
    {
        if (asked.Length > 0)
        {
            var byColumn = columns.ToDictionary(c => c.Column, c => c.Index);
            return asked.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Take(MostAxes)
                .Select(RunColumn.Parse).Where(byColumn.ContainsKey).Select(c => PlotAxis.Of(c, byColumn[c], rows)).OfType<PlotAxis>().ToList();
        }
        // what was turned first, then what came of it
        var parameters = columns.Where(c => c is { Column.Kind: RunColumnKind.Param, Differs: true }).Select(c => PlotAxis.Of(c.Column, c.Index, rows)).OfType<PlotAxis>().Where(a => a.Share > 0.5).Take(5);
        var metrics = columns.Where(c => c is { Column.Kind: RunColumnKind.Metric, Differs: true } && !c.Column.Key.StartsWith("system/", StringComparison.Ordinal)).Select(c => PlotAxis.Of(c.Column, c.Index, rows)).OfType<PlotAxis>().Where(a => a.Share > 0.5).Take(3);
        return [.. parameters, .. metrics.Reverse()];
    }

    static Html Differences(IReadOnlyList<RunGridRow> rows, List<(RunColumn Column, int Index, bool Differs)> columns, bool onlyDifferences)
    {
        var shown = columns.Where(c => c.Differs || !onlyDifferences).ToList();
        if (shown.Count == 0) return Html.Of($"<div class=\"empty\"><p>They are the same in everything.</p></div>");
        var html = new StringBuilder(rows.Count * shown.Count * 40);
        html.Append("<div class=\"scroll grid\" role=\"region\" aria-label=\"Differences\" tabindex=\"0\"><table class=\"diff\"><thead><tr><th scope=\"col\" class=\"name\">Name</th>");
        foreach (var row in rows) html.Append("<th scope=\"col\">").Append(RunPage.Named(row.Id, row.Name).Value).Append("</th>");
        html.Append("</tr></thead>");
        foreach (var kind in (RunColumnKind[])[RunColumnKind.Param, RunColumnKind.Metric, RunColumnKind.Tag])
        {
            var part = shown.Where(c => c.Column.Kind == kind).ToList();
            if (part.Count == 0) continue;
            html.Append("<tbody><tr class=\"part\"><th scope=\"rowgroup\" class=\"name\">").Append(kind).Append("s <span class=\"dim\">").Append(part.Count.ToString("N0", CultureInfo.InvariantCulture)).Append("</span></th><td colspan=\"").Append(rows.Count).Append("\"></td></tr>");
            foreach (var (column, index, differs) in part.Take(MostKeys))
            {
                // what stands out stands out against two of three; where each has its own value, nothing does
                var usual = differs && kind != RunColumnKind.Metric ? rows.GroupBy(r => r.Cells[index].Text ?? "\0").FirstOrDefault(g => g.Count() * 3 > rows.Count * 2)?.Key : null;
                var numbers = kind == RunColumnKind.Metric ? rows.Select(r => r.Cells[index].Number).OfType<double>().Where(double.IsFinite).ToList() : [];
                var (least, most) = numbers.Count > 1 ? (numbers.Min(), numbers.Max()) : (double.NaN, double.NaN);
                html.Append("<tr><th scope=\"row\" class=\"name\"><code title=\"").Append(Encoded(column.Key)).Append("\">").Append(Encoded(Cut(column.Key))).Append("</code></th>");
                foreach (var row in rows)
                {
                    var cell = row.Cells[index];
                    if (cell.Number is { } number)
                    {
                        var end = differs && least < most ? number == most ? "most" : number == least ? "least" : "" : "";
                        html.Append("<td class=\"n ").Append(end).Append("\" title=\"").Append(number.ToString("R", CultureInfo.InvariantCulture)).Append(end.Length > 0 ? end == "most" ? ", the greatest" : ", the least" : "").Append("\">").Append(Parts.Figure(number)).Append("</td>");
                    }
                    else if (cell.Text is { } text)
                        html.Append("<td class=\"").Append(Parts.LooksNumeric(text) ? "n" : "").Append(usual is not null && text != usual ? " other" : "").Append("\" dir=\"auto\" title=\"").Append(Encoded(text.Length > 500 ? text[..500] : text)).Append("\">").Append(Encoded(Cut(text))).Append("</td>");
                    else html.Append("<td class=\"dim").Append(usual is not null and not "\0" ? " other" : "").Append("\">–</td>");
                }
                html.Append("</tr>");
            }
            if (part.Count > MostKeys) html.Append("<tr><th scope=\"row\" class=\"name dim\">").Append((part.Count - MostKeys).ToString("N0", CultureInfo.InvariantCulture)).Append(" more</th><td></td></tr>");
            html.Append("</tbody>");
        }
        return new Html(html.Append("</table></div>").ToString());
    }

    static string Cut(string text) => text.Length <= LongestCell ? text : text[..(char.IsHighSurrogate(text[LongestCell - 2]) ? LongestCell - 2 : LongestCell - 1)] + "…";

    static string Encoded(string text) => WebUtility.HtmlEncode(text);
}
