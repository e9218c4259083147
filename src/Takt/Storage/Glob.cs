using System.Text;
using System.Text.RegularExpressions;

namespace Takt.Storage;

/// <summary>Files by pattern: <c>*</c> and <c>?</c> stay within one name, <c>**</c> crosses folders, a plain folder stands for all files below it.</summary>
/// <remarks>Names that begin with a dot are found only when the pattern spells the dot.</remarks>
public static class Glob
{
    /// <summary>The longest leading part of a pattern without a wildcard that is a whole folder: <c>incoming</c> of <c>incoming/*.csv</c>; empty when there is none.</summary>
    public static string FixedFolder(string pattern)
    {
        var wild = pattern.IndexOfAny(['*', '?']);
        var slash = wild < 0 ? pattern.TrimEnd('/').LastIndexOf('/') : pattern.LastIndexOf('/', wild);
        return slash < 0 ? "" : slash == 0 ? "/" : pattern[..slash];
    }

    /// <param name="root">What a relative pattern starts from; absolute.</param>
    /// <returns>Absolute paths in the order of their characters; none when nothing matches or the folder is not there.</returns>
    public static IReadOnlyList<string> Find(string root, string pattern)
    {
        pattern = pattern.Replace('\\', '/');
        if (pattern.StartsWith("./", StringComparison.Ordinal)) pattern = pattern[2..];
        var whole = Path.GetFullPath(Path.Combine(root, pattern));
        if (pattern.IndexOfAny(['*', '?']) < 0 && File.Exists(whole)) return [whole];
        if (Directory.Exists(whole)) pattern = pattern.TrimEnd('/') + "/**";
        var start = Path.GetFullPath(Path.Combine(root, FixedFolder(pattern)));
        if (!Directory.Exists(start)) return [];
        var rest = pattern[FixedFolder(pattern).Length..].TrimStart('/');
        var matches = Compile(rest);
        return Directory.EnumerateFiles(start, "*", rest.Contains('/') || rest.Contains("**") ? SearchOption.AllDirectories : SearchOption.TopDirectoryOnly)
            .Where(file => matches.IsMatch(Path.GetRelativePath(start, file).Replace('\\', '/'))).Order(StringComparer.Ordinal).ToList();
    }

    /// <summary>Whether a path (with <c>/</c>, relative to where the pattern starts) matches.</summary>
    public static bool Matches(string pattern, string path) => Compile(pattern).IsMatch(path);

    static Regex Compile(string pattern)
    {
        var text = new StringBuilder("^");
        for (var i = 0; i < pattern.Length; i++)
        {
            var startsName = i == 0 || pattern[i - 1] == '/';
            if (pattern.AsSpan(i).StartsWith("**/")) { text.Append("(?:[^/.][^/]*/)*"); i += 2; }
            else if (pattern.AsSpan(i).StartsWith("**")) { text.Append("(?:[^/.][^/]*/)*[^/.][^/]*"); i++; }
            else if (pattern[i] == '*') text.Append(startsName ? "(?:[^/.][^/]*)?" : "[^/]*");
            else if (pattern[i] == '?') text.Append(startsName ? "[^/.]" : "[^/]");
            else text.Append(Regex.Escape(pattern[i].ToString()));
        }
        return new Regex(text.Append('$').ToString(), RegexOptions.CultureInvariant | RegexOptions.NonBacktracking);
    }
}
