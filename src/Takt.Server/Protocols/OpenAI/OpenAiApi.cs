using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Takt.Deployments;
using Takt.Server.Protocols.Prometheus;

namespace Takt.Server.Protocols.OpenAI;

/// <summary>
/// OpenAI's chat completions, completions, embeddings and models, so that its SDKs work with <c>base_url</c> changed: a request goes to the upstream of the LLM deployment that
/// <c>model</c> names, plain or streamed, and its tokens, latency and errors land in the prediction log. Prompts and answers are not logged.
/// </summary>
public static class OpenAiApi
{
    const int MostBytes = 32 << 20;
    const int MostAtOnce = 256;

    static readonly SemaphoreSlim AtOnce = new(MostAtOnce);

    public static void MapOpenAi(this IEndpointRouteBuilder routes, TaktApp app)
    {
        routes.MapGet("/v1/models", () => Json(200, new JsonObject { ["object"] = "list", ["data"] = new JsonArray([.. Models(app)]) }));
        routes.MapGet("/v1/models/{id}", (string id) => Models(app).FirstOrDefault(m => m["id"]!.GetValue<string>() == id) is { } model ? Json(200, model) : Scoring.ScoringApi.Status(app, id) ?? Unknown(id));
        foreach (var call in (OpenAiCall[])[OpenAiCall.Chat, OpenAiCall.Completion, OpenAiCall.Embedding]) routes.MapPost("/v1" + call.Path, (Delegate)((HttpContext http) => Ask(http, app, call)));
    }

    static IEnumerable<JsonObject> Models(TaktApp app) => app.Deployments.List().Where(d => d.Live?.Spec.Upstream is not null).Select(d => new JsonObject
    {
        ["id"] = d.Endpoint,
        ["object"] = "model",
        ["created"] = d.CreatedAt.ToUnixTimeSeconds(),
        ["owned_by"] = "takt",
    });

    static async Task<IResult> Ask(HttpContext http, TaktApp app, OpenAiCall call)
    {
        if (http.Request.ContentLength > MostBytes) return Error(413, $"the request has over {MostBytes} bytes", "invalid_request_error", null, "request_too_large");
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = MostBytes; // chunked bodies too
        JsonObject? request;
        try
        {
            request = await JsonNode.ParseAsync(http.Request.Body, null, new JsonDocumentOptions { AllowDuplicateProperties = false }, http.RequestAborted) as JsonObject;
            _ = request?.ToJsonString(); // what can't be written again, such as a lone surrogate anywhere in it, is found now
            if (request is not null) _ = Text(request, "model"); // and bytes that are no UTF-8, when the name is read
            if (request?["stream_options"] is { } options && (options is not JsonObject o || (o["include_usage"] is { } usage && usage.GetValueKind() is not (JsonValueKind.True or JsonValueKind.False))))
                return Error(400, "stream_options must be an object such as {\"include_usage\": true}", "invalid_request_error", "stream_options", null);
        }
        catch (BadHttpRequestException e)
        {
            return Error(e.StatusCode, e.Message, "invalid_request_error", null, null);
        }
        catch (Exception e) when (e is JsonException or ArgumentException or InvalidOperationException)
        {
            return Error(400, $"the body is not JSON: {e.Message}", "invalid_request_error", null, null);
        }
        if (request is null || Text(request, "model") is not { } model) return Error(400, "you must provide a model", "invalid_request_error", "model", null);
        var asked = request[call.Field];
        if (asked is null || (call == OpenAiCall.Chat && asked is not JsonArray)) return Error(400, $"you must provide {call.Field}", "invalid_request_error", call.Field, null);
        if (app.Router.Find(model) is null) return Unknown(model);
        return await RequestSpan.Around(http, app, model, () => Ask(http, app, call, model, request, asked is JsonArray many && (call == OpenAiCall.Chat || many is not [JsonValue first, ..] || first.GetValueKind() == JsonValueKind.String) ? many.Count : 1));
    }

    /// <param name="count">Of what is asked; a list of tokens is one.</param>
    static async Task<IResult> Ask(HttpContext http, TaktApp app, OpenAiCall call, string model, JsonObject request, int count)
    {
        Deadline deadline;
        try
        {
            deadline = http.Admit(app, model);
        }
        catch (TaktException e)
        {
            await http.RetryAfter(e);
            return e.Error == TaktError.TooMany ? Error(429, e.Message, "requests", null, "rate_limit_exceeded") : Error(Api.ApiErrors.Status(e.Error), e.Message, "invalid_request_error", null, null);
        }
        if (!AtOnce.Wait(0))
        {
            http.Response.Headers.RetryAfter = "1";
            return Error(503, $"{MostAtOnce} requests are under way; try again in a second", "server_error", null, "overloaded");
        }
        Slot? slot = null;
        try
        {
            slot = app.Router.Enter(model, http.StickyKey(app, model));
            if (slot.Revision.Spec.Upstream is null && app.Router.EnterChampionInsteadOf(slot) is { } champion)
            {
                var challenger = slot;
                slot = champion;
                if (champion.Revision.Spec.Upstream is not null) await app.Router.Refused(challenger, null, "it is no LLM deployment");
                challenger.Leave();
            }
            return slot.Revision.Spec.Upstream is { } upstream ? await Forward(http, app, call, slot, upstream, request, count, deadline) : Unknown(model);
        }
        finally
        {
            slot?.Leave();
            AtOnce.Release();
        }
    }

    static async Task<IResult> Forward(HttpContext http, TaktApp app, OpenAiCall call, Slot slot, Upstream upstream, JsonObject request, int count, Deadline deadline)
    {
        http.AnsweredBy(slot.Revision);
        var (id, start) = (app.Router.NewId(), Stopwatch.GetTimestamp());
        var stream = call.Streams && request["stream"] is JsonValue s && s.TryGetValue(out bool streamed) && streamed;
        var wantsUsage = request["stream_options"]?["include_usage"]?.GetValue<bool>() == true;
        request["model"] = upstream.Model;
        if (stream && !wantsUsage) request["stream_options"] = new JsonObject { ["include_usage"] = true }; // for the log; taken out of the answer again
        var meter = new UsageMeter(call.Counted, count, stream);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted);
        var patience = TimeSpan.FromSeconds(upstream.TimeoutSeconds);
        limit.CancelAfter(patience = deadline.Left < patience ? deadline.Left.Value : patience);
        ServingTrace.Is(id);
        using var step = ServingTrace.Step($"{call.Operation} {upstream.Model}", ActivityKind.Client);
        step?.SetTag("gen_ai.operation.name", call.Operation).SetTag("gen_ai.request.model", upstream.Model).SetTag("gen_ai.provider.name", "openai").SetTag("server.address", new Uri(upstream.Url).Host);
        var keys = http.Keys()?.Of(1);
        var (error, failed) = ("", false);
        try
        {
            using var forwarded = Request(upstream, call, request);
            ServingTrace.Send(forwarded);
            using var answer = await app.UpstreamHttp.SendAsync(forwarded, HttpCompletionOption.ResponseHeadersRead, limit.Token);
            limit.CancelAfter(Timeout.InfiniteTimeSpan); // it has begun to answer: a stream may take as long as it takes
            http.Response.Headers["x-takt-prediction-id"] = id;
            http.Response.Headers["x-request-id"] = id; // which SDKs show in their errors
            if (!answer.IsSuccessStatusCode)
            {
                (error, failed) = ($"the upstream answered {(int)answer.StatusCode}", (int)answer.StatusCode >= 500);
                return await Refused(http, answer);
            }
            if (stream) await meter.CopyEvents(answer, http, keepUsage: wantsUsage);
            else
            {
                var body = await answer.Content.ReadAsByteArrayAsync(http.RequestAborted);
                meter.Read(body);
                if (call == OpenAiCall.Embedding) body = EmbeddingForm.Fit(body, base64: Text(request, "encoding_format") == "base64");
                http.Response.ContentType = "application/json";
                await http.Response.Body.WriteAsync(body, http.RequestAborted);
            }
            return Results.Empty;
        }
        catch (TaktException e)
        {
            (error, failed) = (e.Message, true); // a secret without a value
            return Error(503, e.Message, "server_error", null, "not_configured");
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            error = "the client went away";
            return Results.Empty;
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            (error, failed) = (e is OperationCanceledException ? FormattableString.Invariant($"the upstream did not answer within {patience.TotalSeconds:0.###} s") : "the upstream can't be reached or broke off", true);
            if (http.Response.HasStarted)
            {
                // headers are out: the error travels inside the stream
                await http.Response.WriteAsync($"data: {Body(error, "server_error", null, "upstream_error").ToPlainText()}\n\n", CancellationToken.None);
                return Results.Empty;
            }
            http.Response.Headers.RetryAfter = "1";
            return Error(e is OperationCanceledException ? 504 : 502, $"{error} (deployment '{slot.Revision.Endpoint}')", "server_error", null, "upstream_error");
        }
        finally
        {
            if (failed) step?.SetStatus(ActivityStatusCode.Error, error);
            meter.Tell(step);
            step?.Dispose();
            await app.Router.Done(slot, id, null, start, meter.Inputs(), meter.Outputs(), error, failed, keys);
        }
    }

    static HttpRequestMessage Request(Upstream upstream, OpenAiCall call, JsonObject body)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, upstream.Url + call.Path) { Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json") };
        if (upstream.KeySecret is not { } name) return request;
        var key = Environment.GetEnvironmentVariable("TAKT_SECRET_" + name);
        if (string.IsNullOrEmpty(key)) throw new TaktException(TaktError.Unavailable, $"the secret {name} has no value: set TAKT_SECRET_{name} where takt serve runs");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return request;
    }

    /// <summary>The upstream's own error when it speaks OpenAI's form, else one that says what happened; its 401 is our fault, not the caller's.</summary>
    static async Task<IResult> Refused(HttpContext http, HttpResponseMessage answer)
    {
        if (answer.Headers.RetryAfter is { } wait) http.Response.Headers.RetryAfter = wait.ToString();
        if (answer.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden)
            return Error(502, "the upstream refused Takt's key; its owner must set the secret anew", "server_error", null, "upstream_auth");
        var text = await answer.Content.ReadAsStringAsync(http.RequestAborted);
        try
        {
            if (JsonNode.Parse(text) is JsonObject { } json && json["error"] is JsonObject) return Json((int)answer.StatusCode, json);
        }
        catch (JsonException)
        {
            // not OpenAI's form: said in our words below
        }
        return Error((int)answer.StatusCode, $"the upstream answered {(int)answer.StatusCode}", "server_error", null, "upstream_error");
    }

    static IResult Unknown(string model) => Error(404, $"The model '{model}' does not exist: no LLM deployment has this name", "invalid_request_error", "model", "model_not_found");

    static IResult Error(int status, string message, string type, string? param, string? code) => Json(status, Body(message, type, param, code));

    static JsonObject Body(string message, string type, string? param, string? code) =>
        new() { ["error"] = new JsonObject { ["message"] = message, ["type"] = type, ["param"] = param, ["code"] = code } };

    static string? Text(JsonObject json, string name) => json[name] is JsonValue value && value.TryGetValue(out string? text) ? text : null;

    static IResult Json(int status, JsonObject json) => JsonAnswer.Of(json, status);
}
