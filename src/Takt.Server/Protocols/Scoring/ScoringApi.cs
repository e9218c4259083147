using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Takt.Data;
using Takt.Deployments;
using Takt.Server.Protocols.Prometheus;

namespace Takt.Server.Protocols.Scoring;

/// <summary>
/// MLflow's scoring protocol (mlflow 3.6, pyfunc/scoring_server), which is SageMaker's too, at <c>/endpoints/NAME/…</c> and, while there is one endpoint only, at the root;
/// and TensorFlow Serving's <c>:predict</c>.
/// </summary>
public static class ScoringApi
{
    public static void MapScoring(this IEndpointRouteBuilder routes, TaktApp app)
    {
        routes.MapPost("/endpoints/{endpoint}/invocations", (HttpContext http, string endpoint) => RequestSpan.Around(http, app, endpoint, () => Invocations(http, app, endpoint)));
        routes.MapPost("/invocations", (Delegate)((HttpContext http) => RequestSpan.Around(http, app, app.Router.Endpoints is { Count: 1 } one ? one.Single() : "", () => Invocations(http, app, null))));
        routes.MapGet("/endpoints/{endpoint}/version", () => Results.Text(TaktHost.Version, "text/plain"));
        foreach (var path in (string[])["/ping", "/health"])
            routes.MapGet("/endpoints/{endpoint}" + path, (string endpoint) => app.Router.Find(endpoint) is not { } route || route.Champion.Model?.Unready is not null ? Results.Text("\n", "application/json", statusCode: 404) : Results.Text("\n", "application/json"));
        routes.MapGet("/ping", () => Results.Text("\n", "application/json", statusCode: app.Router.Endpoints.Count > 0 ? 200 : 404));
        routes.MapPost("/v1/models/{model}:predict", (HttpContext http, string model) => RequestSpan.Around(http, app, model, () => Predict(http, app, model, null)));
        routes.MapPost("/v1/models/{model}/versions/{version}:predict", (HttpContext http, string model, string version) => RequestSpan.Around(http, app, model, () => Predict(http, app, model, version)));
        foreach (var path in (string[])["/v1/models/{model}/metadata", "/v1/models/{model}/versions/{version}/metadata"])
            routes.MapGet(path, (string model, string? version) => Metadata(app, model, version));
        routes.MapGet("/v1/models/{model}/versions/{version}", (string model, string version) => Status(app, model, version) ?? Error(404, $"no model '{model}' with version {version} is served"));
    }

    /// <summary>TensorFlow Serving's status of a model; null when no such one is served.</summary>
    public static IResult? Status(TaktApp app, string model, string? version = null)
    {
        if (app.Router.Find(model) is not { } route) return null;
        var slots = new[] { route.Champion, route.Challenger }.OfType<Slot>().Where(s => s.Model is not null && (version is null || s.Version == version)).ToList();
        return slots.Count == 0 ? null : Json(200, new JsonObject
        {
            ["model_version_status"] = new JsonArray([.. slots.Select(s => new JsonObject
            {
                ["version"] = s.Version,
                ["state"] = "AVAILABLE",
                ["status"] = new JsonObject { ["error_code"] = "OK", ["error_message"] = "" },
            })]),
        });
    }

    static async Task<IResult> Invocations(HttpContext http, TaktApp app, string? endpoint)
    {
        try
        {
            endpoint ??= app.Router.Endpoints is { Count: 1 } one ? one.Single()
                : throw TaktException.NotFound(app.Router.Endpoints.Count == 0 ? "no model is served" : "several endpoints are served: ask /endpoints/NAME/invocations");
            if (!MediaTypeHeaderValue.TryParse(http.Request.ContentType, out var type) || type.MediaType is not ("application/json" or "text/csv"))
                return Results.Text($"This predictor only supports the following content types: Types: ['text/csv', 'application/json']. Got '{http.Request.ContentType}'.", "text/plain", statusCode: 415);
            if (type.CharSet is { } charset && !charset.Trim('"').Equals("utf-8", StringComparison.OrdinalIgnoreCase)) return Results.Text("The scoring server only supports UTF-8", "text/plain", statusCode: 415);
            if (type.Parameters.Where(p => !p.Name.Equals("charset", StringComparison.OrdinalIgnoreCase)).Select(p => p.Name).ToList() is { Count: > 0 } odd)
                return Results.Text($"Unrecognized content type parameters: {string.Join(", ", odd)}.", "text/plain", statusCode: 415);
            var deadline = http.Admit(app, endpoint);
            var body = await Body(http, app.MostBody(endpoint));
            Answer answer;
            if (type.MediaType == "text/csv") answer = await app.Router.Ask(endpoint, slot => Predicted(() => ScoringRequest.Csv(body, slot.Model!.Signature), () => Encoding.UTF8.GetString(body)), null, http.RequestAborted, http.StickyKey(app, endpoint), deadline, keys: http.Keys());
            else
            {
                using var json = ScoringRequest.Parse(body);
                ScoringRequest.RequireForm(json.RootElement);
                string Data() => json.RootElement.EnumerateObject().First(m => ScoringRequest.Forms.Contains(m.Name)).Value.GetRawText();
                answer = await app.Router.Ask(endpoint, slot => Predicted(() => ScoringRequest.Json(json.RootElement, slot.Model!.Signature), Data), null, http.RequestAborted, http.StickyKey(app, endpoint), deadline,
                    slot => Predicted(() => ScoringRequest.Enforce(slot.Model?.Params, json.RootElement), Data), http.Keys());
            }
            http.Response.Headers["x-takt-prediction-id"] = answer.Id;
            http.AnsweredBy(answer.Revision);
            return Json(200, new JsonObject { ["predictions"] = Rows(answer) });
        }
        catch (TaktException e)
        {
            if (e.Error == TaktError.TimedOut) return Results.Text("Request processing time exceeded limit", "text/plain", statusCode: 504); // MLflow's words
            await http.RetryAfter(e);
            var (status, code) = e.Error switch
            {
                TaktError.NotFound => (404, "RESOURCE_DOES_NOT_EXIST"),
                TaktError.Unavailable => (503, "TEMPORARILY_UNAVAILABLE"),
                TaktError.TooLarge => (413, "INVALID_PARAMETER_VALUE"),
                TaktError.TooMany => (429, "REQUEST_LIMIT_EXCEEDED"),
                _ => (400, "BAD_REQUEST"),
            };
            return Json(status, new JsonObject { ["error_code"] = code, ["message"] = string.Join("; ", e.Faults) });
        }
        catch (BadHttpRequestException e)
        {
            return Json(e.StatusCode, new JsonObject { ["error_code"] = "BAD_REQUEST", ["message"] = e.Message });
        }
    }

    /// <summary>What MLflow's model refuses of the rows or the params, told as its server tells it; the data as it came, for MLflow's is Python's print of a DataFrame.</summary>
    static T Predicted<T>(Func<T> work, Func<string> data)
    {
        const int Longest = 200;
        try
        {
            return work();
        }
        catch (TaktException e) when (e.Error == TaktError.Invalid)
        {
            var text = data();
            throw new TaktException(e.Error, $"Failed to predict data '{(text.Length <= Longest ? text : text[..Longest] + "…")}'. \nError: {string.Join("; ", e.Faults)}", e);
        }
    }

    static async Task<IResult> Predict(HttpContext http, TaktApp app, string model, string? version)
    {
        try
        {
            var slot = version is null ? null : OpenInference.OpenInferenceApi.Require(app, model, version);
            var deadline = http.Admit(app, slot?.Revision.Endpoint ?? model);
            using var json = ScoringRequest.Parse(await Body(http, app.MostBody(model)));
            var root = json.RootElement;
            var instances = ScoringRequest.IsOfInstances(root);
            Table Read(Slot of) => ScoringRequest.Json(root, of.Model!.Signature);
            var answer = slot is null ? await app.Router.Ask(model, Read, null, http.RequestAborted, http.StickyKey(app, model), deadline, keys: http.Keys())
                : await app.Router.AskOne(OpenInference.OpenInferenceApi.Enter(slot), Read, null, http.RequestAborted, deadline, http.Keys());
            http.Response.Headers["x-takt-prediction-id"] = answer.Id;
            http.AnsweredBy(answer.Revision);
            return Json(200, new JsonObject { [instances ? "predictions" : "outputs"] = instances || answer.Outputs.Columns.Count == 1 ? Rows(answer) : Columns(answer) });
        }
        catch (TaktException e)
        {
            await http.RetryAfter(e);
            return Error(OpenInference.InferCall.Status(e.Error), string.Join("; ", e.Faults));
        }
        catch (BadHttpRequestException e)
        {
            return Error(e.StatusCode, e.Message);
        }
    }

    /// <summary>A value a row where the model has one output, else a record.</summary>
    static JsonArray Rows(Answer answer)
    {
        var columns = answer.Outputs.Columns;
        var rows = new JsonArray();
        for (var row = 0; row < answer.Outputs.Rows; row++)
        {
            if (columns.Count == 1) rows.Add(Value(columns[0], row));
            else
            {
                var record = new JsonObject();
                foreach (var column in columns) record[column.Name] = Value(column, row);
                rows.Add(record);
            }
        }
        return rows;
    }

    /// <summary>The column format of several outputs: a list of values for each.</summary>
    static JsonObject Columns(Answer answer)
    {
        var columns = new JsonObject();
        foreach (var column in answer.Outputs.Columns) columns[column.Name] = new JsonArray([.. Enumerable.Range(0, column.Length).Select(row => Value(column, row))]);
        return columns;
    }

    /// <summary>TensorFlow Serving's description of a model's one signature.</summary>
    static IResult Metadata(TaktApp app, string model, string? version)
    {
        try
        {
            var slot = OpenInference.OpenInferenceApi.Require(app, model, version);
            if (slot.Model?.Signature is not { } signature) return Error(404, $"'{model}' is an LLM deployment; it has no signature");
            var definition = new JsonObject { ["inputs"] = Tensors(signature.Inputs), ["outputs"] = Tensors(signature.Outputs), ["method_name"] = "tensorflow/serving/predict" };
            return Json(200, new JsonObject
            {
                ["model_spec"] = new JsonObject { ["name"] = model, ["signature_name"] = "", ["version"] = slot.Version },
                ["metadata"] = new JsonObject { ["signature_def"] = new JsonObject { ["signature_def"] = new JsonObject { [ScoringRequest.DefaultSignature] = definition } } },
            });
        }
        catch (TaktException e)
        {
            return Error(OpenInference.InferCall.Status(e.Error), string.Join("; ", e.Faults));
        }
    }

    static JsonObject Tensors(IReadOnlyList<Models.Field> fields)
    {
        var tensors = new JsonObject();
        foreach (var field in fields)
            tensors[field.Name] = new JsonObject
            {
                ["dtype"] = field.Type switch
                {
                    Models.FieldType.Boolean => "DT_BOOL",
                    Models.FieldType.Integer => "DT_INT32",
                    Models.FieldType.Long or Models.FieldType.Datetime => "DT_INT64",
                    Models.FieldType.Float => "DT_FLOAT",
                    Models.FieldType.Double => "DT_DOUBLE",
                    _ => "DT_STRING",
                },
                ["tensor_shape"] = new JsonObject { ["dim"] = new JsonArray(new JsonObject { ["size"] = "-1", ["name"] = "" }), ["unknown_rank"] = false },
                ["name"] = $"{field.Name}:0",
            };
        return tensors;
    }

    static JsonNode? Value(Column column, int row) => column.IsMissing(row) ? null : column.Type switch
    {
        ColumnType.Number => double.IsFinite(column.Numbers[row]) ? JsonValue.Create(column.Numbers[row]) : null,
        ColumnType.Integer => column.Integers[row],
        ColumnType.Boolean => column.Booleans[row],
        _ => column.TextAt(row),
    };

    static async Task<byte[]> Body(HttpContext http, long most)
    {
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = most;
        try
        {
            using var body = new MemoryStream();
            await http.Request.Body.CopyToAsync(body, http.RequestAborted);
            return body.ToArray();
        }
        catch (BadHttpRequestException e) when (e.StatusCode == 413)
        {
            throw new TaktException(TaktError.TooLarge, $"the request has over {most} bytes", e);
        }
        catch (IOException e) when (e is not BadHttpRequestException)
        {
            throw new BadHttpRequestException(e.Message, e); // chunks of no size
        }
    }

    static IResult Error(int status, string message) => Json(status, new JsonObject { ["error"] = message });

    static IResult Json(int status, JsonObject json) => JsonAnswer.Of(json, status);
}
