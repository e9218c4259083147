using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Takt.Server.Protocols.Mlflow;

/// <summary>JSON answers and errors in MLflow's form.</summary>
static class MlflowAnswer
{
    // MLflow's clients read what is no ASCII either way; unescaped is shorter
    static readonly JsonWriterOptions Options = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>One object, whose members the caller writes.</summary>
    public static async Task Write(HttpContext http, Action<Utf8JsonWriter> members, int status = 200)
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/json";
        await using var json = new Utf8JsonWriter(http.Response.BodyWriter, Options);
        json.WriteStartObject();
        members(json);
        json.WriteEndObject();
        await json.FlushAsync(http.RequestAborted);
    }

    public static Task Empty(HttpContext http) => Write(http, _ => { });

    public static Task Error(HttpContext http, int status, string code, string message) => Write(http, json =>
    {
        json.WriteString("error_code", code);
        json.WriteString("message", message);
    }, status);

    public static Task Error(HttpContext http, TaktException e)
    {
        var (status, code) = e.Error switch
        {
            TaktError.Invalid => (400, "INVALID_PARAMETER_VALUE"),
            TaktError.NotFound => (404, "RESOURCE_DOES_NOT_EXIST"),
            TaktError.Conflict => (400, "RESOURCE_ALREADY_EXISTS"),
            TaktError.Denied => (403, "PERMISSION_DENIED"),
            TaktError.TooLarge => (400, "BAD_REQUEST"),
            TaktError.NotSupported => (501, "NOT_IMPLEMENTED"),
            TaktError.Unavailable => (503, "TEMPORARILY_UNAVAILABLE"),
            _ => (500, "INTERNAL_ERROR"),
        };
        return Error(http, status, code, e.Message);
    }

    /// <summary>Left out when there is nothing in it, as MLflow does.</summary>
    public static void Pairs(Utf8JsonWriter json, string name, IReadOnlyList<KeyValuePair<string, string>> pairs)
    {
        if (pairs.Count == 0) return;
        json.WriteStartArray(name);
        foreach (var (key, value) in pairs)
        {
            json.WriteStartObject();
            json.WriteString("key", key);
            json.WriteString("value", value);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }
}
