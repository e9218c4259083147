using System.Globalization;
using System.Text.Json.Nodes;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Takt.Server.Protocols.Mlflow.Import;

/// <summary><c>meta.yaml</c> of a file store: one mapping.</summary>
sealed class MetaFile
{
    public const string Name = "meta.yaml";

    readonly YamlMappingNode _root;

    MetaFile(YamlMappingNode root) => _root = root;

    public static bool In(string folder) => In(folder, Name);

    public static bool In(string folder, string name) => File.Exists(Path.Combine(folder, name));

    /// <exception cref="TaktException">Invalid: it is damaged.</exception>
    public static MetaFile Read(string folder) => Read(folder, Name);

    /// <inheritdoc cref="Read(string)"/>
    public static MetaFile Read(string folder, string name)
    {
        var path = Path.Combine(folder, name);
        try
        {
            using var text = new StreamReader(path);
            var yaml = new YamlStream();
            yaml.Load(text);
            return yaml.Documents is [{ RootNode: YamlMappingNode root }] ? new MetaFile(root) : throw TaktException.Invalid($"{path} holds no mapping");
        }
        catch (YamlException e)
        {
            throw new TaktException(TaktError.Invalid, $"{path} is damaged: {e.Message}", e);
        }
    }

    /// <summary>Null when it is not there, or null.</summary>
    public string? Text(string key) => _root.Children.TryGetValue(key, out var node) && node is YamlScalarNode scalar && !(scalar.Style == ScalarStyle.Plain && scalar.Value is "null" or "~") ? scalar.Value : null;

    public long? Number(string key) => long.TryParse(Text(key), NumberStyles.Integer, CultureInfo.InvariantCulture, out var number) ? number : null;

    /// <summary>All of it; texts in quotes stay texts.</summary>
    public JsonObject Json() => (JsonObject)Json(_root, 0)!;

    static JsonNode? Json(YamlNode node, int depth) => depth > 100 ? throw TaktException.Invalid("a file of the store is nested too deeply") : node switch
    {
        YamlMappingNode map => new JsonObject(map.Children.Select(m => KeyValuePair.Create(((YamlScalarNode)m.Key).Value ?? "", Json(m.Value, depth + 1)))),
        YamlSequenceNode list => new JsonArray([.. list.Children.Select(item => Json(item, depth + 1))]),
        YamlScalarNode { Style: ScalarStyle.Plain, Value: var text } => text switch
        {
            null or "" or "null" or "~" => null,
            "true" or "false" => text == "true",
            _ when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole) => whole,
            _ when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var real) && double.IsFinite(real) => real,
            _ => text,
        },
        YamlScalarNode scalar => scalar.Value,
        _ => null,
    };

    public Dictionary<string, string> Map(string key) => _root.Children.TryGetValue(key, out var node) && node is YamlMappingNode map
        ? map.Children.ToDictionary(p => ((YamlScalarNode)p.Key).Value ?? "", p => (p.Value as YamlScalarNode)?.Value ?? "") : [];
}
