using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Takt.Server.Protocols.OpenTelemetry;

/// <summary>
/// OTLP/HTTP (opentelemetry.io/docs/specs/otlp): spans of any OpenTelemetry exporter become traces of the experiment that the header
/// <c>x-mlflow-experiment-id</c> names. Protobuf or JSON, plain or gzip or deflate, answered in the same. All spans of a request are kept or none.
/// </summary>
public static class OpenTelemetryApi
{
    const string Experiment = "x-mlflow-experiment-id";
    const string Protobuf = "application/x-protobuf";
    const string Json = "application/json";

    /// <summary>Of a body, as it comes and unpacked.</summary>
    const int MostBytes = 32 << 20;

    public static void MapOpenTelemetry(this IEndpointRouteBuilder routes, TaktApp app) => routes.MapPost("/v1/traces", async http =>
    {
        try
        {
            await Receive(http, app);
        }
        catch (BadHttpRequestException e) when (!http.Response.HasStarted)
        {
            await Refuse(http, e.StatusCode, "BAD_REQUEST", e.Message);
        }
        catch (TaktException e) when (e.Error is TaktError.NotFound or TaktError.Invalid or TaktError.TooLarge or TaktError.Unavailable && !http.Response.HasStarted)
        {
            await (e.Error switch
            {
                TaktError.NotFound => Refuse(http, 404, "RESOURCE_DOES_NOT_EXIST", e.Message),
                TaktError.Invalid => Refuse(http, 422, "INVALID_PARAMETER_VALUE", e.Message),
                TaktError.TooLarge => Refuse(http, 413, "BAD_REQUEST", e.Message),
                _ => Refuse(http, 503, "TEMPORARILY_UNAVAILABLE", e.Message), // exporters try again
            });
        }
    });

    static async Task Receive(HttpContext http, TaktApp app)
    {
        var type = http.Request.ContentType;
        var media = type?.Split(';')[0].Trim();
        var json = Json.Equals(media, StringComparison.OrdinalIgnoreCase);
        if (!json && !Protobuf.Equals(media, StringComparison.OrdinalIgnoreCase))
        {
            await Refuse(http, 400, "INVALID_PARAMETER_VALUE", $"Invalid Content-Type: {type}. Expected: {Protobuf} or {Json}");
            return;
        }
        if (http.Request.Headers[Experiment].ToString() is not { Length: > 0 } header)
        {
            await Refuse(http, 422, "INVALID_PARAMETER_VALUE", $"The header {Experiment} is missing: it names the experiment whose traces these are");
            return;
        }
        OtlpRequest request;
        try
        {
            using var body = await PackedBody.Read(http, MostBytes, TooLarge);
            var message = body.GetBuffer().AsSpan(0, (int)body.Length);
            request = json ? OtlpRequest.ParseJson(message) : OtlpRequest.Parse(message);
        }
        catch (Exception e) when (e is FormatException or InvalidDataException)
        {
            await Refuse(http, 400, "INVALID_PARAMETER_VALUE", json ? $"Invalid OpenTelemetry JSON: {e.Message}" : "Invalid OpenTelemetry protobuf format");
            return;
        }
        if (!request.Any)
        {
            await Refuse(http, 400, "INVALID_PARAMETER_VALUE", $"Invalid OpenTelemetry {(json ? "JSON" : "protobuf format")} - no spans found");
            return;
        }
        if (request.Spans.Any(s => s.Trace.Length != 16 || s.Id.Length != 8 || s.Parent.Length is not (0 or 8)))
        {
            await Refuse(http, 422, "INVALID_PARAMETER_VALUE", "Cannot convert OpenTelemetry span to MLflow span: a trace's id has 16 bytes, a span's 8");
            return;
        }
        if (!long.TryParse(header, NumberStyles.None, CultureInfo.InvariantCulture, out var experiment)) throw TaktException.NotFound($"No Experiment with id={header} exists");
        if (request.Spans.Count > 0) await app.Traces.In(http.Workspace()).AddSpans(experiment, request.Spans);
        // an ExportTraceServiceResponse without a partial_success is a message of no bytes
        http.Response.ContentType = json ? Json : Protobuf;
        http.Response.ContentLength = json ? 2 : 0;
        if (json) await http.Response.WriteAsync("{}");
    }

    static TaktException TooLarge() => new(TaktError.TooLarge, $"The request is longer than {MostBytes} bytes; send its spans in several requests");

    // MLflow's clients read error_code and message, those of 3.6 the detail
    static Task Refuse(HttpContext http, int status, string code, string message)
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/json";
        return http.Response.WriteAsync(new JsonObject { ["error_code"] = code, ["message"] = message, ["detail"] = message }.ToPlainText());
    }
}
