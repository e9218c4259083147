using System.Globalization;
using System.Text.Json.Nodes;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Takt.Tests.Cli;

/// <summary>Objects held against the part of the Kubernetes API in kubernetes.json, as the API server's strict validation does: unknown fields, missing ones, wrong types.</summary>
static class KubernetesSchema
{
    static readonly JsonObject Types = JsonNode.Parse(File.ReadAllText(Path.Combine(TaktProcess.Root, "tests", "Takt.Tests", "Cli", "kubernetes.json")))!["types"]!.AsObject();

    /// <returns>Every fault with its path; none: it is valid.</returns>
    public static List<string> Faults(YamlNode root)
    {
        var faults = new List<string>();
        var kind = ((YamlScalarNode)((YamlMappingNode)root).Children[new YamlScalarNode("kind")]).Value!;
        Check("#" + kind, root, kind, faults);
        return faults;
    }

    static void Check(string type, YamlNode node, string path, List<string> faults)
    {
        if (type.StartsWith('#')) Named(type[1..], node, path, faults);
        else if (type.StartsWith("[]", StringComparison.Ordinal))
        {
            if (node is not YamlSequenceNode list) faults.Add($"{path}: a list is wanted");
            else
                for (var i = 0; i < list.Children.Count; i++) Check(type[2..], list.Children[i], $"{path}[{i}]", faults);
        }
        else if (type.StartsWith("map ", StringComparison.Ordinal))
        {
            if (node is not YamlMappingNode map) faults.Add($"{path}: a mapping is wanted");
            else
                foreach (var (key, value) in map.Children) Check(type[4..], value, $"{path}/{key}", faults);
        }
        else if (!Fits(type, node)) faults.Add($"{path}: {type} is wanted, not {node}");
    }

    static void Named(string name, YamlNode node, string path, List<string> faults)
    {
        if (Types[name] is not { } type) faults.Add($"{path}: {name} is not in kubernetes.json; add it from the API's definition");
        else if (type is JsonValue other) Check(other.GetValue<string>(), node, path, faults);
        else if (node is not YamlMappingNode map) faults.Add($"{path}: {name} is a mapping");
        else
        {
            var fields = type.AsObject();
            foreach (var (key, value) in map.Children)
            {
                var field = ((YamlScalarNode)key).Value!;
                if ((fields[field] ?? fields[field + "?"]) is { } of) Check(of.GetValue<string>(), value, $"{path}/{field}", faults);
                else faults.Add($"{path}: {name} has no field {field}");
            }
            foreach (var (field, _) in fields)
                if (!field.EndsWith('?') && !map.Children.ContainsKey(new YamlScalarNode(field))) faults.Add($"{path}: {name} needs {field}");
        }
    }

    static bool Fits(string type, YamlNode node)
    {
        if (type.StartsWith("any of ", StringComparison.Ordinal)) return type[7..].Split(" | ").Any(one => Fits(one, node));
        if (type is "object" or "any") return true;
        if (node is not YamlScalarNode { Value: { } text } scalar) return false;
        var quoted = scalar.Style is ScalarStyle.SingleQuoted or ScalarStyle.DoubleQuoted;
        var number = !quoted && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out _);
        var boolean = !quoted && text is "true" or "false";
        return type switch
        {
            "string" => !number && !boolean,
            "number" => number,
            "boolean" => boolean,
            _ when type.StartsWith("enum ", StringComparison.Ordinal) => type[5..].Split(' ').Contains(text),
            _ => false,
        };
    }
}
