using System.Text.Json;
using System.Text.Json.Nodes;

namespace Takt.Pipelines;

/// <summary>The JSON Schema (draft 2020-12) of <c>takt.yaml</c>, made by the reader itself: the two can't part.</summary>
public static class ProjectSchema
{
    static readonly JsonSerializerOptions Readable = new() { WriteIndented = true };

    public static string Of(IReadOnlyList<IStepKind> kinds)
    {
        var root = new SchemaArguments();
        _ = new ProjectReader(kinds, new Dictionary<string, string>()).Read(root, new TaktFolder("/", "/"));
        root.Set("takt", new JsonObject { ["const"] = 1 });
        var schema = root.Schema();
        schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
        schema["title"] = "takt.yaml";
        Uses((JsonObject)schema["properties"]!["stages"]!["additionalProperties"]!, kinds);
        return schema.ToJsonString(Readable);
    }

    /// <summary>What <c>with:</c> may hold depends on <c>uses:</c>.</summary>
    static void Uses(JsonObject stage, IReadOnlyList<IStepKind> kinds)
    {
        var names = kinds.Select(k => $"takt/{k.Name}@{k.Version}").ToList();
        var properties = (JsonObject)stage["properties"]!;
        properties["uses"] = new JsonObject { ["enum"] = new JsonArray([.. names.Select(n => JsonValue.Create(n))]) };
        properties["with"] = new JsonObject { ["type"] = "object" };
        stage["allOf"] = new JsonArray([.. kinds.Select(kind =>
        {
            var with = new SchemaArguments("with");
            _ = kind.Declare(with);
            return new JsonObject
            {
                ["if"] = new JsonObject { ["properties"] = new JsonObject { ["uses"] = new JsonObject { ["const"] = $"takt/{kind.Name}@{kind.Version}" } }, ["required"] = new JsonArray("uses") },
                ["then"] = new JsonObject { ["properties"] = new JsonObject { ["with"] = with.Schema() } },
            };
        })]);
    }
}
