using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Takt.Server.Protocols;

/// <summary>JSON answers that a person reads in a terminal: quotes and letters beyond ASCII as they are, not as <c>\u0027</c>. They are never part of a page.</summary>
static class JsonAnswer
{
    static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string ToPlainText(this JsonNode json) => json.ToJsonString(Plain);

    public static IResult Of(JsonNode json, int status = StatusCodes.Status200OK) => Results.Text(json.ToPlainText(), "application/json", statusCode: status);
}
