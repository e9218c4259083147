using System.Globalization;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Takt.Server.Protocols.Mlflow.Import;

/// <summary><c>meta.yaml</c> of a file store: one mapping.</summary>
sealed class MetaFile
{
    public const string Name = "meta.yaml";

    readonly YamlMappingNode _root;

    MetaFile(YamlMappingNode root) => _root = root;

    public static bool In(string folder) => File.Exists(Path.Combine(folder, Name));

    /// <exception cref="TaktException">Invalid: it is damaged.</exception>
    public static MetaFile Read(string folder)
    {
        var path = Path.Combine(folder, Name);
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

    public Dictionary<string, string> Map(string key) => _root.Children.TryGetValue(key, out var node) && node is YamlMappingNode map
        ? map.Children.ToDictionary(p => ((YamlScalarNode)p.Key).Value ?? "", p => (p.Value as YamlScalarNode)?.Value ?? "") : [];
}
