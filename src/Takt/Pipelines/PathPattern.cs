using System.IO.Enumeration;
using System.Text;
using System.Text.RegularExpressions;

namespace Takt.Pipelines;

/// <summary>A declared path: a file, a folder (ends with <c>/</c>), or a glob with <c>*</c>, <c>?</c> and <c>**</c>.</summary>
static class PathPattern
{
    public static bool IsFolder(string path) => path.EndsWith('/');

    public static bool IsGlob(string path) => path.AsSpan().IndexOfAny('*', '?') >= 0;

    /// <summary>The files below <paramref name="root"/> that the path stands for, relative, with <c>/</c>, in ordinal order.</summary>
    public static List<string> Files(string root, string path)
    {
        if (!IsGlob(path) && !IsFolder(path) && !Directory.Exists(Path.Combine(root, path)))
            return File.Exists(Path.Combine(root, path)) ? [path] : [];
        var fixedPart = IsGlob(path) ? path[..(path.AsSpan(0, path.AsSpan().IndexOfAny('*', '?')).LastIndexOf('/') + 1)] : path.TrimEnd('/') + "/";
        var start = Path.Combine(root, fixedPart);
        if (!Directory.Exists(start)) return [];
        var pattern = IsGlob(path) ? Glob(path) : null;
        var files = new List<string>();
        foreach (var file in Below(start))
        {
            var relative = Path.GetRelativePath(root, file).Replace('\\', '/');
            if (pattern is null || pattern.IsMatch(relative)) files.Add(relative);
        }
        files.Sort(StringComparer.Ordinal);
        return files;
    }

    /// <summary>All files, but none of Takt's and git's own state: <c>**/*.py</c> would take it for input, and it changes all the time.</summary>
    static FileSystemEnumerable<string> Below(string folder) => new(folder, (ref FileSystemEntry entry) => entry.ToSpecifiedFullPath(), new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0, IgnoreInaccessible = false })
    {
        ShouldIncludePredicate = (ref FileSystemEntry entry) => !entry.IsDirectory,
        ShouldRecursePredicate = (ref FileSystemEntry entry) => entry.FileName is not (".takt" or ".git"),
    };

    /// <summary>Does what <paramref name="output"/> writes belong to what <paramref name="input"/> reads?</summary>
    public static bool Feeds(string output, string input)
    {
        if (output == input) return true;
        if (IsFolder(output) && input.StartsWith(output, StringComparison.Ordinal)) return true;
        if (IsFolder(input) && output.StartsWith(input, StringComparison.Ordinal)) return true;
        if (output.TrimEnd('/') == input.TrimEnd('/')) return true;
        return IsGlob(input) && Glob(input).IsMatch(output);
    }

    static Regex Glob(string glob)
    {
        var text = new StringBuilder("^");
        for (var i = 0; i < glob.Length; i++)
            switch (glob[i])
            {
                case '*' when i + 1 < glob.Length && glob[i + 1] == '*':
                    var folders = i + 2 < glob.Length && glob[i + 2] == '/';
                    text.Append(folders ? "(?:.*/)?" : ".*");
                    i += folders ? 2 : 1;
                    break;
                case '*': text.Append("[^/]*"); break;
                case '?': text.Append("[^/]"); break;
                default: text.Append(Regex.Escape(glob[i].ToString())); break;
            }
        return new Regex(text.Append('$').ToString(), RegexOptions.CultureInvariant);
    }
}
