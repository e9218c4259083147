using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Takt.Server.Protocols.Mlflow.GraphQl;

/// <summary>Turns what a query puts in, literals and variables, into MLflow's JSON. What is no value of its type is told by <paramref name="fault"/>.</summary>
/// <param name="given">The variables as they came.</param>
sealed class GraphQlInput(GraphQlSchema schema, JsonElement given, Action<string> fault)
{
    readonly Dictionary<string, (GraphQlType Type, JsonNode? Value, bool Is)> _variables = new(StringComparer.Ordinal);

    public void Declare(IReadOnlyList<GraphQlDocument.Variable> variables)
    {
        foreach (var (name, type, otherwise) in variables)
        {
            if (!schema.IsInput(type.Name))
            {
                fault($"Unknown type '{type.Name}'.");
                continue;
            }
            var (value, there) = ((JsonNode?)null, false);
            if (given.ValueKind == JsonValueKind.Object && given.TryGetProperty(name, out var json) && !(json.ValueKind == JsonValueKind.Null && otherwise is not null))
                (value, there) = (Given(type, json, $"Variable '${name}'"), true);
            else if (otherwise is not null) (value, there) = (Literal(type, otherwise), true);
            else if (type.Required) fault($"Variable '${name}' of required type '{type}' was not provided.");
            if (!_variables.TryAdd(name, (type, value, there))) fault($"There can be only one variable named '${name}'.");
        }
    }

    /// <summary>Null: it is null, or was not put in.</summary>
    public JsonNode? Literal(GraphQlType type, GraphQlDocument.Value value)
    {
        switch (value)
        {
            case GraphQlDocument.Reference reference:
                if (!_variables.TryGetValue(reference.Name, out var known)) fault($"Variable '${reference.Name}' is not defined.");
                else if (known.Type.Name != type.Name || (known.Type.Item is not null && type.Item is null)) fault($"Variable '${reference.Name}' of type '{known.Type}' used in position expecting type '{type}'.");
                else return known.Value?.DeepClone();
                return null;
            case GraphQlDocument.Scalar { Kind: "null" }:
                if (type.Required) fault($"Expected value of type '{type}', found null.");
                return null;
            case GraphQlDocument.Items items when type.Item is { } item: return new JsonArray([.. items.All.Select(i => Literal(item, i))]);
            case not null when type.Item is { } single: return new JsonArray(Literal(single, value));
            case GraphQlDocument.Members members when schema.InputFields(type.Name) is { } fields:
                var made = new JsonObject();
                foreach (var (name, member) in members.All)
                    if (!fields.TryGetValue(name, out var field)) fault($"Field '{name}' is not defined by type '{type.Name}'.");
                    else if (Literal(field.Type, member) is { } node) made[field.Member] = node;
                return made;
            case GraphQlDocument.Scalar scalar:
                if (Scalar(type.Name, scalar.Kind, scalar.Text) is { } of) return of;
                fault(Wrong(type, scalar.Kind == "string" ? JsonValue.Create(scalar.Text).ToJsonString() : scalar.Text));
                return null;
            default:
                fault(Wrong(type, value is GraphQlDocument.Items ? "[…]" : "{…}"));
                return null;
        }
    }

    JsonNode? Given(GraphQlType type, JsonElement json, string of)
    {
        if (json.ValueKind == JsonValueKind.Null)
        {
            if (type.Required) fault($"{of} of non-null type '{type}' must not be null.");
            return null;
        }
        if (type.Item is { } item) return json.ValueKind == JsonValueKind.Array ? new JsonArray([.. json.EnumerateArray().Select(j => Given(item, j, of))]) : new JsonArray(Given(item, json, of));
        if (schema.InputFields(type.Name) is { } fields && json.ValueKind == JsonValueKind.Object)
        {
            var made = new JsonObject();
            foreach (var member in json.EnumerateObject())
                if (!fields.TryGetValue(member.Name, out var field)) fault($"{of} got an invalid value: Field '{member.Name}' is not defined by type '{type.Name}'.");
                else if (Given(field.Type, member.Value, of) is { } node) made[field.Member] = node;
            return made;
        }
        var kind = json.ValueKind switch
        {
            JsonValueKind.String => schema.Values(type.Name) is null ? "string" : "enum",
            JsonValueKind.Number => json.TryGetInt64(out _) ? "int" : "float",
            JsonValueKind.True or JsonValueKind.False => "boolean",
            _ => "",
        };
        if (kind.Length > 0 && Text(json) is { } text && Scalar(type.Name, kind == "string" && type.Name == GraphQlSchema.LongString ? "int" : kind, text) is { } value) return value;
        fault($"{of} got an invalid value: {Wrong(type, json.GetRawText() is { Length: > 100 } long1 ? long1[..100] + "…" : json.GetRawText())}");
        return null;
    }

    // half of a surrogate pair is JSON, but no text
    static string? Text(JsonElement json)
    {
        try
        {
            return json.ValueKind == JsonValueKind.String ? json.GetString() : json.ValueKind is JsonValueKind.True or JsonValueKind.False ? json.GetRawText() : json.GetRawText();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    JsonValue? Scalar(string type, string kind, string text) => (type, kind) switch
    {
        ("String" or "ID", "string") => JsonValue.Create(text),
        ("ID", "int") => JsonValue.Create(text),
        ("Int", "int") when int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) => JsonValue.Create(number),
        (GraphQlSchema.LongString, "int") when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) => JsonValue.Create(number),
        ("Float", "int" or "float") when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var real) => JsonValue.Create(real),
        ("Boolean", "boolean") => JsonValue.Create(text == "true"),
        (_, "enum") when schema.Values(type)?.Contains(text) == true => JsonValue.Create(text),
        _ => null,
    };

    string Wrong(GraphQlType type, string text) => (text.Length > 100 ? text[..100] + "…" : text) is var shown && schema.Values(type.Name) is not null ? $"Value '{shown}' does not exist in '{type.Name}' enum."
        : schema.InputFields(type.Name) is not null ? $"Expected value of type '{type.Name}', found {shown}." : $"{type.Name} cannot represent value: {shown}";
}
