using System.Text;
using System.Text.Json;

namespace Takt.Runs.Traces;

/// <summary>A client's span as the JSON that is kept and searched: MLflow's own layout, so that its clients' text searches find what they find there.</summary>
static class SpanText
{
    const string Prefix = "tr-";
    const int LongestTrace = 250;

    /// <exception cref="TaktException">Invalid: it has no ids.</exception>
    public static Span Of(NewSpan span)
    {
        if (span.Trace.Length != 16 || span.Id.Length != 8 || span.Parent.Length is not (0 or 8))
            throw TaktException.Invalid($"the span '{span.Name}' has ids of {span.Trace.Length}, {span.Id.Length} and {span.Parent.Length} bytes; a trace's has 16, a span's 8");
        // MLflow's own spans may tell a trace's id that is not OpenTelemetry's
        var trace = span.Attributes.FindLast(a => a.Key == TraceKeys.SpanRequest).Value is string told && Plain(told) is { Length: > 0 and <= LongestTrace } own
            ? Storable(own) : Prefix + Convert.ToHexStringLower(span.Trace);
        var attributes = new List<KeyValuePair<string, string>>(span.Attributes.Count + 4);
        if (!span.Attributes.Exists(a => a.Key == TraceKeys.SpanRequest)) attributes.Add(new(TraceKeys.SpanRequest, JsonText.Of(trace)));
        var places = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var (key, value) in span.Attributes)
            if (places.TryGetValue(key, out var place)) attributes[place] = new(key, Kept(value));
            else
            {
                places[key] = attributes.Count;
                attributes.Add(new(key, Kept(value)));
            }
        SpanDialects.Translate(attributes);
        var status = span.Status switch { 1 => "OK", 2 => "ERROR", _ => "UNSET" };
        var type = attributes.Find(a => a.Key == TraceKeys.SpanType).Value is { } text ? Plain(text) : null;
        return new(trace, Convert.ToHexStringLower(span.Id), span.Parent.Length == 0 ? null : Convert.ToHexStringLower(span.Parent), Storable(span.Name), type, status,
            Time(span.Started), span.Ended == 0 ? null : Time(span.Ended), Content(span, status, attributes));
    }

    /// <summary>The value of an attribute as it is kept, without the quotes of a JSON text.</summary>
    public static string Plain(string kept)
    {
        if (kept.Length < 2 || kept[0] != '"') return kept;
        try
        {
            using var json = JsonDocument.Parse(kept);
            return json.RootElement.GetString() ?? kept;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return kept;
        }
    }

    /// <summary>PostgreSQL keeps no NUL.</summary>
    public static string Storable(string text) => text.Contains('\0') ? text.Replace('\0', '\uFFFD') : text;

    // as JSON; a text that is JSON of a text or an object already, because the SDK wrote it so, stays what it is
    static string Kept(object? value)
    {
        if (value is not string text) return JsonText.Of(value);
        var start = text.AsSpan().TrimStart();
        if (start.Length > 1 && start[0] is '"' or '{')
            try
            {
                using var json = JsonDocument.Parse(text);
                return Storable(text);
            }
            catch (JsonException)
            {
            }
        return JsonText.Of(text);
    }

    static long Time(ulong nanoseconds) => nanoseconds > long.MaxValue ? long.MaxValue : (long)nanoseconds;

    static string Content(NewSpan span, string status, List<KeyValuePair<string, string>> attributes)
    {
        var text = new StringBuilder(512);
        text.Append("{\"trace_id\": \"").Append(Convert.ToBase64String(span.Trace)).Append("\", \"span_id\": \"").Append(Convert.ToBase64String(span.Id)).Append("\", \"parent_span_id\": ");
        JsonText.Write(text, span.Parent.Length == 0 ? null : Convert.ToBase64String(span.Parent));
        text.Append(", \"name\": ");
        JsonText.Write(text, span.Name);
        text.Append(", \"start_time_unix_nano\": ").Append(Time(span.Started)).Append(", \"end_time_unix_nano\": ");
        JsonText.Write(text, span.Ended == 0 ? null : Time(span.Ended));
        text.Append(", \"events\": [");
        for (var i = 0; i < span.Events.Count; i++)
        {
            if (i > 0) text.Append(", ");
            text.Append("{\"name\": ");
            JsonText.Write(text, span.Events[i].Name);
            text.Append(", \"time_unix_nano\": ").Append(Time(span.Events[i].Time)).Append(", \"attributes\": ");
            JsonText.Write(text, Members(span.Events[i].Attributes));
            text.Append('}');
        }
        text.Append("], \"status\": {\"code\": \"STATUS_CODE_").Append(status).Append("\", \"message\": ");
        JsonText.Write(text, span.Message.Length == 0 ? null : span.Message);
        text.Append("}, \"attributes\": {");
        for (var i = 0; i < attributes.Count; i++)
        {
            if (i > 0) text.Append(", ");
            JsonText.Write(text, attributes[i].Key);
            text.Append(": ");
            JsonText.Write(text, attributes[i].Value);
        }
        text.Append('}');
        // as MLflow has them since 3.14, its own form of a trace's id included
        for (var i = 0; i < span.Links.Count; i++)
        {
            text.Append(i == 0 ? ", \"links\": [" : ", ").Append("{\"trace_id\": \"").Append(Prefix).Append(Convert.ToHexStringLower(span.Links[i].Trace));
            text.Append("\", \"span_id\": \"").Append(Convert.ToHexStringLower(span.Links[i].Span)).Append("\", \"attributes\": ");
            JsonText.Write(text, span.Links[i].Attributes.Count == 0 ? null : Members(span.Links[i].Attributes));
            text.Append('}');
        }
        return text.Append(span.Links.Count > 0 ? "]}" : "}").ToString();
    }

    // values of events and links stand in the JSON as they are
    static List<KeyValuePair<string, object?>> Members(List<KeyValuePair<string, object?>> attributes) =>
        attributes.DistinctBy(a => a.Key).Select(a => KeyValuePair.Create(a.Key, Finite(a.Value))).ToList();

    // JSON has no NaN
    static object? Finite(object? value) => value switch
    {
        double d when !double.IsFinite(d) => JsonText.Of(d),
        List<object?> items => items.ConvertAll(Finite),
        List<KeyValuePair<string, object?>> members => members.ConvertAll(m => KeyValuePair.Create(m.Key, Finite(m.Value))),
        _ => value,
    };
}
