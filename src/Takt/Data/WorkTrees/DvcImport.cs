using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Takt.Storage;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Takt.Data.WorkTrees;

/// <summary>What DVC tracks in a work tree (dvc.org/doc/user-guide/project-structure): outputs of <c>.dvc</c> files, their content from the work tree or from DVC's cache, versions 2 and 3. Nothing of DVC's is changed.</summary>
public sealed class DvcImport
{
    const long LargestPointer = 1 << 20, LargestFolderList = 1L << 30;

    readonly string _root;
    readonly List<string> _caches;

    /// <param name="root">Of the work tree, where <c>.dvc/</c> is.</param>
    /// <exception cref="TaktException">NotFound: it is no DVC project.</exception>
    public DvcImport(string root)
    {
        _root = root;
        var state = Path.Combine(root, ".dvc");
        if (!Directory.Exists(state)) throw TaktException.NotFound($"'{root}' has no .dvc folder: it is no DVC project");
        _caches = [Path.Combine(state, "cache")];
        foreach (var config in (string[])[Path.Combine(state, "config"), Path.Combine(state, "config.local")])
            if (File.Exists(config) && CacheFolder(File.ReadLines(config)) is { } folder) _caches.Insert(0, Path.GetFullPath(folder, state));
    }

    /// <summary>All <c>.dvc</c> files of the work tree, in order, from its root.</summary>
    public IReadOnlyList<string> Find()
    {
        var found = new List<string>();
        var todo = new Stack<string>([_root]);
        while (todo.TryPop(out var folder))
        {
            found.AddRange(Directory.EnumerateFiles(folder, "*.dvc").Select(file => Path.GetRelativePath(_root, file)));
            foreach (var below in new DirectoryInfo(folder).EnumerateDirectories())
                if (below.Name is not (".dvc" or ".git" or ".takt") && below.LinkTarget is null) todo.Push(below.FullName);
        }
        found.Sort(StringComparer.Ordinal);
        return found;
    }

    /// <summary>Makes the work tree hold what a <c>.dvc</c> file names: what is missing, or a link into the cache, is copied from there; all is compared with its MD5.</summary>
    /// <returns>Its outputs, from the root.</returns>
    /// <exception cref="TaktException">Invalid: no <c>.dvc</c> file, or an output outside of the work tree. NotFound: content that is nowhere. Conflict: files that were changed since. All are named.</exception>
    public IReadOnlyList<string> Prepare(string pointer)
    {
        var (outputs, faults) = (new List<string>(), new List<string>());
        foreach (var (path, md5, legacy) in Outputs(pointer))
        {
            var full = Path.GetFullPath(path, Path.Combine(_root, Path.GetDirectoryName(pointer)!));
            var relative = Path.GetRelativePath(_root, full);
            if (path.Contains("://", StringComparison.Ordinal) || Path.IsPathRooted(path) || relative.StartsWith("..", StringComparison.Ordinal))
            {
                faults.Add($"{pointer}: '{path}' lies outside of the work tree; bring it in with 'takt data collect'");
                continue;
            }
            var before = faults.Count;
            if (md5.EndsWith(".dir", StringComparison.Ordinal)) Folder(pointer, relative, md5, legacy, faults);
            else Place(pointer, relative, md5, legacy, faults);
            if (faults.Count == before) outputs.Add(relative);
        }
        return faults.Count == 0 ? outputs : throw new TaktException(TaktError.NotFound, faults.Count <= 20 ? faults : [.. faults.Take(20), $"and {faults.Count - 20:N0} more"]);
    }

    void Folder(string pointer, string path, string md5, bool legacy, List<string> faults)
    {
        if (Cached(md5) is not { } list)
        {
            faults.Add($"{pointer}: the list of the files of '{path}' ({md5}) is not in DVC's cache; 'dvc fetch' brings it");
            return;
        }
        try
        {
            if (new FileInfo(list).Length > LargestFolderList) throw new JsonException("it is too long");
            if (Convert.ToHexStringLower(Md5(list, text: false)) + ".dir" != md5) throw new JsonException("it is other content than its name says");
            using var json = JsonDocument.Parse(File.ReadAllBytes(list));
            var named = new HashSet<string>(StringComparer.Ordinal);
            foreach (var entry in json.RootElement.EnumerateArray())
            {
                var (inner, id) = (entry.GetProperty("relpath").GetString()!, entry.GetProperty("md5").GetString()!);
                DatasetTree.CheckPath(inner);
                named.Add(inner);
                Place(pointer, $"{path}/{inner}", id, legacy, faults);
            }
            var folder = Path.Combine(_root, path);
            if (!Directory.Exists(folder)) return;
            faults.AddRange(Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(folder, file)).Where(inner => !named.Contains(inner))
                .Select(inner => $"{pointer}: '{path}/{inner}' came after the last 'dvc add'; 'dvc add {path}', or move it away"));
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or TaktException)
        {
            faults.Add($"{pointer}: the list of the files of '{path}' in DVC's cache, '{list}', is damaged: {e.Message}");
        }
    }

    void Place(string pointer, string path, string md5, bool legacy, List<string> faults)
    {
        var full = Path.Combine(_root, path);
        var link = new FileInfo(full).LinkTarget is not null;
        if (File.Exists(full) && !link)
        {
            if (!Is(full, md5, legacy)) faults.Add($"{pointer}: '{path}' was changed since the last 'dvc add'; 'dvc add' or 'dvc checkout' it first");
            return;
        }
        if (Cached(md5) is not { } cached)
        {
            faults.Add($"{pointer}: '{path}' ({md5}) is neither in the work tree nor in DVC's cache; 'dvc fetch' brings it");
            return;
        }
        if (!Is(cached, md5, legacy))
        {
            faults.Add($"{pointer}: '{path}' is damaged in DVC's cache: '{cached}' is other content than its name says");
            return;
        }
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        if (link) File.Delete(full);
        File.Copy(cached, full);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(full, File.GetUnixFileMode(full) | UnixFileMode.UserWrite); // the cache's own is read-only
    }

    // DVC 2 took the MD5 of texts as if their lines ended with \n
    static bool Is(string file, string md5, bool legacy) => Convert.ToHexStringLower(Md5(file, text: false)) == md5 || (legacy && Convert.ToHexStringLower(Md5(file, text: true)) == md5);

    static byte[] Md5(string file, bool text)
    {
#pragma warning disable CA5351 // DVC's ids are MD5: nothing here trusts them for more than DVC does
        using var content = File.OpenRead(file);
        if (!text) return MD5.HashData(content);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
#pragma warning restore CA5351
        var (buffer, held) = (new byte[1 << 16], false);
        var plain = new byte[(1 << 16) + 1];
        for (int read; (read = content.Read(buffer)) > 0;)
        {
            var length = 0;
            foreach (var b in buffer.AsSpan(0, read))
            {
                if (held && b != (byte)'\n') plain[length++] = (byte)'\r';
                held = b == (byte)'\r';
                if (!held) plain[length++] = b;
                if (length >= plain.Length - 1)
                {
                    hash.AppendData(plain, 0, length);
                    length = 0;
                }
            }
            hash.AppendData(plain, 0, length);
        }
        if (held) hash.AppendData("\r"u8);
        return hash.GetHashAndReset();
    }

    string? Cached(string md5)
    {
        if (md5.Length < 32 || md5[..32].AsSpan().ContainsAnyExcept("0123456789abcdef")) return null;
        foreach (var cache in _caches)
            foreach (var file in (string[])[Path.Combine(cache, "files", "md5", md5[..2], md5[2..]), Path.Combine(cache, md5[..2], md5[2..])])
                if (File.Exists(file)) return file;
        return null;
    }

    List<(string Path, string Md5, bool Legacy)> Outputs(string pointer)
    {
        var file = Path.Combine(_root, pointer);
        try
        {
            if (new FileInfo(file).Length > LargestPointer) throw TaktException.Invalid("it is too long");
            var yaml = new YamlStream();
            using (var text = new StreamReader(file, Encoding.UTF8)) yaml.Load(text);
            var top = (YamlMappingNode)yaml.Documents[0].RootNode;
            var folder = Text(top, "wdir") ?? "";
            var found = new List<(string, string, bool)>();
            foreach (var one in ((YamlSequenceNode)top.Children[new YamlScalarNode("outs")]).Cast<YamlMappingNode>())
                found.Add((Path.Combine(folder, Text(one, "path") ?? throw TaktException.Invalid("an output has no path")), Text(one, "md5") ?? throw TaktException.Invalid($"'{Text(one, "path")}' has no md5; outputs of other stores can't be brought in"), Text(one, "hash") is null));
            return found;
        }
        catch (Exception e) when (e is YamlException or InvalidCastException or KeyNotFoundException or ArgumentOutOfRangeException or TaktException or IOException)
        {
            throw TaktException.Invalid($"'{pointer}' is no .dvc file: {e.Message}");
        }
    }

    static string? Text(YamlMappingNode node, string key) => node.Children.TryGetValue(new YamlScalarNode(key), out var value) ? (value as YamlScalarNode)?.Value : null;

    static string? CacheFolder(IEnumerable<string> config)
    {
        var section = "";
        foreach (var line in config.Select(line => line.Trim()))
        {
            if (line.StartsWith('[')) section = line.Trim('[', ']').Trim();
            else if (section == "cache" && line.Split('=', 2, StringSplitOptions.TrimEntries) is ["dir", { Length: > 0 } folder]) return folder;
        }
        return null;
    }
}
