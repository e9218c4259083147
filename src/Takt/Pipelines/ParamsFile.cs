using YamlDotNet.RepresentationModel;

namespace Takt.Pipelines;

/// <summary><c>params.yaml</c>, flattened: <c>train: {lr: 0.1}</c> is <c>train.lr</c> = <c>0.1</c>.</summary>
static class ParamsFile
{
    /// <param name="name">As in the project file; null: <c>params.yaml</c> when there is one.</param>
    public static IReadOnlyDictionary<string, string> Read(TaktFolder folder, string? name)
    {
        var values = new SortedDictionary<string, string>(StringComparer.Ordinal);
        var path = Path.Combine(folder.Root, name ?? "params.yaml");
        if (File.Exists(path)) Flatten(YamlFile.Read(path, name ?? "params.yaml"), "", values);
        else if (name is not null) throw TaktException.NotFound($"takt.yaml names the params file '{name}', which is not there");
        return values;
    }

    static void Flatten(YamlNode node, string prefix, SortedDictionary<string, string> into)
    {
        switch (node)
        {
            case YamlMappingNode mapping:
                foreach (var (key, value) in mapping.Children)
                    Flatten(value, prefix.Length == 0 ? ((YamlScalarNode)key).Value ?? "" : $"{prefix}.{((YamlScalarNode)key).Value}", into);
                break;
            case YamlSequenceNode list:
                for (var i = 0; i < list.Children.Count; i++) Flatten(list.Children[i], $"{prefix}.{i}", into);
                break;
            case YamlScalarNode scalar:
                into[prefix] = scalar.Value ?? "";
                break;
        }
    }
}
