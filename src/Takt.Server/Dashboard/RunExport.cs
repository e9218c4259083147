using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Takt.Runs;

namespace Takt.Server.Dashboard;

/// <summary>The runs table as a file: every run that the filter finds, in the table's order and with its columns, sent as it is read.</summary>
static class RunExport
{
    const int Together = 1000;

    /// <summary>What an export holds at most; the API pages through more.</summary>
    const int MostRows = 200_000;

    public static Task Csv(TaktApp app, Workspace workspace, HttpContext http) => Send(app, workspace, http, "csv", "text/csv; charset=utf-8", Lines);

    public static Task Json(TaktApp app, Workspace workspace, HttpContext http) => Send(app, workspace, http, "json", "application/json", Objects);

    static async Task Send(TaktApp app, Workspace workspace, HttpContext http, string ending, string type, Func<IReadOnlyList<RunColumn>, IReadOnlyList<RunGridRow>, bool, bool, byte[]> write)
    {
        var state = RunListState.Read(http.Request.Query).Valid().Start;
        var experiment = RunListPage.Resolve(app, workspace, state.Experiment);
        var query = state.Query(experiment is null ? [] : [experiment.Id]) with { Limit = Together, TopLevel = state.Nested == true };
        var page = app.RunGrid.In(workspace).Page(query, state.Columns); // a wrong filter is told before anything is sent
        SecurityHeaders.ForFile(http.Response);
        http.Response.ContentType = type;
        http.Response.Headers.ContentDisposition = $"attachment; filename=\"takt-runs.{ending}\"";
        // the first page decides the columns
        var columns = page.Columns;
        for (var rows = 0; ; page = app.RunGrid.In(workspace).Page(query, columns))
        {
            rows += page.Rows.Count;
            var more = page.More && rows < MostRows;
            await http.Response.Body.WriteAsync(write(columns, page.Rows, rows == page.Rows.Count, !more), http.RequestAborted);
            if (!more) return;
            query = query with { After = page.Rows[^1].Id };
        }
    }

    static byte[] Lines(IReadOnlyList<RunColumn> columns, IReadOnlyList<RunGridRow> rows, bool first, bool last)
    {
        var text = new StringBuilder();
        if (first)
        {
            text.Append("run_id,experiment,run_name,status,start_time,end_time,user_id");
            foreach (var column in columns) Field(text.Append(','), column.ToString());
            text.Append("\r\n");
        }
        foreach (var row in rows)
        {
            Field(text, row.Id);
            foreach (var value in (string[])[row.ExperimentName, row.Name, row.Status, Time(row.Started), row.Ended is { } end ? Time(end) : "", row.User]) Field(text.Append(','), value);
            foreach (var cell in row.Cells)
            {
                text.Append(',');
                if (cell.Number is { } number) text.Append(number.ToString("R", CultureInfo.InvariantCulture));
                else if (cell.Text is { } value) Field(text, value);
            }
            text.Append("\r\n");
        }
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    public static void Field(StringBuilder text, string value)
    {
        if (value.AsSpan().IndexOfAny(",\"\r\n") < 0) text.Append(value);
        else text.Append('"').Append(value.Replace("\"", "\"\"")).Append('"');
    }

    static byte[] Objects(IReadOnlyList<RunColumn> columns, IReadOnlyList<RunGridRow> rows, bool first, bool last)
    {
        using var bytes = new MemoryStream();
        if (first) bytes.WriteByte((byte)'[');
        for (var i = 0; i < rows.Count; i++)
        {
            if (i > 0 || !first) bytes.Write(",\n"u8);
            using var json = new Utf8JsonWriter(bytes);
            var row = rows[i];
            json.WriteStartObject();
            json.WriteString("run_id", row.Id);
            json.WriteString("experiment", row.ExperimentName);
            json.WriteString("run_name", row.Name);
            json.WriteString("status", row.Status);
            json.WriteString("start_time", Time(row.Started));
            if (row.Ended is { } end) json.WriteString("end_time", Time(end));
            json.WriteString("user_id", row.User);
            for (var c = 0; c < columns.Count; c++)
            {
                if (row.Cells[c].Number is { } number && double.IsFinite(number)) json.WriteNumber(columns[c].ToString(), number);
                else if (row.Cells[c].Number is { } other) json.WriteString(columns[c].ToString(), other.ToString(CultureInfo.InvariantCulture));
                else if (row.Cells[c].Text is { } text) json.WriteString(columns[c].ToString(), text);
            }
            json.WriteEndObject();
        }
        if (last) bytes.Write("]\n"u8);
        return bytes.ToArray();
    }

    static string Time(long time) => RunListPage.Millis(time).UtcDateTime.ToString("O", CultureInfo.InvariantCulture);
}
