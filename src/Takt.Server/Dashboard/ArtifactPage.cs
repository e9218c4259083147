using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.StaticFiles;
using Takt.Data;
using Takt.Runs;

namespace Takt.Server.Dashboard;

/// <summary>A run's artifacts: folders, and a look into each file, bounded whatever its size.</summary>
static class ArtifactPage
{
    /// <summary>Bytes of a text that are shown.</summary>
    const int MostText = 256 * 1024;

    /// <summary>Bytes of a JSON file that is parsed to be shown indented.</summary>
    const int MostJson = 1024 * 1024;
    const long MostImage = 32L << 20;

    /// <summary>A table is opened where it lies, but a store elsewhere has to fetch it first.</summary>
    const long MostTable = 1L << 30;
    const int TableRows = 100;
    const int TableColumns = 200;
    const int MostEntries = 2000;

    static readonly FileExtensionContentTypeProvider Types = new();
    static readonly SemaphoreSlim Tables = new(2); // DuckDB takes memory: two looks at once

    public static string Url(string run, string path) => $"/runs/{Uri.EscapeDataString(run)}/artifacts/{string.Join('/', path.Split('/').Select(Uri.EscapeDataString))}";

    static string FileUrl(string run, string path, string how) => $"/runs/{Uri.EscapeDataString(run)}/{how}/{string.Join('/', path.Split('/').Select(Uri.EscapeDataString))}";

    public static async Task<(string, Html)> Render(TaktApp app, Workspace workspace, string id, string path, CancellationToken cancel)
    {
        _ = app.RunLog.In(workspace).Get(id);
        var run = app.Runs.Get(new RunId(id));
        path = path.Trim('/');
        var trail = Trail(run, path);
        if (run.Artifacts.FirstOrDefault(a => a.Path == path) is { } file)
            return (Name(path), Html.Of($"""
                {trail}
                <section class="card preview"><header><h2>{Name(path)}</h2><p class="note">{Parts.Bytes(file.Size)} · <code title="{file.Digest.ToString()}">{file.Digest.ToString()[..19]}</code> · <a class="button" href="{FileUrl(id, path, "download")}" download>Download</a></p></header>
                {await Preview(app, id, file, cancel)}</section>
                """));
        if (path.Length > 0 && !run.Artifacts.Any(a => a.Path.StartsWith(path + "/", StringComparison.Ordinal))) throw TaktException.NotFound($"run {id} has no artifact '{path}'");
        return (path.Length == 0 ? "Artifacts" : Name(path), Html.Of($"""
            {trail}
            {Parts.Section("Files", Entries(run, path))}
            """));
    }

    /// <summary>What is in a folder of a run: folders first, with what they hold.</summary>
    /// <param name="path">Empty: all that it has.</param>
    public static Html Entries(RunDetail run, string path)
    {
        var prefix = path.Length == 0 ? "" : path + "/";
        var entries = run.Artifacts.Where(a => a.Path.StartsWith(prefix, StringComparison.Ordinal)).GroupBy(a => a.Path[prefix.Length..].Split('/', 2) is [var head, _] ? head + "/" : a.Path[prefix.Length..]).OrderBy(g => !g.Key.EndsWith('/')).ThenBy(g => g.Key, StringComparer.Ordinal).ToList();
        return Html.Of($"""
            {Parts.Table(["Name", "Files", "Size"], entries.Take(MostEntries).Select(g => new[] { Parts.Link(Url(run.Id.Value, prefix + g.Key.TrimEnd('/')), g.Key), Parts.Count(g.Count()), Parts.Size(g.Sum(a => a.Size)) }),
                "This run has logged no artifact.", "mlflow.log_artifact(\"report.md\")", "Files", numbers: [1, 2])}
            {(entries.Count > MostEntries ? Html.Of($"<p class=\"count dim\">the first {MostEntries:N0} of {entries.Count:N0}</p>") : Html.None)}
            """);
    }

    static Html Trail(RunDetail run, string path)
    {
        var parts = path.Length == 0 ? [] : path.Split('/');
        return Html.Of($"""
            <nav class="trail" aria-label="Where this is">{RunPage.Named(run.Id.Value, run.Name)} / {Parts.Link(Url(run.Id.Value, ""), "artifacts")}{parts.Select((part, i) => Html.Of($" / {(i == parts.Length - 1 ? Html.Of($"<span aria-current=\"page\">{part}</span>") : Parts.Link(Url(run.Id.Value, string.Join('/', parts[..(i + 1)])), part))}"))}</nav>
            """);
    }

    static async Task<Html> Preview(TaktApp app, string id, Artifact file, CancellationToken cancel)
    {
        var name = Name(file.Path);
        var ending = Path.GetExtension(name).ToLowerInvariant();
        if (file.Size == 0) return Html.Of($"<div class=\"empty\"><p>The file is empty.</p></div>");
        if (ImageType(ending) is not null)
            return file.Size > MostImage ? TooLarge(file, MostImage) : Html.Of($"<div class=\"picture\"><img src=\"{FileUrl(id, file.Path, "image")}\" alt=\"{file.Path}\"></div>");
        if (ending is ".parquet" or ".csv" or ".tsv" || (DuckDb.CanRead(name) && ending is not ".json")) return await TablePreview(app, file, cancel);
        var head = await Head(app, file, ending == ".json" ? MostJson : MostText, cancel);
        if (head.AsSpan().IndexOf((byte)0) >= 0) return Html.Of($"<div class=\"empty\"><p>A binary file: there is nothing to show; download it.</p></div>");
        if (ending == ".json" && file.Size <= MostJson) return Json(head);
        var text = Encoding.UTF8.GetString(head.AsSpan(0, Math.Min(head.Length, MostText)));
        var cut = file.Size > MostText ? Html.Of($"<p class=\"count dim\">the first {Parts.Bytes(MostText)} of {Parts.Bytes(file.Size)}</p>") : Html.None;
        return ending is ".md" or ".markdown" ? Html.Of($"<div class=\"prose\">{Markdown.Render(text)}</div>{cut}") : Html.Of($"<pre class=\"file\" tabindex=\"0\">{text}</pre>{cut}");
    }

    static Html Json(byte[] bytes)
    {
        try
        {
            using var json = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = 128 });
            if (Grid(json.RootElement) is { } grid) return grid;
            using var pretty = new MemoryStream();
            using (var writer = new Utf8JsonWriter(pretty, new JsonWriterOptions { Indented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping })) json.WriteTo(writer);
            var text = Encoding.UTF8.GetString(pretty.GetBuffer().AsSpan(0, (int)Math.Min(pretty.Length, MostText)));
            return Html.Of($"<pre class=\"file\" tabindex=\"0\">{text}</pre>{(pretty.Length > MostText ? Html.Of($"<p class=\"count dim\">cut after {Parts.Bytes(MostText)}</p>") : Html.None)}");
        }
        catch (JsonException e)
        {
            return Html.Of($"<p class=\"fault\">not valid JSON: {e.Message}</p><pre class=\"file\" tabindex=\"0\">{Encoding.UTF8.GetString(bytes.AsSpan(0, Math.Min(bytes.Length, MostText)))}</pre>");
        }
    }

    /// <summary>MLflow's <c>log_table</c>: <c>{"columns": […], "data": [[…], …]}</c>.</summary>
    static Html? Grid(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("columns", out var columns) || columns.ValueKind != JsonValueKind.Array
            || !root.TryGetProperty("data", out var data) || data.ValueKind != JsonValueKind.Array || data.EnumerateArray().Any(r => r.ValueKind != JsonValueKind.Array)) return null;
        var heads = columns.EnumerateArray().Take(TableColumns).Select(c => c.ToString()).ToList();
        return Html.Of($"""{Parts.Table(heads, data.EnumerateArray().Take(TableRows).Select(row => row.EnumerateArray().Take(TableColumns).Select(v => Parts.Long(v.ToString())).ToList()), "The table has no rows.", "mlflow.log_table", "Table")}{Rows(data.GetArrayLength())}""");
    }

    static Html Rows(long all) => Html.Of($"<p class=\"count dim\">{(all > TableRows ? $"the first {TableRows} of {all:N0} rows" : $"{all:N0} rows")}</p>");

    static async Task<Html> TablePreview(TaktApp app, Artifact file, CancellationToken cancel)
    {
        if (file.Size > MostTable) return TooLarge(file, MostTable);
        await Tables.WaitAsync(cancel);
        try
        {
            var table = Takt.Data.TablePreview.Read(await app.Blobs.LocalFile(file.Digest, cancel), Name(file.Path), TableRows, TableColumns);
            var numbers = table.Columns.Select((c, i) => (c, i)).Where(c => c.c.Type is ColumnType.Number or ColumnType.Integer).Select(c => c.i).ToList();
            return Html.Of($"""
                {Parts.Table(table.Columns.Select(c => c.Name).ToList(), Enumerable.Range(0, table.Rows).Select(row => table.Columns.Select(c => c.IsMissing(row) ? Html.Of($"<span class=\"dim\">–</span>") : c.Type == ColumnType.Number ? Parts.Text(Parts.Figure(c.Numbers[row])) : Parts.Long(c.TextAt(row) ?? "")).ToList()),
                    "The table has no rows.", "mlflow.log_artifact", "Table", numbers)}
                <p class="count dim">the first {table.Rows:N0} rows{(table.Columns.Count == TableColumns ? $", {TableColumns} columns at most" : "")}</p>
                """);
        }
        catch (TaktException e) when (e.Error == TaktError.Invalid)
        {
            var head = await Head(app, file, MostText, cancel);
            return Html.Of($"<p class=\"fault\">{e.Message}</p>{(head.AsSpan().IndexOf((byte)0) >= 0 ? Html.None : Html.Of($"<pre class=\"file\" tabindex=\"0\">{Encoding.UTF8.GetString(head)}</pre>"))}");
        }
        finally
        {
            Tables.Release();
        }
    }

    static async Task<byte[]> Head(TaktApp app, Artifact file, int most, CancellationToken cancel)
    {
        await using var stream = await app.Blobs.Open(file.Digest, cancel);
        var bytes = new byte[Math.Min(most, file.Size)];
        var read = await stream.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancel);
        return bytes[..read];
    }

    static Html TooLarge(Artifact file, long most) => Html.Of($"<div class=\"empty\"><p>{Parts.Bytes(file.Size)} is more than the {Parts.Bytes(most)} that are shown; download it.</p></div>");

    /// <summary>The file itself.</summary>
    /// <param name="image">To be shown in a page, and only when it is an image; else to be saved.</param>
    public static async Task Send(TaktApp app, Workspace workspace, HttpContext http, string id, string path, bool image)
    {
        _ = app.RunLog.In(workspace).Get(id);
        var file = app.Runs.Get(new RunId(id)).Artifacts.FirstOrDefault(a => a.Path == path) ?? throw TaktException.NotFound($"run {id} has no artifact '{path}'");
        var type = ImageType(Path.GetExtension(path).ToLowerInvariant());
        if (image && type is null) throw TaktException.Invalid($"'{path}' is no image");
        SecurityHeaders.ForFile(http.Response);
        var content = await app.Blobs.Open(file.Digest, http.RequestAborted);
        await Results.Stream(content, image ? type : Types.TryGetContentType(path, out var known) ? known : "application/octet-stream", image ? null : Name(path), enableRangeProcessing: true).ExecuteAsync(http);
    }

    static string? ImageType(string ending) => ending switch
    {
        ".png" => "image/png",
        ".jpg" or ".jpeg" => "image/jpeg",
        ".gif" => "image/gif",
        ".webp" => "image/webp",
        ".svg" => "image/svg+xml",
        ".bmp" => "image/bmp",
        _ => null,
    };

    static string Name(string path) => path[(path.LastIndexOf('/') + 1)..];
}
