namespace Takt.Data;

/// <summary>Which version is meant: <c>flights</c> (the tip of main), <c>flights@branch</c>, <c>flights@v12</c>, <c>flights@sha256:1f0c</c> (at least 4 digits of its id).</summary>
/// <param name="Ref">The name of a ref; null when a commit is named.</param>
/// <param name="Commit"><c>sha256:</c> and the first digits; null when a ref is named.</param>
public sealed record DatasetReference(string Dataset, string? Ref, string? Commit)
{
    public const string Main = "main";
    const string CommitPrefix = "sha256:";

    /// <exception cref="TaktException">Invalid.</exception>
    public static DatasetReference Parse(string text)
    {
        var at = text.IndexOf('@');
        var name = at < 0 ? text : text[..at];
        CheckName(name);
        if (at < 0) return new(name, Main, null);
        var version = text[(at + 1)..];
        if (!version.StartsWith(CommitPrefix, StringComparison.Ordinal))
        {
            if (!IsName(version)) throw TaktException.Invalid($"'{text}': '{version}' is neither a ref nor sha256: and hex digits");
            return new(name, version, null);
        }
        var digits = version.AsSpan(CommitPrefix.Length);
        if (digits.Length is < 4 or > 64 || digits.ContainsAnyExcept("0123456789abcdef"))
            throw TaktException.Invalid($"'{text}': give 4 to 64 lower-case hex digits after sha256:");
        return new(name, null, version);
    }

    /// <exception cref="TaktException">Invalid: the name of a dataset is 1 to 100 letters, digits, <c>.</c>, <c>_</c>, <c>-</c>, the first a letter or digit.</exception>
    public static void CheckName(string name)
    {
        if (!IsName(name)) throw TaktException.Invalid($"'{name}' can't name a dataset; use 1 to 100 letters, digits, '.', '_' and '-', a letter or digit first");
    }

    /// <summary>12 of <c>v12</c>; null when it is no such name.</summary>
    public static long? Version(string name) => name.Length is > 1 and < 12 && name[0] == 'v' && long.TryParse(name.AsSpan(1), System.Globalization.NumberStyles.None, null, out var number) ? number : null;

    /// <summary>Whether it can name a dataset, a branch, a tag and the like.</summary>
    public static bool IsName(string name) =>
        name.Length is > 0 and <= 100 && char.IsAsciiLetterOrDigit(name[0]) && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');
}
