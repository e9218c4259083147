using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Takt.Data;
using Takt.Deployments;
using Takt.Models;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>
/// Open Inference Protocol v2 over REST (kserve/open-inference-protocol, 2025): what KServe and Triton clients speak. <see cref="GrpcCalls"/> is the same over gRPC.
/// </summary>
public static class OpenInferenceApi
{
    internal static readonly string[] Extensions = ["binary_tensor_data", "model_repository", "model_repository(unload_dependents)", "model_configuration", "statistics"];

    public static void MapOpenInference(this IEndpointRouteBuilder routes, TaktApp app)
    {
        var v2 = routes.MapGroup("/v2").AddEndpointFilter(Errors);
        v2.MapGet("/", () => Json(new JsonObject { ["name"] = "takt", ["version"] = TaktHost.Version, ["extensions"] = new JsonArray([.. Extensions]) }));
        v2.MapPost("/repository/index", (Delegate)((HttpContext http) => Index(http, app)));
        v2.MapPost("/repository/models/{model}/load", (HttpContext http, string model) => ModelLoads.Load(http, app, model));
        v2.MapPost("/repository/models/{model}/unload", (HttpContext http, string model) => ModelLoads.Unload(http, app, model));
        v2.MapGet("/health", (HttpContext http) => ServingHealth.Tell(http, app));
        v2.MapGet("/health/live", () => Json(new JsonObject { ["live"] = true }));
        v2.MapGet("/health/ready", (HttpContext http) => Ready(http, app));
        foreach (var path in (string[])["/models/{model}", "/models/{model}/versions/{version}"])
        {
            v2.MapGet(path, (string model, string? version) => Json(Metadata(app, model, version)));
            v2.MapGet(path + "/config", (string model, string? version) => Json(LoadedModelFacts.Config(model, Require(app, model, version))));
            v2.MapGet(path + "/stats", (string model, string? version) => Json(LoadedModelFacts.Statistics(LoadedModelFacts.Slots(app, model, version), app.Time)));
            v2.MapGet(path + "/ready", (string model, string? version) => Json(new JsonObject { ["name"] = model, ["ready"] = Ready(Require(app, model, version)) }));
        }
        v2.MapGet("/models/stats", () => Json(LoadedModelFacts.Statistics(LoadedModelFacts.Slots(app, null, null), app.Time)));
        foreach (var path in (string[])["/trace/setting", "/models/{model}/trace/setting"]) v2.MapMethods(path, ["GET", "POST"], IResult () => throw LoadedModelFacts.NoTraceSettings);
        v2.MapMethods("/logging", ["GET", "POST"], IResult () => throw LoadedModelFacts.NoLogSettings);
        foreach (var memory in (string[])["system", "cuda"]) v2.Map($"/{memory}sharedmemory/{{**rest}}", IResult () => throw LoadedModelFacts.NoSharedMemory);
        // Triton's clients read an error object from whatever fails, and break on an empty body
        v2.Map("/{**rest}", IResult (HttpContext http) => throw TaktException.NotFound($"there is nothing at {http.Request.Method} {http.Request.Path}"));
    }

    /// <summary>Ready once every revision in charge is loaded, and until the server is told to stop: then a balancer sends nobody any more.</summary>
    static IResult Ready(HttpContext http, TaktApp app)
    {
        var ready = IsReady(http, app);
        return JsonAnswer.Of(new JsonObject { ["ready"] = ready }, ready ? 200 : 503);
    }

    internal static bool IsReady(HttpContext http, TaktApp app) => IsReady(http.RequestServices.GetRequiredService<IHostApplicationLifetime>(), app);

    internal static bool IsReady(IHostApplicationLifetime lifetime, TaktApp app) => app.Rollouts.Ready && !lifetime.ApplicationStopping.IsCancellationRequested;

    public static Slot Enter(Slot slot) => slot.TryEnter() ? slot : throw new TaktException(TaktError.Unavailable, $"version {slot.Revision.Number} of '{slot.Revision.Endpoint}' has just been replaced; ask again");

    internal static void Write(Utf8JsonWriter json, string model, InferRequest request, Answer answer)
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
        foreach (var tensor in answer.Tensors ?? [])
        {
            json.WriteStartObject();
            json.WriteString("name"u8, tensor.Name);
            json.WriteString("datatype"u8, Tensor.NameOf(tensor.Type));
            json.WriteStartArray("shape"u8);
            foreach (var length in tensor.Shape) json.WriteNumberValue(length);
            json.WriteEndArray();
            if (request.IsBinary(tensor.Name))
            {
                json.WriteStartObject("parameters"u8);
                json.WriteNumber("binary_data_size"u8, tensor.Data.Length);
                json.WriteEndObject();
            }
            else
            {
                json.WritePropertyName("data"u8);
                TensorJson.Write(json, tensor);
            }
            json.WriteEndObject();
        }
        foreach (var field in answer.Tensors is null ? answer.Signature.Outputs : [])
        {
            if (request.Outputs.Count > 0 && !request.Outputs.Contains(field.Name)) continue;
            var column = answer.Outputs[field.Name];
            json.WriteStartObject();
            json.WriteString("name"u8, field.Name);
            json.WriteString("datatype"u8, InferRequest.DataType(field.Type));
            json.WriteStartArray("shape"u8);
            json.WriteNumberValue(column.Length);
            json.WriteEndArray();
            if (request.IsBinary(field.Name))
            {
                json.WriteStartObject("parameters"u8);
                json.WriteNumber("binary_data_size"u8, BinaryTensor.Size(column, field.Type));
                json.WriteEndObject();
                json.WriteEndObject();
                continue;
            }
            json.WriteStartArray("data"u8);
            for (var row = 0; row < column.Length; row++)
            {
                if (column.IsMissing(row)) json.WriteNullValue();
                else if (column.Type == ColumnType.Number && !(field.Type == FieldType.Float ? float.IsFinite((float)column.Numbers[row]) : double.IsFinite(column.Numbers[row]))) json.WriteNullValue(); // JSON has no infinity
                else if (column.Type == ColumnType.Number && field.Type == FieldType.Float) json.WriteNumberValue((float)column.Numbers[row]);
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

    /// <summary>Triton's repository index: every endpoint with the revisions that are loaded, and those that can't be.</summary>
    static async Task<IResult> Index(HttpContext http, TaktApp app)
    {
        using var body = await ModelLoads.Body(http);
        var readyOnly = body?.RootElement is { ValueKind: JsonValueKind.Object } root && root.TryGetProperty("ready", out var ready) && ready.ValueKind == JsonValueKind.True;
        var list = new JsonArray();
        foreach (var (name, version, state, reason) in Index(app, readyOnly))
            list.Add(version is null ? new JsonObject { ["name"] = name, ["state"] = state, ["reason"] = reason } : new JsonObject { ["name"] = name, ["version"] = version, ["state"] = state, ["reason"] = reason });
        return JsonAnswer.Of(list);
    }

    /// <summary>Every endpoint with the revisions that are loaded, and those of which none is, without a version.</summary>
    internal static IEnumerable<(string Name, string? Version, string State, string Reason)> Index(TaktApp app, bool readyOnly)
    {
        foreach (var endpoint in app.Deployments.Endpoints())
        {
            var slots = app.Router.Find(endpoint) is { } route ? new[] { route.Champion, route.Challenger }.OfType<Slot>().ToList() : [];
            foreach (var slot in slots) yield return (endpoint, slot.Version, "READY", "");
            if (slots.Count == 0 && !readyOnly) yield return (endpoint, null, "UNAVAILABLE", app.Deployments.Find(endpoint)?.StoppedAt is not null ? "unloaded" : app.Rollouts.WhyNotServed(endpoint) ?? "not loaded yet");
        }
    }

    static JsonObject Metadata(TaktApp app, string model, string? version)
    {
        var slot = Require(app, model, version);
        return new JsonObject
        {
            ["name"] = model,
            ["versions"] = new JsonArray(slot.Revision.Number.ToString()),
            ["platform"] = slot.Model?.Platform ?? "",
            ["inputs"] = Told(slot.Model) is { } takes ? Tensors(takes.Inputs) : Tensors(slot.Model?.Signature.Inputs ?? []),
            ["outputs"] = Told(slot.Model) is { } gives ? Tensors(gives.Outputs) : Tensors(slot.Model?.Signature.Outputs ?? []),
        };
    }

    static bool Ready(Slot slot) => slot.Model?.Unready is { } why ? throw new TaktException(TaktError.Unavailable, why) : true;

    /// <summary>The tensors that a model's metadata tells; null: its columns. Where texts stand for codes, nobody outside could send the codes.</summary>
    internal static TensorModel? Told(ILoadedModel? model) => model?.Rows?.Features.Any(f => f.Categories is not null) == true ? null : model?.Tensors;

    static JsonArray Tensors(IReadOnlyList<TensorField> fields) => new([.. fields.Select(f => new JsonObject
    {
        ["name"] = f.Name,
        ["datatype"] = Tensor.NameOf(f.Type),
        ["shape"] = new JsonArray([.. f.Shape.Select(n => (JsonNode)n)]),
    })]);

    static JsonArray Tensors(IReadOnlyList<Field> fields) => new([.. fields.Select(f => new JsonObject
    {
        ["name"] = f.Name,
        ["datatype"] = InferRequest.DataType(f.Type),
        ["shape"] = new JsonArray(-1),
    })]);

    /// <summary>The revision in charge; with a version, that one when it is loaded.</summary>
    public static Slot Require(TaktApp app, string model, string? version)
    {
        if (version is null && model.Contains('@', StringComparison.Ordinal))
        {
            var wanted = app.Models.Resolve(model).Reference;
            return app.Router.FindModel(wanted) ?? throw TaktException.NotFound($"'{model}' is {wanted}, which no endpoint serves; deploy it first");
        }
        var route = app.Router.Find(model) ?? throw TaktException.NotFound($"no model is served as '{model}'");
        if (version is null || route.Champion.Revision.Number.ToString() == version) return route.Champion;
        if (route.Challenger?.Revision.Number.ToString() == version) return route.Challenger;
        throw TaktException.NotFound($"'{model}' has no version '{version}' loaded; it has {route.Champion.Revision.Number}");
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
            await context.HttpContext.RetryAfter(e);
            return JsonAnswer.Of(new JsonObject { ["error"] = string.Join("; ", e.Faults) }, InferCall.Status(e.Error));
        }
    }

    static IResult Json(JsonObject json) => JsonAnswer.Of(json);
}
