using System.Text.Json;
using Takt.Runs.Traces;

namespace Takt.Server.Protocols.Mlflow;

/// <summary>Assessments in the JSON of MLflow's protocol. Numbers are real ones (<c>5.0</c>), as protobuf's Value has no others.</summary>
static class AssessmentJson
{
    const string JsonFormat = "JSON_FORMAT";
    static readonly string[] Sources = ["SOURCE_TYPE_UNSPECIFIED", "HUMAN", "LLM_JUDGE", "CODE"];

    public static Assessment Read(MlflowRequest given, string trace)
    {
        var (kind, value, error) = Value(given);
        var source = given.ObjectOrNull("source");
        return new Assessment
        {
            Id = given.TextOrNull("assessment_id") ?? "",
            Trace = trace,
            Kind = kind ?? throw TaktException.Invalid("Unknown assessment type: None"),
            Name = given.TextOrNull("assessment_name") is { Length: > 0 } name ? name : kind,
            Value = value!,
            Error = error,
            Created = ProtoTime.Milliseconds(given, "create_time") ?? 0,
            Updated = ProtoTime.Milliseconds(given, "last_update_time") ?? 0,
            SourceType = SourceType(source?.IdOrNull("source_type")),
            Source = source?.TextOrNull("source_id") is { Length: > 0 } id ? id : null,
            Span = given.TextOrNull("span_id") is { Length: > 0 } span ? span : null,
            Rationale = kind == Assessment.Feedback && given.TextOrNull("rationale") is { Length: > 0 } rationale ? rationale : null,
            Overrides = given.TextOrNull("overrides") is { Length: > 0 } old ? old : null,
            Metadata = given.Map("metadata"),
        };
    }

    /// <summary>The kind that is given a value, the value and an error as JSON; nulls: none is.</summary>
    public static (string? Kind, string? Value, string? Error) Value(MlflowRequest given)
    {
        if (given.ObjectOrNull("feedback") is { } feedback)
        {
            var error = (feedback.ObjectOrNull("error") ?? given.ObjectOrNull("error")) is { } e ? Error(e) : null;
            return (Assessment.Feedback, Text(feedback, "value"), error); // null without an error too, since MLflow 3.14: a judge that had no opinion
        }
        if (given.ObjectOrNull("expectation") is { } expectation)
        {
            if (expectation.ObjectOrNull("serialized_value") is not { } serialized) return (Assessment.Expectation, Text(expectation, "value"), null);
            if (serialized.TextOrNull("serialization_format") is var format && format != JsonFormat)
                throw TaktException.Invalid($"Unknown serialization format: {format}. Only {JsonFormat} is supported.");
            return (Assessment.Expectation, Serialized(serialized.TextOrNull("value") ?? ""), null);
        }
        if (given.ObjectOrNull("issue") is { } issue) return (Assessment.Issue, PythonText(issue.TextOrNull("issue_name") ?? issue.TextOrNull("name") ?? ""), null);
        return (null, null, null);
    }

    public static void Write(Utf8JsonWriter json, Assessment a)
    {
        json.WriteString("assessment_id", a.Id);
        json.WriteString("assessment_name", a.Name);
        json.WriteString("trace_id", a.Trace);
        if (a.Span is not null) json.WriteString("span_id", a.Span);
        json.WriteStartObject("source");
        json.WriteString("source_type", a.SourceType);
        if (a.Source is not null) json.WriteString("source_id", a.Source);
        json.WriteEndObject();
        ProtoTime.Time(json, "create_time", a.Created);
        ProtoTime.Time(json, "last_update_time", a.Updated);
        if (a.Kind == Assessment.Issue)
        {
            json.WriteStartObject("issue");
            json.WritePropertyName("issue_name");
            json.WriteRawValue(a.Value);
            json.WriteEndObject();
        }
        else if (a.Kind == Assessment.Feedback)
        {
            json.WriteStartObject("feedback");
            json.WritePropertyName("value");
            json.WriteRawValue(a.Value);
            if (a.Error is not null)
            {
                json.WritePropertyName("error");
                json.WriteRawValue(a.Error);
            }
            json.WriteEndObject();
        }
        else
        {
            json.WriteStartObject("expectation");
            // lists and objects go as text, so that whole numbers in them stay whole
            if (a.Value[0] is '[' or '{')
            {
                json.WriteStartObject("serialized_value");
                json.WriteString("serialization_format", JsonFormat);
                json.WriteString("value", a.Value);
                json.WriteEndObject();
            }
            else
            {
                json.WritePropertyName("value");
                json.WriteRawValue(a.Value);
            }
            json.WriteEndObject();
        }
        if (a.Rationale is not null) json.WriteString("rationale", a.Rationale);
        if (a.Metadata.Count > 0)
        {
            json.WriteStartObject("metadata");
            foreach (var (key, value) in a.Metadata) json.WriteString(key, value);
            json.WriteEndObject();
        }
        if (a.Overrides is not null) json.WriteString("overrides", a.Overrides);
        json.WriteBoolean("valid", a.Valid);
    }

    static string SourceType(string? text) =>
        text is null or "" ? Sources[0] : int.TryParse(text, out var n) && n >= 0 && n < Sources.Length ? Sources[n]
        : text.ToUpperInvariant() is var type && type == "AI_JUDGE" ? "LLM_JUDGE"
        : Sources.Contains(type) ? type : throw MlflowRequest.Wrong("source_type", text);

    static string Error(MlflowRequest error)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            foreach (var name in (string[])["error_code", "error_message", "stack_trace"])
                if (error.TextOrNull(name) is { Length: > 0 } text) json.WriteString(name, text);
            json.WriteEndObject();
        }
        return System.Text.Encoding.UTF8.GetString(bytes.ToArray());
    }

    static string Text(MlflowRequest of, string name) => of.RawOrNull(name) is { } value ? JsonText.Of(value, reals: true) : "null";

    static string PythonText(string text) => JsonSerializer.Serialize(text);

    static string Serialized(string text)
    {
        try
        {
            using var json = JsonDocument.Parse(text);
            return JsonText.Of(json.RootElement);
        }
        catch (JsonException)
        {
            throw TaktException.Invalid("The expectation's serialized value is not JSON");
        }
    }
}
