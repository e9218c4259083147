using System.Buffers;
using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Takt.Server.Protocols.Mlflow;

/// <summary>JSON answers and errors in MLflow's form.</summary>
/// <remarks>
/// An answer is written to a buffer first and sent with its length: clients read that faster than chunks, and one that fails half way is an error instead
/// of half an answer.
/// </remarks>
static class MlflowAnswer
{
    /// <summary>Buffers that grew beyond this are left to the garbage collector.</summary>
    const int LargestKept = 4 << 20;

    /// <summary>So many are kept.</summary>
    const int MostKept = 16;

    // MLflow's clients read what is no ASCII either way; unescaped is shorter
    static readonly JsonWriterOptions Options = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };
    static readonly byte[] Nothing = "{}"u8.ToArray();
    static readonly JsonEncodedText Key = JsonEncodedText.Encode("key"), Value = JsonEncodedText.Encode("value");
    static readonly ConcurrentBag<(ArrayBufferWriter<byte> Buffer, Utf8JsonWriter Json)> Idle = [];

    /// <summary>One object, whose members the caller writes.</summary>
    public static async Task Write(HttpContext http, Action<Utf8JsonWriter> members, int status = 200)
    {
        if (!Idle.TryTake(out var kept))
        {
            var buffer = new ArrayBufferWriter<byte>(1024);
            kept = (buffer, new Utf8JsonWriter(buffer, Options));
        }
        kept.Json.WriteStartObject();
        members(kept.Json); // when this throws, the pair is not used again
        kept.Json.WriteEndObject();
        kept.Json.Flush();
        await Send(http, status, kept.Buffer.WrittenMemory);
        if (kept.Buffer.Capacity > LargestKept || Idle.Count >= MostKept) return;
        kept.Buffer.ResetWrittenCount();
        kept.Json.Reset();
        Idle.Add(kept);
    }

    public static Task Empty(HttpContext http) => Send(http, 200, Nothing);

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
        for (var i = 0; i < pairs.Count; i++)
        {
            json.WriteStartObject();
            json.WriteString(Key, pairs[i].Key);
            json.WriteString(Value, pairs[i].Value);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    /// <summary>A page of objects, and the token of the next.</summary>
    public static Task Page<T>(HttpContext http, string name, Takt.Runs.Page<T> page, Action<Utf8JsonWriter, T> write) => Write(http, json =>
    {
        if (page.Items.Count > 0)
        {
            json.WriteStartArray(name);
            foreach (var item in page.Items)
            {
                json.WriteStartObject();
                write(json, item);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        if (page.Next is not null) json.WriteString("next_page_token", page.Next);
    });

    internal static async Task Send(HttpContext http, int status, ReadOnlyMemory<byte> body)
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/json";
        http.Response.ContentLength = body.Length;
        await http.Response.BodyWriter.WriteAsync(body, http.RequestAborted);
    }
}
