using System.Globalization;
using System.Text;
using Takt.Pipelines;
using Takt.Storage;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Takt.Runs;

/// <summary>
/// <c>takt.lock</c>: for each stage its key, what went into it and which bytes came out. No times, hosts, runs or secrets, so that equal runs give equal bytes. A clone that has no
/// rows yet, but a store with the bytes, takes the results from it instead of running.
/// </summary>
sealed class LockFile
{
    readonly Dictionary<string, StageResult> _results = new(StringComparer.Ordinal);

    /// <summary>The results that the file names; none when it is not there, or not to be understood (after a merge, say): then stages run, and it is written anew.</summary>
    public static LockFile Read(TaktFolder folder)
    {
        var file = new LockFile();
        try
        {
            if (!File.Exists(folder.LockFile)) return file;
            using var text = new StreamReader(folder.LockFile);
            var yaml = new YamlStream();
            yaml.Load(text);
            if (yaml.Documents is not [{ RootNode: YamlMappingNode root }] || Find(root, "version") is not YamlScalarNode { Value: "1" } || Find(root, "stages") is not YamlMappingNode stages) return file;
            foreach (var (name, node) in stages)
                if (node is YamlMappingNode stage && Text(stage, "key") is { } key && Digest.TryParse(key, out var id)) file._results[key] = Result(id, ((YamlScalarNode)name).Value!, stage);
        }
        catch (Exception e) when (e is YamlException or InvalidCastException or ArgumentException or IOException or UnauthorizedAccessException) // an argument: a path that is there twice, or not at all
        {
            file._results.Clear();
        }
        return file;
    }

    /// <summary>What the key gave elsewhere; null when that is not known, or when the stage does more than to write its outputs: that has to be done here as well.</summary>
    public StageResult? Find(Stage stage, StageKey key) => stage.Kind is not { OnlyWritesOutputs: false } && _results.GetValueOrDefault(key.Id.ToString()) is { } result && result.Stage == stage.Name ? result : null;

    public static void Write(TaktFolder folder, StageGraph graph, StageTable table, IReadOnlyList<StageRun> stages)
    {
        var text = new StringBuilder("# written by takt run; commit it\nversion: 1\nstages:\n");
        var runs = stages.ToDictionary(s => s.Stage);
        foreach (var stage in graph.Order.OrderBy(s => s.Name, StringComparer.Ordinal))
        {
            if (table.Find(Digest.Parse(runs[stage.Name].Key!)) is not { } result) continue;
            var parts = table.LastParts(stage.Name) ?? new Dictionary<string, string>();
            text.Append("  ").Append(stage.Name).Append(":\n    key: ").Append(result.Key).Append('\n');
            if (stage.Command is { } command) text.Append("    cmd: ").Append(Quoted(command)).Append('\n');
            if (stage.Kind is { } kind) text.Append("    uses: ").Append(Quoted($"takt/{kind.Name}@{kind.Version}")).Append('\n');
            Map(text, "env", stage.Env);
            Map(text, "params", stage.Params);
            List(text, "in", Inputs(folder, stage, parts));
            List(text, "out", result.Outputs.OrderBy(o => o.Key, StringComparer.Ordinal).Select(o => (o.Key, o.Value, 0)));
            Map(text, "metrics", result.Metrics.ToDictionary(m => m.Key, m => m.Value.ToString("R", CultureInfo.InvariantCulture)));
        }
        var bytes = Encoding.UTF8.GetBytes(text.ToString());
        if (File.Exists(folder.LockFile) && File.ReadAllBytes(folder.LockFile).AsSpan().SequenceEqual(bytes)) return;
        Files.WriteAtomically(folder.LockFile, bytes);
    }

    /// <summary>A declared file with its SHA-256; of a folder or a pattern the SHA-256 over its files' (<c>ID PATH</c> and a newline for each, by path) and their number.</summary>
    static IEnumerable<(string Path, string Id, int Files)> Inputs(TaktFolder folder, Stage stage, IReadOnlyDictionary<string, string> parts)
    {
        foreach (var path in stage.In.Distinct().Order(StringComparer.Ordinal))
        {
            if (parts.TryGetValue("in:" + path, out var single)) yield return (path, single, 0);
            else if (PathPattern.Files(folder.Root, path).Where(f => parts.ContainsKey("in:" + f)).Order(StringComparer.Ordinal).ToList() is { Count: > 0 } files)
                yield return (path, Digest.Of(Encoding.UTF8.GetBytes(string.Concat(files.Select(f => $"{parts["in:" + f]} {f}\n")))).ToString(), files.Count);
        }
    }

    static void Map(StringBuilder text, string name, IReadOnlyDictionary<string, string> values)
    {
        if (values.Count == 0) return;
        text.Append("    ").Append(name).Append(":\n");
        foreach (var (key, value) in values.OrderBy(v => v.Key, StringComparer.Ordinal)) text.Append("      ").Append(Quoted(key)).Append(": ").Append(Quoted(value)).Append('\n');
    }

    static void List(StringBuilder text, string name, IEnumerable<(string Path, string Id, int Files)> files)
    {
        var first = true;
        foreach (var (path, id, count) in files)
        {
            if (first) text.Append("    ").Append(name).Append(":\n");
            first = false;
            text.Append("      - { path: ").Append(Quoted(path)).Append(", id: \"").Append(id).Append('"');
            if (count > 0) text.Append(", files: ").Append(count.ToString(CultureInfo.InvariantCulture));
            text.Append(" }\n");
        }
    }

    static StageResult Result(Digest key, string stage, YamlMappingNode node)
    {
        var outputs = (Find(node, "out") as YamlSequenceNode)?.Children.OfType<YamlMappingNode>().ToDictionary(o => Text(o, "path")!, o => Text(o, "id")!) ?? [];
        var metrics = (Find(node, "metrics") as YamlMappingNode)?.Children.ToDictionary(m => ((YamlScalarNode)m.Key).Value!,
            m => double.TryParse(((YamlScalarNode)m.Value).Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value : double.NaN) ?? [];
        return new StageResult(key, stage, outputs, metrics, new Dictionary<string, string>(), outputs.Count > 0 ? string.Join(", ", outputs.Keys.Order(StringComparer.Ordinal).Take(5)) : "done");
    }

    static YamlNode? Find(YamlMappingNode map, string key) => map.Children.TryGetValue(new YamlScalarNode(key), out var node) ? node : null;

    static string? Text(YamlMappingNode map, string key) => (Find(map, key) as YamlScalarNode)?.Value;

    static string Quoted(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (var c in text)
            _ = c switch
            {
                '"' or '\\' => quoted.Append('\\').Append(c),
                '\n' => quoted.Append("\\n"),
                '\r' => quoted.Append("\\r"),
                '\t' => quoted.Append("\\t"),
                < ' ' or '\x7f' => quoted.Append(CultureInfo.InvariantCulture, $"\\x{(int)c:x2}"),
                _ => quoted.Append(c),
            };
        return quoted.Append('"').ToString();
    }
}
