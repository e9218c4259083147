namespace Takt.Data.Dvc;

/// <summary>DVC's configuration of a work tree: <c>.dvc/config</c>, and over it <c>.dvc/config.local</c> (dvc.org/doc/user-guide/project-structure/configuration).</summary>
sealed class DvcConfig
{
    readonly Dictionary<string, Dictionary<string, string>> _remotes = new(StringComparer.Ordinal);
    readonly string? _default;

    /// <param name="state">The folder <c>.dvc</c>.</param>
    public DvcConfig(string state)
    {
        string? cache = null;
        foreach (var file in (string[])[Path.Combine(state, "config"), Path.Combine(state, "config.local")])
        {
            if (!File.Exists(file)) continue;
            var section = "";
            foreach (var line in File.ReadLines(file).Select(line => line.Trim()))
            {
                if (line.StartsWith('[')) section = line.Trim('[', ']', '\'').Trim();
                else if (line.Length == 0 || line[0] is '#' or ';' || line.Split('=', 2, StringSplitOptions.TrimEntries) is not [var key, { Length: > 0 } value]) continue;
                else if (section == "cache" && key == "dir") cache = Path.GetFullPath(value, state);
                else if (section == "core" && key == "remote") _default = value;
                else if (section.StartsWith("remote \"", StringComparison.Ordinal))
                {
                    var name = section["remote \"".Length..].TrimEnd('"');
                    if (!_remotes.TryGetValue(name, out var settings)) _remotes[name] = settings = new(StringComparer.Ordinal);
                    settings[key] = value.Trim('"', '\'');
                }
            }
        }
        var own = Path.Combine(state, "cache");
        Caches = cache is null || cache == own ? [own] : [cache, own];
        Remotes = _remotes.Where(one => one.Value.ContainsKey("url")).Select(one => new DvcRemote(one.Key, Url(one.Value["url"], state, 0), one.Value)).ToList();
    }

    /// <summary>Folders that hold content, the one that is used first.</summary>
    public IReadOnlyList<string> Caches { get; }

    public IReadOnlyList<DvcRemote> Remotes { get; }

    /// <summary>The remotes that may have an output, the most likely first: its own, or the default one, then all others.</summary>
    public IEnumerable<DvcRemote> For(string? name) => Remotes.OrderByDescending(remote => remote.Name == (name ?? _default));

    // remote://NAME/path is below another remote; a folder is relative to .dvc/
    string Url(string url, string state, int depth)
    {
        if (url.StartsWith("remote://", StringComparison.Ordinal) && depth < 8 && url["remote://".Length..].Split('/', 2) is [var name, var path] && _remotes.TryGetValue(name, out var other) && other.TryGetValue("url", out var above))
            return $"{Url(above, state, depth + 1).TrimEnd('/')}/{path}";
        return url.Contains("://", StringComparison.Ordinal) ? url : Path.GetFullPath(url, state);
    }
}
