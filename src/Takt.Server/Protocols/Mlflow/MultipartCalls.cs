using Microsoft.AspNetCore.Http;
using Takt.Runs;

namespace Takt.Server.Protocols.Mlflow;

/// <summary><c>mlflow-artifacts/mpu/…</c>: large artifacts in parts, as clients with MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD send them.</summary>
/// <param name="parts">Where parts are PUT that come through this server.</param>
sealed class MultipartCalls(ArtifactUploads uploads, string parts)
{
    public async Task Create(HttpContext http, MlflowRequest request)
    {
        var path = Target(http, request);
        var upload = await uploads.Begin(path, request.NumberOrNull("num_parts") ?? 0, http.RequestAborted);
        var count = (int)request.NumberOrNull("num_parts")!.Value;
        var here = $"{http.Origin()}{parts}/{upload.Id}/";
        await MlflowAnswer.Write(http, json =>
        {
            json.WriteString("upload_id", upload.Id);
            json.WriteStartArray("credentials");
            for (var part = 1; part <= count; part++)
            {
                json.WriteStartObject();
                json.WriteString("url", upload.PartUrls is { } urls ? urls[part - 1].AbsoluteUri : here + part);
                json.WriteNumber("part_number", part);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        });
    }

    /// <summary><c>PUT mpu/parts/ID/NUMBER</c>: the body is the part; the answer's ETag is its SHA-256.</summary>
    public async Task Put(HttpContext http, string id, int part)
    {
        var put = await uploads.Put(id, part, http.Request.Body, http.RequestAborted);
        http.Response.Headers.ETag = $"\"{put.ETag}\"";
        await MlflowAnswer.Empty(http);
    }

    /// <summary><c>GET mpu/parts/ID</c>, which MLflow's server has not: what has come, for a client that goes on.</summary>
    public Task Parts(HttpContext http, MlflowRequest request)
    {
        var there = uploads.Parts((string)http.Request.RouteValues["id"]!);
        return MlflowAnswer.Write(http, json =>
        {
            json.WriteStartArray("parts");
            foreach (var part in there)
            {
                json.WriteStartObject();
                json.WriteNumber("part_number", part.Part);
                json.WriteString("etag", $"\"{part.ETag}\"");
                json.WriteNumber("size", part.Size);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        });
    }

    public async Task Complete(HttpContext http, MlflowRequest request)
    {
        var path = Target(http, request);
        var named = request.Objects("parts");
        if (named.Count == 0) throw MlflowRequest.Missing("parts");
        await uploads.Complete(request.Text("upload_id"), path, named.ConvertAll(part => new UploadPart(
            part.NumberOrNull("part_number") is > 0 and <= ArtifactUploads.MostParts and var number ? (int)number : throw TaktException.Invalid("A part has a part_number from 1 on"),
            (part.TextOrNull("etag") ?? "").Trim('"'))), http.RequestAborted);
        await MlflowAnswer.Empty(http);
    }

    public async Task Abort(HttpContext http, MlflowRequest request)
    {
        await uploads.Abort(request.Text("upload_id"), Target(http, request), http.RequestAborted);
        await MlflowAnswer.Empty(http);
    }

    /// <summary>The folder of the address, and in it a file called as the client's own, whose whole path the client tells.</summary>
    static string Target(HttpContext http, MlflowRequest request)
    {
        var file = request.Text("path");
        file = file[(file.LastIndexOfAny(['/', '\\']) + 1)..];
        if (file.Length == 0) throw ArtifactPath.Invalid();
        var path = ArtifactPath.File($"{ArtifactPath.Checked((string?)http.Request.RouteValues["path"])}/{file}".TrimStart('/'));
        return ArtifactCalls.Writable(http.Workspace(), path);
    }
}
