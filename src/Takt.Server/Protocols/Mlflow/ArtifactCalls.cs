using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.StaticFiles;
using Takt.Runs;

namespace Takt.Server.Protocols.Mlflow;

/// <summary>Artifacts through the server, streamed both ways.</summary>
sealed class ArtifactCalls(ArtifactFiles artifacts, RunLog runs)
{
    const string Scheme = "mlflow-artifacts:/";
    static readonly FileExtensionContentTypeProvider Types = new();

    /// <summary><c>mlflow/artifacts/list</c></summary>
    public Task ListOfRun(HttpContext http, MlflowRequest request)
    {
        var root = runs.In(request.Workspace).Get(request.Run()).ArtifactUri;
        var path = Checked(request.TextOrNull("path") ?? "");
        if (!root.StartsWith(Scheme, StringComparison.Ordinal)) throw new TaktException(TaktError.NotSupported, $"The artifacts at {root} are not on this server");
        return Answer(http, root[Scheme.Length..].Trim('/'), path, path.Length == 0 ? "" : path + "/", root);
    }

    /// <summary><c>mlflow-artifacts/artifacts?path=</c></summary>
    public Task List(HttpContext http, MlflowRequest request) => Answer(http, Checked(request.TextOrNull("path") ?? ""), "", "", null);

    public async Task Put(HttpContext http, string path)
    {
        await artifacts.Put(File(path), http.Request.Body, http.RequestAborted);
        await MlflowAnswer.Empty(http);
    }

    public async Task Get(HttpContext http, string path)
    {
        path = File(path);
        var content = await artifacts.Open(path, http.RequestAborted);
        var name = path[(path.LastIndexOf('/') + 1)..];
        http.Response.Headers.XContentTypeOptions = "nosniff";
        await Results.Stream(content, Type(name), name, enableRangeProcessing: true).ExecuteAsync(http);
    }

    public async Task Delete(HttpContext http, string path)
    {
        await artifacts.Delete(File(path));
        await MlflowAnswer.Empty(http);
    }

    /// <summary>What is at <paramref name="path"/> below an artifact address of a run or of a logged model.</summary>
    public Task ListBelow(HttpContext http, string uri, string path) =>
        Answer(http, Below(uri), Checked(path), path.Length == 0 ? "" : path.TrimEnd('/') + "/", uri);

    /// <summary>The file at <paramref name="path"/> below an artifact address of a run or of a logged model.</summary>
    public Task GetBelow(HttpContext http, string uri, string path) => Get(http, $"{Below(uri)}/{File(path)}");

    static string Below(string uri) => uri.StartsWith(Scheme, StringComparison.Ordinal) ? uri[Scheme.Length..].Trim('/')
        : throw new TaktException(TaktError.NotSupported, $"The artifacts at {uri} are not on this server");

    Task Answer(HttpContext http, string root, string path, string prefix, string? rootUri)
    {
        var files = artifacts.List(path.Length == 0 ? root : $"{root}/{path}");
        return MlflowAnswer.Write(http, json =>
        {
            if (rootUri is not null) json.WriteString("root_uri", rootUri);
            if (files.Count == 0) return;
            json.WriteStartArray("files");
            foreach (var (name, size) in files)
            {
                json.WriteStartObject();
                json.WriteString("path", prefix + name);
                json.WriteBoolean("is_dir", size is null);
                if (size is { } bytes) json.WriteNumber("file_size", bytes);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        });
    }

    // MLflow shows its text files as text, so that a browser does
    static string Type(string name) => Path.GetExtension(name).ToLowerInvariant() switch
    {
        "" when name is "MLmodel" or "MLproject" => "text/plain",
        ".txt" or ".log" or ".yaml" or ".yml" or ".json" or ".md" or ".csv" or ".tsv" or ".py" or ".js" or ".cfg" or ".conf" => "text/plain",
        _ => Types.TryGetContentType(name, out var type) ? type : "application/octet-stream",
    };

    static string File(string path) => Checked(path) is { Length: > 0 } file ? file : throw TaktException.Invalid("Invalid path");

    /// <exception cref="TaktException">Invalid: absolute, or with <c>..</c>, plain or encoded any number of times.</exception>
    static string Checked(string path)
    {
        path = path.TrimEnd('/');
        var plain = path;
        for (var i = 0; i < 8 && plain.Contains('%'); i++)
        {
            var next = Uri.UnescapeDataString(plain);
            if (next == plain) break;
            plain = next;
        }
        if (plain.Contains('\\') || plain.Contains('\0') || (plain.Length > 1 && plain[1] == ':') || plain.Contains("://")
            || (plain.Length > 0 && plain.Split('/').Any(part => part is "" or "." or "..")))
            throw TaktException.Invalid("Invalid path");
        return path;
    }
}
