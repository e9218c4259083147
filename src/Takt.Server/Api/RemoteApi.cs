using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Net.Http.Headers;
using Takt.Data;
using Takt.Data.Remotes;
using Takt.Server.Protocols;

namespace Takt.Server.Api;

/// <summary>The server as a remote of data: <c>takt data remote add origin http://host:port</c>. Ids go as 32 bytes each, answers to <c>has</c> as a bitmap, records as they lie in packs.</summary>
public static class RemoteApi
{
    /// <summary>Of a body of JSON, in bytes: some hundred thousand ids, or versions.</summary>
    const int MostJson = 64 << 20;

    public static void MapRemote(this IEndpointRouteBuilder routes, TaktApp app)
    {
        var served = new ServedStore(app.Database, app.Blobs, app.Time);
        var api = routes.MapGroup("/api/v1/remote");
        // calls that answer take the token as a parameter of their own: with the context alone they would be taken for handlers without an answer
        api.MapGet("/refs", (string? dataset) => Text(new JsonObject { ["refs"] = new JsonArray([.. served.Refs(dataset).Select(View)]) }));
        api.MapPost("/refs/move", async (HttpContext http, CancellationToken cancel) =>
        {
            await served.Move(await Json(http, Move, cancel), cancel);
            return Text([]);
        });
        api.MapPost("/history", async (HttpContext http, CancellationToken cancel) =>
        {
            var (dataset, from, most) = await Json(http, body => ((string)body["dataset"]!, body["from"]!.AsArray().Select(id => Digest.Parse((string)id!)).ToList(), (int)body["most"]!), cancel);
            return Text(new JsonObject { ["commits"] = new JsonArray([.. served.History(dataset, from, most).Select(text => (JsonNode)text)]) });
        });
        api.MapGet("/lost", async (CancellationToken cancel) => Text(new JsonObject { ["lost"] = new JsonArray([.. (await served.Lost(cancel)).Select(what => (JsonNode)what)]) }));
        api.MapPost("/commits/has", async (HttpContext http, string dataset, CancellationToken cancel) => Results.Bytes(served.HasCommits(dataset, await Ids(http, cancel))));
        api.MapPost("/records/has", async (HttpContext http, CancellationToken cancel) => Results.Bytes(served.Has(await Ids(http, cancel))));
        api.MapPost("/records/get", async (HttpContext http) =>
        {
            var ids = await Ids(http, http.RequestAborted);
            http.Response.ContentType = "application/octet-stream";
            await served.Send(ids, http.Response.Body, http.RequestAborted);
        });
        api.MapPut("/packs/{id}", async (HttpContext http, string id) =>
        {
            Limit(http, ServedStore.LargestPack);
            await served.TakePack(Digest.Parse(id), http.Request.Body, http.RequestAborted);
        });
        api.MapPut("/files/{id}", async (HttpContext http, string id) =>
        {
            Limit(http, null);
            await served.TakeWhole(Digest.Parse(id), http.Request.Body, http.RequestAborted);
        });
        api.MapMethods("/files/{id}", ["GET", "HEAD"], async (string id, CancellationToken cancel) =>
        {
            var digest = Digest.Parse(id);
            var content = await served.Open(digest, cancel);
            return Results.Stream(content, "application/octet-stream", entityTag: new EntityTagHeaderValue($"\"{digest.Hex}\""), enableRangeProcessing: true);
        });
    }

    static RefMove Move(JsonObject body)
    {
        var dataset = (string)body["dataset"]!;
        DatasetReference.CheckName(dataset);
        return new RefMove(dataset, (string)body["name"]!, (bool)body["tag"]!,
            body["before"] is { } before ? new RemoteRef(dataset, (string)body["name"]!, (bool)body["tag"]!, Digest.Parse((string)before!), 0) : null, Digest.Parse((string)body["after"]!),
            body["commits"]!.AsArray().Select(text => RefMove.Commit(dataset, Encoding.UTF8.GetBytes((string)text!))).ToList());
    }

    static JsonNode View(RemoteRef one) => new JsonObject { ["dataset"] = one.Dataset, ["name"] = one.Name, ["tag"] = one.IsTag, ["target"] = one.Target.ToString(), ["step"] = one.Step };

    static IResult Text(JsonObject json) => JsonAnswer.Of(json);

    static async Task<T> Json<T>(HttpContext http, Func<JsonObject, T> read, CancellationToken cancel)
    {
        Limit(http, MostJson);
        try
        {
            return read((JsonObject)(await JsonNode.ParseAsync(http.Request.Body, cancellationToken: cancel))!);
        }
        catch (Exception e) when (e is JsonException or InvalidCastException or NullReferenceException or InvalidOperationException or FormatException or ArgumentException or OverflowException)
        {
            throw TaktException.Invalid($"the body of {http.Request.Path} is not what docs/formats.md says: {e.Message}");
        }
    }

    static async Task<ReadOnlyMemory<byte>> Ids(HttpContext http, CancellationToken cancel)
    {
        Limit(http, ServedStore.MostIds * 32);
        using var body = new MemoryStream();
        await http.Request.Body.CopyToAsync(body, cancel);
        return body.GetBuffer().AsMemory(0, (int)body.Length);
    }

    static void Limit(HttpContext http, long? bytes)
    {
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = bytes;
    }
}
