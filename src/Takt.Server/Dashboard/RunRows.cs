using System.Globalization;
using System.Net;
using System.Text;
using Takt.Runs;

namespace Takt.Server.Dashboard;

/// <summary>Rows of the runs table, written straight into one buffer: 100 rows of 500 columns are 50,000 cells.</summary>
sealed class RunRows(IReadOnlyList<RunColumn> columns, DateTimeOffset now)
{
    /// <summary>Deeper parts stand as far to the right as these.</summary>
    public const int Deepest = 6;

    const int LongestCell = 80;

    /// <summary>Up to so many columns each rounded number has the exact one as its title.</summary>
    const int WithExact = 60;

    /// <summary>Whether there is a column of experiments.</summary>
    public bool Experiments { get; init; }

    /// <summary>Whether there is a column of users.</summary>
    public bool Users { get; init; }

    /// <summary>How many parts a run has; null: rows stand in one list, and a part only says that it is one.</summary>
    public IReadOnlyDictionary<string, long>? Parts { get; init; }

    /// <summary>Which of the optional columns there are, for who asks for more rows.</summary>
    public string Shape => (Experiments ? "e" : "") + (Users ? "u" : "");

    public int Width => 5 + (Experiments ? 1 : 0) + (Users ? 1 : 0) + columns.Count;

    public void Append(StringBuilder html, RunGridRow row, int depth)
    {
        var name = row.Name.Length == 0 ? row.Id[..Math.Min(12, row.Id.Length)] : Cut(row.Name);
        html.Append("<tr data-run=\"").Append(Encoded(row.Id)).Append('"').Append(depth > 0 ? $" data-depth=\"{depth}\"" : "").Append("><td class=\"pick\"><input type=\"checkbox\" name=\"run\" value=\"").Append(Encoded(row.Id)).Append("\" aria-label=\"Select ").Append(Encoded(name)).Append("\"></td><td class=\"name").Append(depth > 0 ? $" d{depth}" : "").Append("\">");
        if (depth == 0 && row.Parent is not null) html.Append("<span class=\"dim\" title=\"part of another run\">↳ </span>");
        if (Parts is null) { }
        else if (Parts.TryGetValue(row.Id, out var parts))
            html.Append(CultureInfo.InvariantCulture, $"<a class=\"toggle\" role=\"button\" aria-expanded=\"false\" aria-label=\"{parts} parts of {Encoded(name)}\" title=\"{parts} parts\" href=\"/runs?experiment={row.Experiment}&amp;filter={Uri.EscapeDataString($"tags.`mlflow.parentRunId` = '{row.Id}'")}\">▸</a>");
        else if (Parts.Count > 0 || depth > 0) html.Append("<span class=\"toggle\"></span>");
        html.Append(RunColour.Swatch(row.Id).Value).Append("<a class=\"open\" href=\"/runs/").Append(Uri.EscapeDataString(row.Id)).Append("\" dir=\"auto\">").Append(Encoded(name)).Append("</a>");
        if (Parts is not null && Parts.TryGetValue(row.Id, out var count)) html.Append(CultureInfo.InvariantCulture, $" <span class=\"dim many\">{count}</span>");
        html.Append("</td><td>").Append(Dashboard.Parts.Outcome(row.Status, row.Refused).Value)
            .Append("</td><td>").Append(Dashboard.Parts.Time(RunListPage.Millis(row.Started), now).Value).Append("</td><td class=\"n\">").Append(Encoded(row.Ended is { } end ? Dashboard.Parts.Took(end - row.Started) : "")).Append("</td>");
        if (Experiments) html.Append("<td><a href=\"/runs?experiment=").Append(row.Experiment).Append("\">").Append(Encoded(Dashboard.Parts.Cut(row.ExperimentName, 40))).Append("</a></td>");
        if (Users) html.Append("<td>").Append(Encoded(Cut(row.User))).Append("</td>");
        for (var i = 0; i < columns.Count; i++) Cell(html, columns[i], row, row.Cells[i], exact: columns.Count <= WithExact);
        html.Append("</tr>");
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
                "duration" => row.Ended is { } end ? Dashboard.Parts.Took(end - row.Started) : null,
                "start_time" => Exact(row.Started),
                "end_time" => row.Ended is { } ended ? Exact(ended) : null,
                _ => null,
            });
        if (cell.Number is { } number)
        {
            var shown = Dashboard.Parts.Figure(number);
            html.Append("<td class=\"n\"");
            if (exact && shown.Length >= 6 && number.ToString("R", CultureInfo.InvariantCulture) is { } full && full != shown) html.Append(" title=\"").Append(full).Append('"');
            html.Append('>').Append(shown);
        }
        else if (cell.Text is not { } text) html.Append("<td>");
        else
        {
            html.Append(Dashboard.Parts.LooksNumeric(text) ? "<td class=\"n\"" : "<td dir=\"auto\"");
            if (text.Length > LongestCell) html.Append(" title=\"").Append(Encoded(text[..Math.Min(text.Length, 500)])).Append('"');
            html.Append('>').Append(Encoded(Cut(text)));
        }
        html.Append("</td>");
    }

    public static string Cut(string text) => Dashboard.Parts.Cut(text, LongestCell);

    static string Exact(long time) => RunListPage.Millis(time).UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);

    static string Encoded(string text) => WebUtility.HtmlEncode(text);
}
