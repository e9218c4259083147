using System.Text.Json;
using System.Text.Json.Nodes;

namespace Takt.Evaluation;

/// <summary>The types of the members that a set's records have; the first one seen decides.</summary>
static class EvaluationSchema
{
    /// <returns>Null: there are no records and were none.</returns>
    public static string? With(string? old, List<NewRecord> records)
    {
        if (old is null && records.Count == 0) return null;
        var schema = old is null ? new JsonObject { ["inputs"] = new JsonObject(), ["outputs"] = new JsonObject(), ["expectations"] = new JsonObject(), ["version"] = "1.0" }
            : JsonNode.Parse(old)!.AsObject();
        foreach (var record in records)
        {
            Add("inputs", record.Given);
            Add("expectations", record.Given);
            if (record.Given.TryGetProperty("outputs", out var outputs) && outputs.ValueKind != JsonValueKind.Null)
            {
                if (outputs.ValueKind == JsonValueKind.Object) Add("outputs", record.Given);
                else if (schema["outputs"] is JsonObject { Count: 0 }) schema["outputs"] = Type(outputs);
            }
        }
        using var json = JsonDocument.Parse(schema.ToJsonString());
        return Runs.Traces.JsonText.Of(json.RootElement);

        void Add(string part, JsonElement record)
        {
            if (schema[part] is not JsonObject types || !record.TryGetProperty(part, out var values) || values.ValueKind != JsonValueKind.Object) return;
            foreach (var member in values.EnumerateObject())
                if (!types.ContainsKey(member.Name)) types[member.Name] = Type(member.Value);
        }
    }

    static string Type(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => "null",
        JsonValueKind.True or JsonValueKind.False => "boolean",
        JsonValueKind.Number => value.GetRawText().AsSpan().ContainsAny('.', 'e', 'E') ? "float" : "integer",
        JsonValueKind.String => "string",
        JsonValueKind.Array => "array",
        _ => "object",
    };
}
