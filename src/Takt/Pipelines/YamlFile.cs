using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Takt.Pipelines;

/// <summary>One YAML document whose root is a mapping; every node knows its line and column.</summary>
static class YamlFile
{
    /// <summary>Larger is no project file but a mistake.</summary>
    const long MaxBytes = 16 << 20;

    /// <exception cref="TaktException">Invalid: not YAML, a key twice, or not a mapping; named by line and column.</exception>
    public static YamlMappingNode Read(string path, string shown)
    {
        if (new FileInfo(path).Length > MaxBytes) throw new TaktException(TaktError.TooLarge, $"{shown} is over {MaxBytes >> 20} MiB");
        using var reader = new StreamReader(path);
        var stream = new YamlStream();
        try
        {
            stream.Load(reader);
        }
        catch (YamlException e)
        {
            var reason = e.InnerException?.Message ?? e.Message;
            throw TaktException.Invalid($"{shown}:{e.Start.Line}:{e.Start.Column}: {reason.ReplaceLineEndings(" ")}");
        }
        return stream.Documents switch
        {
            [] => [],
            [{ RootNode: YamlMappingNode root }] => root,
            [{ RootNode: var other }] => throw TaktException.Invalid($"{shown}:{other.Start.Line}:{other.Start.Column}: must be a mapping (key: value)"),
            _ => throw TaktException.Invalid($"{shown}: holds {stream.Documents.Count} documents; one is allowed"),
        };
    }
}
