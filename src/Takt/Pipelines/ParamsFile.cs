using YamlDotNet.RepresentationModel;

namespace Takt.Pipelines;

/// <summary><c>params.yaml</c>, flattened: <c>train: {lr: 0.1}</c> is <c>train.lr</c> = <c>0.1</c>.</summary>
static class ParamsFile
{
    const int DeepestNesting = 32;

    /// <param name="name">As in the project file; null: <c>params.yaml</c> when there is one.</param>
    public static IReadOnlyDictionary<string, string> Read(TaktFolder folder, string? name)
    {
        var values = new SortedDictionary<string, string>(StringComparer.Ordinal);
        var path = Path.Combine(folder.Root, name ?? "params.yaml");
        if (File.Exists(path)) Flatten(YamlFile.Read(path, name ?? "params.yaml"), "", values);
        else if (name is not null) throw TaktException.NotFound($"takt.yaml names the params file '{name}', which is not there");
        return values;
    }

    static void Flatten(YamlNode node, string prefix, SortedDictionary<string, string> into, int depth = 0)
    {
        // an alias can point to what it stands in
        if (depth > DeepestNesting) throw TaktException.Invalid($"params file, line {node.Start.Line}: nested over {DeepestNesting} deep, or an alias of itself");
        switch (node)
        {
            case YamlMappingNode mapping:
                foreach (var (key, value) in mapping.Children)
                {
                    var name = (key as YamlScalarNode)?.Value ?? throw TaktException.Invalid($"params file, line {key.Start.Line}: a name must be a plain text");
                    Flatten(value, prefix.Length == 0 ? name : $"{prefix}.{name}", into, depth + 1);
                }
                break;
            case YamlSequenceNode list:
                for (var i = 0; i < list.Children.Count; i++) Flatten(list.Children[i], $"{prefix}.{i}", into, depth + 1);
                break;
            case YamlScalarNode scalar:
                into[prefix] = scalar.Value ?? "";
                break;
        }
    }
}
