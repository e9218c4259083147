using System.Globalization;
using System.Text.Json;
using Takt.Runs.Traces;

namespace Takt.Server.Protocols.Mlflow.Import;

/// <summary>Traces in MLflow's JSON, of its API and of its files: version 3, and version 2, which calls a trace a request.</summary>
static class TraceReader
{
    /// <exception cref="TaktException">Invalid: it has no id, or a member is of another kind.</exception>
    public static TraceInfo Info(MlflowRequest given)
    {
        var id = given.TextOrNull("trace_id") is { Length: > 0 } own ? own : given.Text("request_id");
        return new TraceInfo
        {
            Id = id,
            Experiment = 0,
            ClientRequest = Filled("client_request_id"),
            RequestPreview = Filled("request_preview"),
            ResponsePreview = Filled("response_preview"),
            Started = given.Has("timestamp_ms") ? given.NumberOrNull("timestamp_ms") ?? 0 : ProtoTime.Milliseconds(given, "request_time") ?? 0,
            Duration = given.NumberOrNull("execution_duration_ms") ?? given.NumberOrNull("execution_time_ms") ?? ProtoTime.Duration(given, "execution_duration"),
            State = (Filled("state") ?? Filled("status")) is TraceLog.Ok or TraceLog.Error or TraceLog.Running ? Filled("state") ?? Filled("status")! : TraceLog.Unspecified,
            Metadata = Pairs(given.Has("trace_metadata") ? "trace_metadata" : "request_metadata"),
            Tags = Pairs("tags"),
            // what another has replaced stays so; a client that makes one says nothing of it
            Assessments = given.Objects("assessments").ConvertAll(a => AssessmentJson.Read(a, id) with { Valid = a.RawOrNull("valid") is not { ValueKind: JsonValueKind.False } }),
        };

        string? Filled(string name) => given.TextOrNull(name) is { Length: > 0 } text ? text : null;

        List<KeyValuePair<string, string>> Pairs(string name) => given.RawOrNull(name) is { ValueKind: JsonValueKind.Array } ? given.Pairs(name) : given.Map(name);
    }

    /// <param name="trace">The spans are this one's, whatever they say themselves.</param>
    /// <exception cref="TaktException">Invalid: a span is none.</exception>
    public static List<NewSpan> Spans(JsonElement data, string trace)
    {
        try
        {
            return data.TryGetProperty("spans", out var spans) && spans.ValueKind == JsonValueKind.Array ? [.. spans.EnumerateArray().Select(span => Read(span, trace))] : [];
        }
        catch (Exception e) when (e is InvalidOperationException or KeyNotFoundException or FormatException)
        {
            throw new TaktException(TaktError.Invalid, $"a span of the trace {trace} is damaged: {e.Message}", e);
        }
    }

    static NewSpan Read(JsonElement span, string trace)
    {
        var old = span.TryGetProperty("context", out var context);
        var attributes = Attributes(span).ToList();
        if (!attributes.Exists(a => a.Key == TraceKeys.SpanRequest)) attributes.Insert(0, new(TraceKeys.SpanRequest, trace));
        var (status, message) = old ? (Text(span, "status_code"), Text(span, "status_message")) : (Text(span.GetProperty("status"), "code"), Text(span.GetProperty("status"), "message"));
        var events = span.TryGetProperty("events", out var all) && all.ValueKind == JsonValueKind.Array
            ? all.EnumerateArray().Select(e => new NewSpanEvent(Text(e, "name"), Time(e, old ? "timestamp" : "time_unix_nano"), [.. Members(e.TryGetProperty("attributes", out var of) ? of : default)])).ToList() : [];
        return new NewSpan(Id(Text(old ? context : span, "trace_id"), 16), Id(Text(old ? context : span, "span_id"), 8), Id(Text(span, old ? "parent_id" : "parent_span_id"), 8), Text(span, "name"),
            Time(span, old ? "start_time" : "start_time_unix_nano"), Time(span, old ? "end_time" : "end_time_unix_nano"), status.EndsWith("ERROR", StringComparison.Ordinal) ? 2 : status.EndsWith("OK", StringComparison.Ordinal) ? 1 : 0,
            message, attributes, events)
        {
            Links = span.TryGetProperty("links", out var links) && links.ValueKind == JsonValueKind.Array ? [.. links.EnumerateArray().Select(Link)] : [],
        };
    }

    // tr-HEX, or trace:/PLACE/HEX of Unity Catalog
    static NewSpanLink Link(JsonElement link)
    {
        var trace = Text(link, "trace_id");
        return new(Convert.FromHexString(trace[(trace.LastIndexOfAny(['-', '/']) + 1)..]), Convert.FromHexString(Text(link, "span_id")), [.. Members(link.TryGetProperty("attributes", out var of) ? of : default)]);
    }

    // an attribute is a text that is JSON; texts and objects are kept as such, and others by their value
    static IEnumerable<KeyValuePair<string, object?>> Attributes(JsonElement span)
    {
        if (!span.TryGetProperty("attributes", out var attributes) || attributes.ValueKind != JsonValueKind.Object) yield break;
        foreach (var attribute in attributes.EnumerateObject())
        {
            if (attribute.Value.ValueKind != JsonValueKind.String)
            {
                yield return new(attribute.Name, Value(attribute.Value));
                continue;
            }
            var text = attribute.Value.GetString()!;
            object? value = text;
            if (text.Length > 0 && text.TrimStart() is not ['"' or '{', ..])
                try
                {
                    using var json = JsonDocument.Parse(text);
                    value = Value(json.RootElement);
                }
                catch (JsonException)
                {
                    // NaN, or a text that is none
                }
            yield return new(attribute.Name, value);
        }
    }

    static IEnumerable<KeyValuePair<string, object?>> Members(JsonElement json) =>
        json.ValueKind == JsonValueKind.Object ? json.EnumerateObject().Select(m => KeyValuePair.Create(m.Name, Value(m.Value))) : [];

    static object? Value(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.String => json.GetString(),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Number => json.TryGetInt64(out var whole) ? (object)whole : json.GetDouble(),
        JsonValueKind.Array => json.EnumerateArray().Select(Value).ToList(),
        JsonValueKind.Object => Members(json).ToList(),
        _ => null,
    };

    static string Text(JsonElement json, string name) => json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";

    static ulong Time(JsonElement json, string name) => json.TryGetProperty(name, out var value) ? value.ValueKind == JsonValueKind.Number && value.TryGetUInt64(out var time) ? time
        : value.ValueKind == JsonValueKind.String && ulong.TryParse(value.GetString(), NumberStyles.None, CultureInfo.InvariantCulture, out var told) ? told : 0 : 0;

    /// <summary>As base64, or, of version 2, as hex digits with or without <c>0x</c>.</summary>
    static byte[] Id(string text, int length)
    {
        if (text.Length == 0) return [];
        var hex = text.StartsWith("0x", StringComparison.Ordinal) ? text[2..] : text;
        if (hex.Length <= length * 2 && hex.All(char.IsAsciiHexDigit) && (text.StartsWith("0x", StringComparison.Ordinal) || hex.Length == length * 2)) return Convert.FromHexString(hex.PadLeft(length * 2, '0'));
        var bytes = Convert.FromBase64String(text);
        return bytes.Length == length ? bytes : throw new FormatException($"'{text}' is no id of {length} bytes");
    }
}
