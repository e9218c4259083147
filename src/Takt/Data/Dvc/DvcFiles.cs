using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Takt.Data.Dvc;

/// <summary>Reads DVC's pointers: <c>.dvc</c> files, and <c>dvc.lock</c> with the <c>dvc.yaml</c> beside it (dvc.org/doc/user-guide/project-structure).</summary>
static class DvcFiles
{
    public const string Lock = "dvc.lock";

    const int LargestPointer = 64 << 20;

    public static bool IsPointer(string path) => Path.GetFileName(path) == Lock || (path.EndsWith(".dvc", StringComparison.Ordinal) && Path.GetFileName(path) != ".dvc");

    /// <param name="pointer">Its path, from the root of the work tree.</param>
    /// <param name="text">What is in it.</param>
    /// <param name="stages">What is in the <c>dvc.yaml</c> beside a <c>dvc.lock</c>; null: there is none.</param>
    /// <returns>What DVC keeps; and what is named and can't be brought in, in words.</returns>
    /// <exception cref="TaktException">Invalid: it is no pointer of DVC's.</exception>
    public static (IReadOnlyList<DvcOutput> Outputs, IReadOnlyList<string> Left) Read(string pointer, string text, string? stages)
    {
        try
        {
            if (text.Length > LargestPointer) throw TaktException.Invalid("it is too long");
            var (found, left) = (new List<DvcOutput>(), new List<string>());
            if (Path.GetFileName(pointer) == Lock) Stages(pointer, Top(text), stages is null ? null : Top(stages), found, left);
            else
            {
                var top = Top(text);
                Outputs(pointer, List(top, "outs") ?? throw TaktException.Invalid("it has no outs"), Text(top, "wdir") ?? "", _ => true, found, left);
            }
            return (found, left);
        }
        catch (Exception e) when (e is YamlException or InvalidCastException or ArgumentOutOfRangeException or TaktException)
        {
            throw TaktException.Invalid($"'{pointer}' is no {(Path.GetFileName(pointer) == Lock ? Lock : ".dvc file")}: {e.Message}");
        }
    }

    // version 1 has the stages at the top, version 2 below "stages"
    static void Stages(string pointer, YamlMappingNode top, YamlMappingNode? declared, List<DvcOutput> found, List<string> left)
    {
        foreach (var (key, value) in (Map(top, "stages") ?? top).Children)
        {
            if (value is not YamlMappingNode stage || key is not YamlScalarNode { Value: { } name } || List(stage, "outs") is not { } outs) continue;
            // NAME@ITEM is one of those that foreach or matrix make
            var (body, item) = (declared is null ? null : Map(declared, "stages") is { } all ? Map(all, name) ?? Map(all, name.Split('@')[0]) : null, name.Contains('@', StringComparison.Ordinal) ? name[(name.IndexOf('@') + 1)..] : null);
            if (body is not null && Map(body, "do") is { } each) body = each;
            var folder = (body is null ? null : Text(body, "wdir"))?.Replace("${item}", item, StringComparison.Ordinal) ?? "";
            if (folder.Contains("${", StringComparison.Ordinal))
            {
                left.Add($"{pointer}: the folder of the stage '{name}', '{folder}', depends on a parameter; its outputs are left out");
                continue;
            }
            var ofGit = body is null ? [] : (string[])[.. new[] { "outs", "metrics", "plots" }.SelectMany(list => NotCached(body, list))];
            Outputs(pointer, outs, folder, path => !ofGit.Any(one => Template(one).IsMatch(path)), found, left);
        }
    }

    static void Outputs(string pointer, YamlSequenceNode outs, string folder, Func<string, bool> isCached, List<DvcOutput> found, List<string> left)
    {
        var home = Path.GetDirectoryName(pointer)!;
        foreach (var one in outs.Cast<YamlMappingNode>())
        {
            var path = Text(one, "path") ?? throw TaktException.Invalid("an output has no path");
            if (Text(one, "cache") == "false" || !isCached(path)) continue; // git has it
            var full = Path.GetFullPath(Path.Combine("/", home, folder, path));
            if (path.Contains("://", StringComparison.Ordinal) || Path.IsPathRooted(path) || Path.IsPathRooted(folder) || Depth(Path.Combine(home, folder, path)) < 1)
            {
                left.Add($"{pointer}: '{path}' lies outside of the work tree; bring it in with 'takt data collect'");
                continue;
            }
            var legacy = Text(one, "hash") is null;
            var listed = List(one, "files")?.Cast<YamlMappingNode>().Select(file => (Path: Text(file, "relpath"), Md5: Text(file, "md5"), Cloud: Cloud(file))).ToList();
            if (listed is null && Text(one, "md5") is null || listed?.Any(file => file.Path is null || file.Md5 is null) == true)
            {
                left.Add($"{pointer}: '{path}' has no md5: DVC has not seen its content yet ('dvc repro' or 'dvc add'), or keeps it by another hash");
                continue;
            }
            found.Add(new DvcOutput(pointer, full[1..], Text(one, "md5"), legacy, listed?.Select(file => new DvcFile(file.Path!, file.Md5!, file.Cloud)).ToList(), Cloud(one), Text(one, "remote")));
        }
    }

    static DvcCloud? Cloud(YamlMappingNode of) => Map(of, "cloud") is { Children.Count: > 0 } cloud && cloud.Children.First() is { Key: YamlScalarNode { Value: { } remote }, Value: YamlMappingNode where } && Text(where, "version_id") is { } version
        ? new(remote, version) : null;

    // a list's entry is a path, or a path with what is said of it
    static IEnumerable<string> NotCached(YamlMappingNode stage, string list) => (List(stage, list) ?? []).OfType<YamlMappingNode>()
        .Where(one => one.Children.Count == 1 && one.Children.First().Value is YamlMappingNode said && Text(said, "cache") == "false").Select(one => ((YamlScalarNode)one.Children.First().Key).Value!);

    static Regex Template(string path) => new("^" + Regex.Replace(Regex.Escape(path), @"\\\$\\\{.*?}", ".*", RegexOptions.None, TimeSpan.FromSeconds(1)) + "$", RegexOptions.None, TimeSpan.FromSeconds(1));

    // how many folders deep a path ends; negative: outside of where it begins
    static int Depth(string path)
    {
        var depth = 0;
        foreach (var part in path.Split('/'))
        {
            depth += part switch { "" or "." => 0, ".." => -1, _ => 1 };
            if (depth < 0) return -1;
        }
        return depth;
    }

    static YamlMappingNode Top(string text)
    {
        var yaml = new YamlStream();
        yaml.Load(new StringReader(text));
        return (YamlMappingNode)yaml.Documents[0].RootNode;
    }

    static YamlMappingNode? Map(YamlMappingNode node, string key) => node.Children.TryGetValue(new YamlScalarNode(key), out var value) ? value as YamlMappingNode : null;

    static YamlSequenceNode? List(YamlMappingNode node, string key) => node.Children.TryGetValue(new YamlScalarNode(key), out var value) ? (YamlSequenceNode)value : null;

    static string? Text(YamlMappingNode node, string key) => node.Children.TryGetValue(new YamlScalarNode(key), out var value) ? (value as YamlScalarNode)?.Value : null;
}
