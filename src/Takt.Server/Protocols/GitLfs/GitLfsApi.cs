using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Net.Http.Headers;
using Takt.Data;
using Takt.Data.GitLfs;

namespace Takt.Server.Protocols.GitLfs;

/// <summary>
/// The git-lfs server API (git-lfs, docs/api: batch, basic transfers, locking): <c>git config lfs.url http://host:port/lfs/NAME</c>. A repository is there as soon as somebody
/// names it. Files are kept whole, by the same SHA-256 that git-lfs and Takt both use.
/// </summary>
public static class GitLfsApi
{
    const string ContentType = "application/vnd.git-lfs+json";

    /// <summary>In one batch; clients send 100.</summary>
    const int MostObjects = 1000;

    /// <summary>Of a body of JSON, in bytes.</summary>
    const int MostBytes = 1 << 20;

    const int DefaultLocks = 100, MostLocks = 1000;

    public static void MapGitLfs(this IEndpointRouteBuilder routes, TaktApp app)
    {
        var (objects, locks) = (new LfsObjects(app.Database, app.Blobs, app.Time), new LfsLocks(app.Database, app.Time));
        foreach (var root in (string[])["/lfs/{name}", "/lfs/{name}/info/lfs"]) // the second for those who make it from the address of a git remote
        {
            routes.MapPost(root + "/objects/batch", Call((http, name) => Batch(http, name, objects)));
            routes.MapPut(root + "/objects/{oid}", Call((http, name) => Upload(http, name, objects)));
            routes.MapMethods(root + "/objects/{oid}", ["GET", "HEAD"], Call((http, _) => Download(http, objects)));
            routes.MapPost(root + "/verify", Call((http, _) => Verify(http, objects)));
            routes.MapPost(root + "/locks", Call((http, name) => Lock(http, name, locks)));
            routes.MapGet(root + "/locks", Call((http, name) => List(http, name, locks)));
            routes.MapPost(root + "/locks/verify", Call((http, name) => VerifyLocks(http, name, locks)));
            routes.MapPost(root + "/locks/{id}/unlock", Call((http, name) => Unlock(http, name, locks)));
        }
    }

    static async Task Batch(HttpContext http, string name, LfsObjects objects)
    {
        var body = await Body(http);
        var upload = Text(body, "operation") switch { "upload" => true, "download" => false, var other => throw TaktException.Invalid($"the operation must be 'download' or 'upload', not '{other}'") };
        if (body["hash_algo"] is not null && Text(body, "hash_algo") is var hash and not "sha256")
        {
            await Error(http, 409, $"objects are named by sha256 here, not by '{hash}'");
            return;
        }
        if (body["transfers"] is JsonArray { Count: > 0 } transfers && !transfers.Any(one => one is JsonValue value && value.TryGetValue(out string? text) && text == "basic"))
            throw TaktException.Invalid("the transfer 'basic' is the only one there is here; 'git config --unset lfs.customtransfer…' or allow it");
        if (body["objects"] is not JsonArray asked) throw TaktException.Invalid("'objects' must be an array of {oid, size}");
        if (asked.Count > MostObjects) throw new TaktException(TaktError.TooLarge, $"{asked.Count:N0} objects in one batch; at most {MostObjects:N0} ('git config lfs.transfer.batchSize 100')");
        var (answers, here, at) = (new JsonArray(), new List<(Digest, long)>(), Address(http, name));
        foreach (var one in asked)
        {
            var (oid, size) = (Member<string>(one, "oid"), Member<long?>(one, "size"));
            var answer = new JsonObject { ["oid"] = oid ?? "", ["size"] = size ?? 0 };
            answers.Add((JsonNode)answer);
            if (oid is null || oid.Contains(':') || !Digest.TryParse(oid, out var id) || size is not { } wanted || wanted < 0)
            {
                answer["error"] = Fault(422, "oid must be 64 lower-case hex digits, and size a number of bytes");
                continue;
            }
            var length = await objects.Length(id, http.RequestAborted);
            if (length is not null && length != wanted) answer["error"] = Fault(422, $"it is {length:N0} bytes long, not {wanted:N0}");
            else if (length is null && !upload) answer["error"] = Fault(404, "no such object here; 'git lfs push --all' from a clone that has it");
            else if (!upload) (answer["authenticated"], answer["actions"]) = (true, new JsonObject { ["download"] = Action($"{at}/objects/{oid}") });
            else if (length is not null) here.Add((id, wanted)); // no actions: the client need not send it
            else (answer["authenticated"], answer["actions"]) = (true, new JsonObject { ["upload"] = Action($"{at}/objects/{oid}?size={wanted}"), ["verify"] = Action($"{at}/verify") });
        }
        await objects.Keep(name, here);
        await Json(http, 200, new JsonObject { ["transfer"] = "basic", ["objects"] = answers, ["hash_algo"] = "sha256" });

        static JsonObject Fault(int code, string message) => new() { ["code"] = code, ["message"] = message };
        static JsonObject Action(string href) => new() { ["href"] = href };
    }

    static async Task Upload(HttpContext http, string name, LfsObjects objects)
    {
        var id = Oid(http);
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = null;
        long? size = http.Request.Query["size"] is [{ } text] ? long.TryParse(text, out var number) && number >= 0 ? number : throw TaktException.Invalid($"size={text} is no number of bytes") : null;
        if (http.Request.ContentLength is { } length && size is { } announced && length != announced) throw TaktException.Invalid($"{length:N0} bytes are to come, and {announced:N0} were announced");
        await objects.Put(name, id, size, http.Request.Body, http.RequestAborted);
        http.Response.StatusCode = 200;
    }

    static async Task Download(HttpContext http, LfsObjects objects)
    {
        var id = Oid(http);
        var content = await objects.Open(id, http.RequestAborted);
        await Results.Stream(content, "application/octet-stream", entityTag: new EntityTagHeaderValue($"\"{id.Hex}\""), enableRangeProcessing: true).ExecuteAsync(http);
    }

    static async Task Verify(HttpContext http, LfsObjects objects)
    {
        var body = await Body(http);
        if (!Digest.TryParse(Text(body, "oid"), out var id) || Member<long?>(body, "size") is not { } size) throw TaktException.Invalid("oid must be 64 lower-case hex digits, and size a number of bytes");
        var length = await objects.Length(id, http.RequestAborted) ?? throw TaktException.NotFound($"no object {id.Hex} here: its upload did not end");
        if (length != size) throw TaktException.Invalid($"{id.Hex} is {length:N0} bytes long here, not {size:N0}");
        await Json(http, 200, []);
    }

    static async Task Lock(HttpContext http, string name, LfsLocks locks)
    {
        var body = await Body(http);
        var (made, isNew) = await locks.Create(name, Text(body, "path"), Caller(http));
        if (isNew) await Json(http, 201, new JsonObject { ["lock"] = View(made) });
        else await Json(http, 409, new JsonObject { ["lock"] = View(made), ["message"] = $"'{made.Path}' is locked already, by {made.Owner}", ["request_id"] = http.TraceIdentifier });
    }

    static Task List(HttpContext http, string name, LfsLocks locks)
    {
        var query = http.Request.Query;
        var most = Limit(query["limit"] is [{ Length: > 0 } text] ? int.TryParse(text, out var number) ? number : throw TaktException.Invalid($"limit={text} is no number") : null);
        var found = locks.List(name, query["path"], query["id"], query["cursor"], most);
        var answer = new JsonObject { ["locks"] = Views(found) };
        if (found.Count == most) answer["next_cursor"] = found[^1].Path;
        return Json(http, 200, answer);
    }

    static async Task VerifyLocks(HttpContext http, string name, LfsLocks locks)
    {
        var body = await Body(http);
        var most = Limit(Member<int?>(body, "limit"));
        var found = locks.List(name, null, null, Member<string>(body, "cursor"), most);
        var caller = Caller(http);
        var answer = new JsonObject { ["ours"] = Views(found.Where(one => one.Owner == caller)), ["theirs"] = Views(found.Where(one => one.Owner != caller)) };
        if (found.Count == most) answer["next_cursor"] = found[^1].Path;
        await Json(http, 200, answer);
    }

    static async Task Unlock(HttpContext http, string name, LfsLocks locks)
    {
        var body = await Body(http);
        var gone = await locks.Remove(name, (string)http.Request.RouteValues["id"]!, Caller(http), Member<bool?>(body, "force") ?? false);
        await Json(http, 200, new JsonObject { ["lock"] = View(gone) });
    }

    static JsonArray Views(IEnumerable<LfsLock> locks) => new([.. locks.Select(View)]);

    static JsonObject View(LfsLock one) => new()
    {
        ["id"] = one.Id,
        ["path"] = one.Path,
        ["locked_at"] = one.LockedAt.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture),
        ["owner"] = new JsonObject { ["name"] = one.Owner },
    };

    static int Limit(int? asked) => Math.Clamp(asked is null or <= 0 ? DefaultLocks : asked.Value, 1, MostLocks);

    /// <summary>Whose locks are meant: the name of Basic credentials; of those who give none, the address that they call from.</summary>
    static string Caller(HttpContext http)
    {
        const string Basic = "Basic ";
        var header = http.Request.Headers.Authorization.ToString();
        var bytes = new byte[Math.Max(header.Length, 1)];
        if (header.StartsWith(Basic, StringComparison.OrdinalIgnoreCase) && Convert.TryFromBase64String(header[Basic.Length..].Trim(), bytes, out var length)
            && Encoding.UTF8.GetString(bytes, 0, length).Split(':')[0] is { Length: > 0 and <= 200 } user && !user.Any(char.IsControl))
            return user;
        return http.Connection.RemoteIpAddress?.ToString() ?? "localhost";
    }

    static Digest Oid(HttpContext http) => http.Request.RouteValues["oid"] is string text && !text.Contains(':') && Digest.TryParse(text, out var id) ? id
        : throw TaktException.Invalid($"'{http.Request.RouteValues["oid"]}' is no object id: 64 lower-case hex digits");

    // as the client knows this server, so that what it is sent to can be reached by it
    static string Address(HttpContext http, string name) => $"{http.Origin()}/lfs/{name}";

    static RequestDelegate Call(Func<HttpContext, string, Task> work) => async http =>
    {
        try
        {
            var name = (string)http.Request.RouteValues["name"]!;
            if (name.EndsWith(".git", StringComparison.Ordinal)) name = name[..^4];
            if (!DatasetReference.IsName(name)) throw TaktException.Invalid($"'{name}' can't name a repository; use 1 to 100 letters, digits, '.', '_' and '-', a letter or digit first");
            await work(http, name);
        }
        catch (TaktException e) when (!http.Response.HasStarted)
        {
            if (e.Error == TaktError.Unavailable) http.Response.Headers.RetryAfter = "1";
            await Error(http, Status(e.Error), e.Message);
        }
        catch (BadHttpRequestException e) when (!http.Response.HasStarted)
        {
            await Error(http, e.StatusCode, e.Message);
        }
    };

    static int Status(TaktError error) => error switch
    {
        TaktError.Invalid => 422,
        TaktError.NotFound => 404,
        TaktError.Conflict => 409,
        TaktError.Denied => 403,
        TaktError.Unavailable => 503,
        TaktError.TooLarge => 413,
        TaktError.NotSupported => 501,
        _ => 500,
    };

    static Task Error(HttpContext http, int status, string message) => Json(http, status, new JsonObject { ["message"] = message, ["request_id"] = http.TraceIdentifier });

    static async Task Json(HttpContext http, int status, JsonObject answer)
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = ContentType;
        await http.Response.WriteAsync(answer.ToPlainText(), http.RequestAborted);
    }

    static async Task<JsonObject> Body(HttpContext http)
    {
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = MostBytes;
        try
        {
            return await JsonNode.ParseAsync(http.Request.Body, documentOptions: new JsonDocumentOptions { MaxDepth = 16 }, cancellationToken: http.RequestAborted) as JsonObject
                ?? throw new BadHttpRequestException("the body must be a JSON object", 400);
        }
        catch (JsonException e)
        {
            throw new BadHttpRequestException($"the body is no JSON: {e.Message}", 400);
        }
    }

    static string Text(JsonObject body, string member) => Member<string>(body, member) ?? throw TaktException.Invalid($"'{member}' is missing, or no text");

    static T? Member<T>(JsonNode? body, string member)
    {
        try
        {
            return body is JsonObject json && json[member] is JsonValue value && value.TryGetValue(out T? found) ? found : default;
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException) // a name twice in an object; half a surrogate pair
        {
            throw TaktException.Invalid($"the body is no JSON that can be read: {e.Message}");
        }
    }
}
