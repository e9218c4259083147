using System.Text;
using System.Text.RegularExpressions;

namespace Takt.Data.WorkTrees;

/// <summary>What of tracked folders is no data: <c>.taktignore</c> at the root of the work tree, in the words of a <c>.gitignore</c> (git-scm.com/docs/gitignore) and with paths from that root.</summary>
sealed class IgnoreRules
{
    public const string FileName = ".taktignore";

    readonly List<(Regex Path, bool FoldersOnly, bool Ignored)> _rules = [];

    /// <param name="root">Of the work tree; without the file nothing is ignored.</param>
    /// <exception cref="TaktException">Invalid: a line of it; named.</exception>
    public static IgnoreRules Of(string root)
    {
        var rules = new IgnoreRules();
        var file = Path.Combine(root, FileName);
        var number = 0;
        foreach (var line in File.Exists(file) ? File.ReadLines(file) : [])
        {
            number++;
            try
            {
                rules.Add(line);
            }
            catch (RegexParseException e)
            {
                throw TaktException.Invalid($"'{file}', line {number}: '{line}' is no pattern of a .gitignore: {e.Message}");
            }
        }
        return rules;
    }

    public bool IsEmpty => _rules.Count == 0;

    /// <summary>Whether a path is left out whose folders are not; the last rule that fits decides.</summary>
    /// <param name="path">From the root, with <c>/</c>.</param>
    public bool Ignores(string path, bool isFolder)
    {
        for (var i = _rules.Count - 1; i >= 0; i--)
            if ((isFolder || !_rules[i].FoldersOnly) && _rules[i].Path.IsMatch(path)) return _rules[i].Ignored;
        return false;
    }

    /// <summary>Whether a file is left out, itself or with a folder that it lies in.</summary>
    public bool IgnoresFile(string path)
    {
        if (IsEmpty) return false;
        for (var slash = path.IndexOf('/'); slash > 0; slash = path.IndexOf('/', slash + 1))
            if (Ignores(path[..slash], isFolder: true)) return true;
        return Ignores(path, isFolder: false);
    }

    void Add(string line)
    {
        line = line.TrimEnd('\r');
        while (line.EndsWith(' ') && !line.EndsWith("\\ ", StringComparison.Ordinal)) line = line[..^1];
        if (line.Length == 0 || line[0] == '#') return;
        var ignored = line[0] != '!';
        if (!ignored) line = line[1..];
        var foldersOnly = line.EndsWith('/');
        line = line.TrimEnd('/');
        if (line.Length == 0) return;
        // with a slash before its end it is a path from the root, without one a name at any depth
        var path = line.Contains('/') ? Expression(line.TrimStart('/')) : "(?:.*/)?" + Expression(line);
        _rules.Add((new Regex($"^{path}$", RegexOptions.CultureInvariant | RegexOptions.Singleline | RegexOptions.NonBacktracking), foldersOnly, ignored));
    }

    static string Expression(string pattern)
    {
        var text = new StringBuilder();
        for (var i = 0; i < pattern.Length; i++)
        {
            var startsName = i == 0 || pattern[i - 1] == '/';
            if (startsName && pattern.AsSpan(i).StartsWith("**/")) { text.Append("(?:.*/)?"); i += 2; }
            else if (startsName && pattern.AsSpan(i) is "**") { text.Append(".+"); i++; }
            else if (pattern[i] == '*') text.Append("[^/]*");
            else if (pattern[i] == '?') text.Append("[^/]");
            else if (pattern[i] == '[' && pattern.IndexOf(']', Math.Min(i + 2, pattern.Length)) is > 0 and var end)
            {
                var set = pattern[(i + 1)..end];
                var not = set[0] is '!' or '^';
                text.Append(not ? "[^/" : "[").Append((not ? set[1..] : set).Replace("\\", "\\\\", StringComparison.Ordinal).Replace("[", "\\[", StringComparison.Ordinal)).Append(']');
                i = end;
            }
            else
            {
                if (pattern[i] == '\\' && i + 1 < pattern.Length) i++;
                text.Append(Regex.Escape(pattern[i].ToString()));
            }
        }
        return text.ToString();
    }
}
