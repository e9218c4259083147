using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.StaticFiles;
using Microsoft.Net.Http.Headers;
using Takt.Models;
using Takt.Runs;
using Takt.Storage;

namespace Takt.Server.Protocols.Mlflow;

/// <summary>Artifacts through the server, streamed both ways, in the tree of the request's workspace.</summary>
sealed class ArtifactCalls(ArtifactFiles artifacts, IBlobStore blobs, RunLog runs, ModelCatalog models, LoggedModels logged, Func<Digest, TimeSpan, Task<Uri?>> presign)
{
    /// <summary>What the dashboard's own upload may carry, as in MLflow.</summary>
    const int LargestUpload = 10 << 20;

    static readonly TimeSpan PresignedFor = TimeSpan.FromMinutes(15);
    static readonly FileExtensionContentTypeProvider Types = new();

    // MLflow shows these as text
    static readonly HashSet<string> TextTypes = new(StringComparer.Ordinal)
    {
        "txt", "log", "err", "cfg", "conf", "cnf", "cf", "ini", "properties", "prop", "hocon", "toml", "yaml", "yml", "xml", "json", "js", "py", "py3", "csv", "tsv", "md", "rst", "MLmodel", "mlproject", "MLproject",
    };

    /// <summary><c>mlflow/artifacts/list</c></summary>
    public Task ListOfRun(HttpContext http, MlflowRequest request)
    {
        var root = runs.In(request.Workspace).Get(request.Run()).ArtifactUri;
        return ListBelow(http, request, root, ArtifactPath.Checked(request.TextOrNull("path")));
    }

    /// <summary><c>mlflow/logged-models/ID/artifacts/directories</c></summary>
    public Task ListOfModel(HttpContext http, MlflowRequest request)
    {
        var root = logged.In(request.Workspace).Get((string)http.Request.RouteValues["id"]!).ArtifactUri;
        return ListBelow(http, request, root, ArtifactPath.Checked(request.TextOrNull("artifact_directory_path")));
    }

    /// <summary><c>mlflow-artifacts/artifacts?path=</c></summary>
    public Task List(HttpContext http, MlflowRequest request) =>
        Answer(http, Entries(request.Workspace, ArtifactFiles.Scoped(request.Workspace, ArtifactPath.Checked(request.TextOrNull("path")))), "", null);

    public async Task Put(HttpContext http, string path)
    {
        await artifacts.Put(Writable(http.Workspace(), ArtifactPath.File(path)), http.Request.Body, http.RequestAborted);
        await MlflowAnswer.Empty(http);
    }

    /// <returns>The path in the whole tree.</returns>
    /// <exception cref="TaktException">Denied: Takt's own. Invalid: another workspace's.</exception>
    public static string Writable(Workspace workspace, string path)
    {
        var at = ArtifactFiles.Scoped(workspace, path);
        return at.StartsWith("takt/", StringComparison.Ordinal) ? throw new TaktException(TaktError.Denied, $"'{path}' is what Takt keeps itself; it can't be written") : at;
    }

    public Task Get(HttpContext http, string path)
    {
        path = ArtifactPath.File(path);
        return Send(http, path, Find(http.Workspace(), ArtifactFiles.Scoped(http.Workspace(), path)));
    }

    public async Task Delete(HttpContext http, string path)
    {
        var at = ArtifactFiles.Scoped(http.Workspace(), ArtifactPath.File(path));
        if (at.StartsWith("takt/", StringComparison.Ordinal)) throw new TaktException(TaktError.Denied, $"'{path}' is what Takt keeps itself; it can't be deleted");
        await artifacts.Delete(at);
        await MlflowAnswer.Empty(http);
    }

    /// <summary><c>/get-artifact?run_id=&amp;path=</c></summary>
    public Task GetOfRun(HttpContext http, MlflowRequest request) => GetBelow(http, request, runs.In(request.Workspace).Get(request.Run()).ArtifactUri, "path");

    /// <summary><c>/model-versions/get-artifact?name=&amp;version=&amp;path=</c></summary>
    public Task GetOfVersion(HttpContext http, MlflowRequest request)
    {
        var version = request.NumberOrNull("version") ?? throw MlflowRequest.Missing("version");
        _ = ArtifactPath.Checked(request.TextOrNull("path")); // a way out is told as such, whatever it was to lead from
        return GetBelow(http, request, models.In(request.Workspace).DownloadUri(request.Text("name"), version), "path");
    }

    /// <summary><c>mlflow/logged-models/ID/artifacts/files?artifact_file_path=</c></summary>
    public Task GetOfModel(HttpContext http, MlflowRequest request) => GetBelow(http, request, logged.In(request.Workspace).Get((string)http.Request.RouteValues["id"]!).ArtifactUri, "artifact_file_path");

    /// <summary><c>ajax-api/2.0/mlflow/upload-artifact?run_uuid=&amp;path=</c>: the body is the file.</summary>
    public async Task Upload(HttpContext http)
    {
        var (run, path) = (http.Request.Query["run_uuid"].ToString(), http.Request.Query["path"].ToString());
        if (run.Length == 0) throw TaktException.Invalid("Request must specify run_uuid.");
        if (path.Length == 0) throw TaktException.Invalid("Request must specify path.");
        path = ArtifactPath.File(path);
        if (http.Request.ContentLength > LargestUpload) throw TaktException.Invalid("Artifact size is too large. Max size is 10MB.");
        if (http.Request.ContentLength == 0) throw TaktException.Invalid("Request must specify data.");
        var root = OnThisServer(runs.In(http.Workspace()).Get(run).ArtifactUri);
        var body = new MemoryStream();
        var buffer = new byte[64 << 10];
        for (int n; (n = await http.Request.Body.ReadAsync(buffer, http.RequestAborted)) > 0;)
        {
            if (body.Length + n > LargestUpload) throw TaktException.Invalid("Artifact size is too large. Max size is 10MB.");
            body.Write(buffer, 0, n);
        }
        if (body.Length == 0) throw TaktException.Invalid("Request must specify data.");
        body.Position = 0;
        await artifacts.Put(ArtifactFiles.Scoped(http.Workspace(), $"{root}/{path}".TrimStart('/')), body, http.RequestAborted);
        await MlflowAnswer.Empty(http);
    }

    /// <summary><c>mlflow-artifacts/presigned/PATH</c>: an address of the store itself, for a while.</summary>
    public async Task Presigned(HttpContext http, string path)
    {
        path = ArtifactPath.File(path);
        var blob = Find(http.Workspace(), ArtifactFiles.Scoped(http.Workspace(), path));
        var url = await presign(blob, PresignedFor) ?? throw new TaktException(TaktError.NotSupported, "Multipart download is not supported for the current artifact repository");
        var length = await blobs.Length(blob, http.RequestAborted);
        await MlflowAnswer.Write(http, json =>
        {
            json.WriteString("url", url.AbsoluteUri);
            json.WriteStartObject("headers");
            json.WriteEndObject();
            if (length is { } size) json.WriteNumber("file_size", size);
        });
    }

    /// <summary><c>mlflow/artifacts/presigned-upload-url</c>: every artifact here comes through the server.</summary>
    public Task PresignedUpload(HttpContext http, MlflowRequest request)
    {
        var root = runs.In(request.Workspace).Get(request.Text("run_id")).ArtifactUri;
        _ = ArtifactPath.File(request.Text("path"));
        if (ArtifactFiles.PathOf(root) is null) throw new TaktException(TaktError.NotSupported, "Presigned upload is not supported for the current artifact repository");
        throw TaktException.Invalid("Presigned upload is not supported for runs with proxied artifact storage (artifact URI scheme: mlflow-artifacts). "
            + "This endpoint requires a run with a direct cloud storage artifact URI.");
    }

    Task ListBelow(HttpContext http, MlflowRequest request, string root, string path)
    {
        var at = $"{OnThisServer(root)}/{path}".Trim('/');
        return Answer(http, Entries(request.Workspace, ArtifactFiles.Scoped(request.Workspace, at)), path.Length == 0 ? "" : path + "/", root);
    }

    Task GetBelow(HttpContext http, MlflowRequest request, string root, string parameter)
    {
        if (string.IsNullOrEmpty(request.TextOrNull(parameter))) return MlflowAnswer.Error(http, 400, "BAD_REQUEST", $"Request must include the \"{parameter}\" query parameter.");
        var path = ArtifactPath.File(request.Text(parameter));
        return Send(http, path, Find(request.Workspace, ArtifactFiles.Scoped(request.Workspace, $"{OnThisServer(root)}/{path}".TrimStart('/'))));
    }

    static string OnThisServer(string uri) => ArtifactFiles.PathOf(uri) ?? throw new TaktException(TaktError.NotSupported, $"The artifacts at {uri} are not on this server");

    async Task Send(HttpContext http, string path, Digest blob)
    {
        var content = await blobs.Open(blob, http.RequestAborted);
        var name = path[(path.LastIndexOf('/') + 1)..];
        http.Response.Headers.XContentTypeOptions = "nosniff";
        await Results.Stream(content, Type(name), name, entityTag: new EntityTagHeaderValue($"\"{blob.Hex}\""), enableRangeProcessing: true).ExecuteAsync(http);
    }

    /// <summary>A file of the tree, or one of a package of Takt's own, which the tree shows below <c>takt/packages/</c>.</summary>
    Digest Find(Workspace workspace, string path) => PackagePath(workspace, path) is var (files, inner)
        ? files.TryGetValue(inner, out var digest) ? Digest.Parse(digest) : throw TaktException.NotFound($"No such artifact: '{path}'")
        : artifacts.Find(path);

    IReadOnlyList<KeyValuePair<string, long?>> Entries(Workspace workspace, string folder)
    {
        if (PackagePath(workspace, folder + "/") is not var (files, inner)) return artifacts.List(folder);
        var entries = new SortedDictionary<string, long?>(StringComparer.Ordinal);
        foreach (var (path, digest) in files)
        {
            if (!path.StartsWith(inner, StringComparison.Ordinal)) continue;
            var rest = path[inner.Length..];
            if (rest.IndexOf('/') is var slash and >= 0) entries[rest[..slash]] = null;
            else entries[rest] = blobs.Length(Digest.Parse(digest)).GetAwaiter().GetResult() ?? 0;
        }
        return [.. entries];
    }

    (IReadOnlyDictionary<string, string> Files, string Inner)? PackagePath(Workspace workspace, string path)
    {
        const string folder = "takt/packages/";
        var at = path.IndexOf(folder, StringComparison.Ordinal);
        if (at < 0 || (at > 0 && path[..at] != $"workspaces/{workspace}/")) return null;
        var parts = path[(at + folder.Length)..].Split('/', 2);
        return parts.Length == 2 && models.In(workspace).PackageFiles(parts[0]) is { } files ? (files, parts[1]) : null;
    }

    static Task Answer(HttpContext http, IReadOnlyList<KeyValuePair<string, long?>> files, string prefix, string? rootUri) => MlflowAnswer.Write(http, json =>
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

    static string Type(string name)
    {
        var dot = name.LastIndexOf('.');
        return TextTypes.Contains(dot < 0 ? name : name[(dot + 1)..]) ? "text/plain" : Types.TryGetContentType(name, out var type) ? type : "application/octet-stream";
    }
}
