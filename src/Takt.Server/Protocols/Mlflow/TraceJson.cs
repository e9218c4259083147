using System.Globalization;
using System.Text.Json;
using Takt.Runs.Traces;

namespace Takt.Server.Protocols.Mlflow;

/// <summary>Traces and spans in the JSON of MLflow's protocol; spans are OpenTelemetry's message in protobuf's JSON with the names as in the .proto.</summary>
static class TraceJson
{
    const int LongestMetadata = 250;
    const int LongestTag = 4096;

    /// <summary>A trace and its spans.</summary>
    public static void Whole(Utf8JsonWriter json, TraceInfo trace, List<Span> spans)
    {
        json.WriteStartObject("trace_info");
        Info(json, trace);
        json.WriteEndObject();
        Array(json, "spans", spans, span => Span(json, span));
    }

    public static void Info(Utf8JsonWriter json, TraceInfo trace)
    {
        json.WriteString("trace_id", trace.Id);
        if (trace.ClientRequest is not null) json.WriteString("client_request_id", trace.ClientRequest);
        json.WriteStartObject("trace_location");
        json.WriteString("type", "MLFLOW_EXPERIMENT");
        json.WriteStartObject("mlflow_experiment");
        json.WriteString("experiment_id", trace.Experiment.ToString(CultureInfo.InvariantCulture));
        json.WriteEndObject();
        json.WriteEndObject();
        ProtoTime.Time(json, "request_time", trace.Started);
        if (trace.Duration is { } duration) ProtoTime.Duration(json, "execution_duration", duration);
        json.WriteString("state", trace.State);
        Map(json, "trace_metadata", trace.Metadata, LongestMetadata);
        Array(json, "assessments", trace.Assessments, assessment => AssessmentJson.Write(json, assessment));
        Map(json, "tags", trace.Tags, LongestTag);
        if (trace.RequestPreview is not null) json.WriteString("request_preview", trace.RequestPreview);
        if (trace.ResponsePreview is not null) json.WriteString("response_preview", trace.ResponsePreview);
    }

    /// <summary>As 2.x has it.</summary>
    public static void Info2(Utf8JsonWriter json, TraceInfo trace)
    {
        json.WriteString("request_id", trace.Id);
        json.WriteString("experiment_id", trace.Experiment.ToString(CultureInfo.InvariantCulture));
        json.WriteNumber("timestamp_ms", trace.Started);
        json.WriteNumber("execution_time_ms", trace.Duration ?? 0);
        json.WriteString("status", trace.State == TraceLog.Unspecified ? "TRACE_STATUS_UNSPECIFIED" : trace.State);
        MlflowAnswer.Pairs(json, "request_metadata", trace.Metadata.ConvertAll(m => KeyValuePair.Create(m.Key, Cut(m.Value, LongestMetadata))));
        MlflowAnswer.Pairs(json, "tags", trace.Tags.ConvertAll(t => KeyValuePair.Create(t.Key, Cut(t.Value, LongestTag))));
    }

    /// <summary>Left out when there is nothing in it; <paramref name="write"/> writes the members of an object.</summary>
    public static void Array<T>(Utf8JsonWriter json, string name, IEnumerable<T> items, Action<T> write)
    {
        var any = false;
        foreach (var item in items)
        {
            if (!any) json.WriteStartArray(name);
            any = true;
            json.WriteStartObject();
            write(item);
            json.WriteEndObject();
        }
        if (any) json.WriteEndArray();
    }

    public static void Real(Utf8JsonWriter json, string name, double value)
    {
        if (double.IsFinite(value)) json.WriteNumber(name, value);
        else json.WriteString(name, double.IsNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
    }

    static void Span(Utf8JsonWriter json, Span span)
    {
        using var content = JsonDocument.Parse(span.Content);
        var root = content.RootElement;
        Copy("trace_id");
        Copy("span_id");
        if (span.Parent is not null) Copy("parent_span_id");
        if (span.Name.Length > 0) json.WriteString("name", span.Name);
        json.WriteNumber("start_time_unix_nano", span.Started);
        if (span.Ended is { } ended) json.WriteNumber("end_time_unix_nano", ended);
        Array(json, "attributes", root.GetProperty("attributes").EnumerateObject(), attribute =>
        {
            json.WriteString("key", attribute.Name);
            json.WriteStartObject("value");
            Kept(json, attribute.Value.GetString()!);
            json.WriteEndObject();
        });
        Array(json, "events", root.GetProperty("events").EnumerateArray(), e =>
        {
            json.WritePropertyName("time_unix_nano");
            e.GetProperty("time_unix_nano").WriteTo(json);
            json.WritePropertyName("name");
            e.GetProperty("name").WriteTo(json);
            Attributes(json, e);
        });
        if (root.TryGetProperty("links", out var links))
            Array(json, "links", links.EnumerateArray(), link =>
            {
                json.WriteBase64String("trace_id", Convert.FromHexString(link.GetProperty("trace_id").GetString()!["tr-".Length..]));
                json.WriteBase64String("span_id", Convert.FromHexString(link.GetProperty("span_id").GetString()!));
                Attributes(json, link);
            });
        json.WriteStartObject("status");
        var status = root.GetProperty("status");
        if (status.GetProperty("message") is { ValueKind: JsonValueKind.String } message)
        {
            json.WritePropertyName("message");
            message.WriteTo(json);
        }
        if (span.Status != "UNSET") json.WriteString("code", "STATUS_CODE_" + span.Status);
        json.WriteEndObject();

        void Copy(string name)
        {
            json.WritePropertyName(name);
            root.GetProperty(name).WriteTo(json);
        }
    }

    // of an event or a link, whose values are kept as they are
    static void Attributes(Utf8JsonWriter json, JsonElement of)
    {
        if (of.GetProperty("attributes") is not { ValueKind: JsonValueKind.Object } attributes) return;
        Array(json, "attributes", attributes.EnumerateObject(), attribute =>
        {
            json.WriteString("key", attribute.Name);
            json.WriteStartObject("value");
            Value(json, attribute.Value);
            json.WriteEndObject();
        });
    }

    // an attribute is kept as JSON text; one that is none, such as NaN, is told as what it was
    static void Kept(Utf8JsonWriter json, string kept)
    {
        if (kept is "NaN" or "Infinity" or "-Infinity")
        {
            json.WriteString("double_value", kept);
            return;
        }
        JsonDocument value;
        try
        {
            value = JsonDocument.Parse(kept);
        }
        catch (JsonException)
        {
            json.WriteString("string_value", kept);
            return;
        }
        using (value) Value(json, value.RootElement);
    }

    // OpenTelemetry's AnyValue; null is one without a value
    static void Value(Utf8JsonWriter json, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.True or JsonValueKind.False:
                json.WriteBoolean("bool_value", value.ValueKind == JsonValueKind.True);
                break;
            case JsonValueKind.String:
                json.WritePropertyName("string_value");
                value.WriteTo(json);
                break;
            case JsonValueKind.Number when value.TryGetInt64(out var whole):
                json.WriteNumber("int_value", whole);
                break;
            case JsonValueKind.Number:
                Real(json, "double_value", value.GetDouble());
                break;
            case JsonValueKind.Array:
                json.WriteStartObject("array_value");
                Array(json, "values", value.EnumerateArray(), item => Value(json, item));
                json.WriteEndObject();
                break;
            case JsonValueKind.Object:
                json.WriteStartObject("kvlist_value");
                Array(json, "values", value.EnumerateObject(), member =>
                {
                    json.WriteString("key", member.Name);
                    json.WriteStartObject("value");
                    Value(json, member.Value);
                    json.WriteEndObject();
                });
                json.WriteEndObject();
                break;
        }
    }

    static void Map(Utf8JsonWriter json, string name, List<KeyValuePair<string, string>> pairs, int longest)
    {
        if (pairs.Count == 0) return;
        json.WriteStartObject(name);
        foreach (var (key, value) in pairs) json.WriteString(key, Cut(value, longest));
        json.WriteEndObject();
    }

    static string Cut(string text, int length) => text.Length <= length ? text : text[..(char.IsHighSurrogate(text[length - 1]) ? length - 1 : length)];
}
