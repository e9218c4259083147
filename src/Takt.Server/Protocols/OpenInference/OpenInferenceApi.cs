using System.Buffers;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Takt.Data;
using Takt.Deployments;
using Takt.Models;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>
/// Open Inference Protocol v2 over REST and JSON (kserve/open-inference-protocol, 2025): what KServe and Triton clients speak. Binary tensors and gRPC are
/// not there yet and are refused in words.
/// </summary>
public static class OpenInferenceApi
{
    const int MostBytes = 64 << 20;

    public static void MapOpenInference(this IEndpointRouteBuilder routes, TaktApp app)
    {
        var v2 = routes.MapGroup("/v2").AddEndpointFilter(Errors);
        v2.MapGet("/", () => Json(new JsonObject { ["name"] = "takt", ["version"] = TaktHost.Version, ["extensions"] = new JsonArray() }));
        v2.MapGet("/health/live", () => Json(new JsonObject { ["live"] = true }));
        v2.MapGet("/health/ready", () => Json(new JsonObject { ["ready"] = true }));
        foreach (var path in (string[])["/models/{model}", "/models/{model}/versions/{version}"])
        {
            v2.MapGet(path, (string model, string? version) => Json(Metadata(app, model, version)));
            v2.MapGet(path + "/ready", (string model, string? version) => Json(new JsonObject { ["name"] = model, ["ready"] = Require(app, model, version) is not null }));
            v2.MapPost(path + "/infer", (HttpContext http, string model, string? version) => Infer(http, app, model, version));
        }
    }

    static async Task<IResult> Infer(HttpContext http, TaktApp app, string model, string? version)
    {
        if (http.Request.Headers.ContainsKey("Inference-Header-Content-Length")) throw TaktException.Invalid("binary tensors are not supported yet: send the tensors as JSON");
        _ = Require(app, model, version);
        var (buffer, length) = await ReadBody(http.Request);
        // one slot for the whole request: what it is read for is what answers it
        var slot = version is null ? app.Router.Enter(model) : Enter(Require(app, model, version));
        try
        {
            var request = InferRequest.Parse(buffer.AsSpan(0, length));
            var rows = Rows(app, ref slot, request, buffer.AsSpan(0, length), mayFallBack: version is null);
            var signature = slot.Model!.Signature;
            var unknown = request.Outputs.Where(o => signature.Outputs.All(f => f.Name != o)).ToList();
            if (unknown.Count > 0) throw TaktException.Invalid($"the model has no output '{unknown[0]}'; it has {string.Join(", ", signature.Outputs.Select(f => f.Name))}");
            var answer = await app.Router.Infer(slot, rows, request.EventTime, http.RequestAborted);
            http.Response.ContentType = "application/json";
            await using (var json = new Utf8JsonWriter(http.Response.BodyWriter)) Write(json, model, request, answer);
            return Results.Empty;
        }
        finally
        {
            slot.Leave();
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>
    /// The rows for the slot. A challenger that refuses what the champion takes has failed, not the caller: that is counted against it, and the champion answers.
    /// </summary>
    static Table Rows(TaktApp app, ref Slot slot, InferRequest request, ReadOnlySpan<byte> body, bool mayFallBack)
    {
        if (slot.Model is null) throw TaktException.Invalid($"'{slot.Revision.Endpoint}' is an LLM deployment; ask it at /v1/chat/completions");
        try
        {
            return request.ToTable(body, slot.Model.Signature);
        }
        catch (TaktException e) when (mayFallBack && app.Router.Find(slot.Revision.Endpoint) is { } route && route.Challenger == slot && route.Champion.Model is not null)
        {
            var rows = request.ToTable(body, route.Champion.Model.Signature); // refused by both: the caller's mistake
            app.Router.Refused(slot, request.EventTime, e.Message);
            if (!route.Champion.TryEnter()) throw;
            slot.Leave();
            slot = route.Champion;
            return rows;
        }
    }

    static Slot Enter(Slot slot) => slot.TryEnter() ? slot : throw new TaktException(TaktError.Unavailable, $"version {slot.Revision.Number} of '{slot.Revision.Endpoint}' has just been replaced; ask again");

    static void Write(Utf8JsonWriter json, string model, InferRequest request, Answer answer)
    {
        json.WriteStartObject();
        json.WriteString("model_name"u8, model);
        json.WriteString("model_version"u8, answer.Revision.Number.ToString());
        if (request.Id is { } id) json.WriteString("id"u8, id);
        json.WriteStartObject("parameters"u8);
        json.WriteString("prediction_id"u8, answer.Id);
        if (answer.Revision.Model is { } version) json.WriteString("model"u8, version);
        json.WriteEndObject();
        json.WriteStartArray("outputs"u8);
        foreach (var field in answer.Signature.Outputs)
        {
            if (request.Outputs.Count > 0 && !request.Outputs.Contains(field.Name)) continue;
            var column = answer.Outputs[field.Name];
            json.WriteStartObject();
            json.WriteString("name"u8, field.Name);
            json.WriteString("datatype"u8, InferRequest.DataType(field.Type));
            json.WriteStartArray("shape"u8);
            json.WriteNumberValue(column.Length);
            json.WriteEndArray();
            json.WriteStartArray("data"u8);
            for (var row = 0; row < column.Length; row++)
            {
                if (column.IsMissing(row)) json.WriteNullValue();
                else if (column.Type == ColumnType.Number) json.WriteNumberValue(column.Numbers[row]);
                else if (column.Type == ColumnType.Boolean) json.WriteBooleanValue(column.Booleans[row]);
                else if (column.Type == ColumnType.Text) json.WriteStringValue(column.Texts[row]);
                else json.WriteNumberValue(column.Integers[row]);
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    static JsonObject Metadata(TaktApp app, string model, string? version)
    {
        var slot = Require(app, model, version);
        return new JsonObject
        {
            ["name"] = model,
            ["versions"] = new JsonArray(slot.Revision.Number.ToString()),
            ["platform"] = "lightgbm_lightgbm",
            ["inputs"] = Tensors(slot.Model?.Signature.Inputs ?? []),
            ["outputs"] = Tensors(slot.Model?.Signature.Outputs ?? []),
        };
    }

    static JsonArray Tensors(IReadOnlyList<Field> fields) => new([.. fields.Select(f => new JsonObject
    {
        ["name"] = f.Name,
        ["datatype"] = InferRequest.DataType(f.Type),
        ["shape"] = new JsonArray(-1),
    })]);

    /// <summary>The revision in charge; with a version, that one when it is loaded.</summary>
    static Slot Require(TaktApp app, string model, string? version)
    {
        var route = app.Router.Find(model) ?? throw TaktException.NotFound($"no model is served as '{model}'");
        if (version is null || route.Champion.Revision.Number.ToString() == version) return route.Champion;
        if (route.Challenger?.Revision.Number.ToString() == version) return route.Challenger;
        throw TaktException.NotFound($"'{model}' has no version '{version}' loaded; it has {route.Champion.Revision.Number}");
    }

    static async Task<(byte[] Buffer, int Length)> ReadBody(HttpRequest request)
    {
        if (request.ContentLength > MostBytes) throw new TaktException(TaktError.TooLarge, $"the request has {request.ContentLength} bytes; {MostBytes} are allowed");
        var buffer = ArrayPool<byte>.Shared.Rent((int)(request.ContentLength ?? 16 * 1024) + 1);
        var length = 0;
        try
        {
            for (int read; (read = await request.Body.ReadAsync(buffer.AsMemory(length), request.HttpContext.RequestAborted)) > 0;)
            {
                length += read;
                if (length > MostBytes) throw new TaktException(TaktError.TooLarge, $"the request has over {MostBytes} bytes");
                if (length < buffer.Length) continue;
                var larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
                buffer.AsSpan(0, length).CopyTo(larger);
                ArrayPool<byte>.Shared.Return(buffer);
                buffer = larger;
            }
            return (buffer, length);
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(buffer);
            throw;
        }
    }

    /// <summary>Triton's statuses and its one-line error object.</summary>
    static async ValueTask<object?> Errors(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        try
        {
            return await next(context);
        }
        catch (TaktException e)
        {
            if (e.Error == TaktError.Unavailable) context.HttpContext.Response.Headers.RetryAfter = "1";
            var status = e.Error switch
            {
                TaktError.NotFound => 404,
                TaktError.Unavailable => 503,
                TaktError.NotSupported => 501,
                TaktError.TooLarge => 413,
                _ => 400,
            };
            return Results.Text(new JsonObject { ["error"] = string.Join("; ", e.Faults) }.ToJsonString(), "application/json", statusCode: status);
        }
    }

    static IResult Json(JsonObject json) => Results.Text(json.ToJsonString(), "application/json");
}
