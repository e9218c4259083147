using System.Text.Json.Nodes;

namespace Takt.Pipelines;

/// <summary>Arguments that write down what they are asked for: the language's reader, run over these, yields its own schema.</summary>
sealed class SchemaArguments(string name = "x") : StepArguments
{
    readonly SortedDictionary<string, JsonObject> _properties = new(StringComparer.Ordinal);
    readonly SortedSet<string> _required = new(StringComparer.Ordinal);
    readonly Dictionary<string, SchemaArguments> _sections = [];

    public override string Name { get; } = name;

    public override (long Line, long Column) At => (1, 1);

    /// <summary>A JSON Schema object that allows these keys and no other.</summary>
    public JsonObject Schema()
    {
        var properties = new JsonObject();
        foreach (var (key, schema) in _properties) properties[key] = _sections.TryGetValue(key, out var section) ? Merge((JsonObject)schema.DeepClone(), section.Schema()) : schema.DeepClone();
        var json = new JsonObject { ["type"] = "object", ["additionalProperties"] = false, ["properties"] = properties };
        if (_required.Count > 0) json["required"] = new JsonArray([.. _required.Select(k => JsonValue.Create(k))]);
        return json;
    }

    public void Set(string key, JsonObject schema) => _properties[key] = schema;

    public override string Text(string key)
    {
        _required.Add(key);
        Note(key, new JsonObject { ["type"] = "string" });
        return "x";
    }

    public override string? TextOrNull(string key)
    {
        Note(key, new JsonObject { ["type"] = new JsonArray("string", "number", "boolean") });
        return null;
    }

    public override string Choice(string key, params string[] allowed)
    {
        Note(key, new JsonObject { ["enum"] = new JsonArray([.. allowed.Select(a => JsonValue.Create(a))]) });
        return allowed[0];
    }

    public override long Integer(string key, long fallback)
    {
        Note(key, OrParam("integer"));
        return fallback;
    }

    public override double Number(string key, double fallback)
    {
        Note(key, OrParam("number"));
        return fallback;
    }

    public override double? NumberOrNull(string key)
    {
        Note(key, OrParam("number"));
        return null;
    }

    public override bool Flag(string key, bool fallback)
    {
        Note(key, OrParam("boolean"));
        return fallback;
    }

    public override IReadOnlyList<string> Texts(string key)
    {
        Note(key, new JsonObject
        {
            ["anyOf"] = new JsonArray(new JsonObject { ["type"] = new JsonArray("string", "number") },
                new JsonObject { ["type"] = "array", ["items"] = new JsonObject { ["type"] = new JsonArray("string", "number") } }),
        });
        return [];
    }

    public override IReadOnlyDictionary<string, string> Map(string key)
    {
        Note(key, new JsonObject { ["type"] = "object", ["additionalProperties"] = new JsonObject { ["type"] = new JsonArray("string", "number", "boolean") } });
        return new Dictionary<string, string>();
    }

    public override StepArguments? Section(string key)
    {
        Note(key, new JsonObject { ["$section"] = "one" });
        return Child(key);
    }

    public override IReadOnlyList<StepArguments> Sections(string key)
    {
        Note(key, new JsonObject { ["$section"] = "many" });
        return [Child(key)];
    }

    public override bool Has(string key)
    {
        Note(key, []);
        return true;
    }

    public override bool IsSection(string key)
    {
        Note(key, new JsonObject { ["$section"] = "one or text" });
        return true;
    }

    public override bool HasToCome(string key) => false;

    public override string Canonical() => "";

    public override void Fault(string key, string message)
    {
        // a placeholder is no good value; only the keys count here
    }

    public override void FaultAt((long Line, long Column) at, string message)
    {
        // as above
    }

    SchemaArguments Child(string key) => _sections.TryGetValue(key, out var child) ? child : _sections[key] = new SchemaArguments();

    /// <summary>The first that says something stays: a key may be asked for twice.</summary>
    void Note(string key, JsonObject schema)
    {
        if (!_properties.TryGetValue(key, out var known) || known.Count == 0) _properties[key] = schema;
    }

    static JsonObject OrParam(string type) => new()
    {
        ["anyOf"] = new JsonArray(new JsonObject { ["type"] = type }, new JsonObject { ["type"] = "string", ["pattern"] = "\\$\\{" }),
    };

    static JsonObject Merge(JsonObject marked, JsonObject section) => marked["$section"]?.GetValue<string>() switch
    {
        "many" => new JsonObject { ["type"] = "object", ["additionalProperties"] = section },
        "one or text" => new JsonObject { ["anyOf"] = new JsonArray(new JsonObject { ["type"] = "string" }, section) },
        _ => section,
    };
}
