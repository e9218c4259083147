using System.Text.RegularExpressions;

namespace Takt.Deployments;

/// <summary>What tells clients apart, so that each keeps to its revision: a request header, or a column of the request's first row.</summary>
public sealed partial record StickyKey(bool IsHeader, string Name)
{
    /// <param name="text"><c>header X-User</c> or <c>column user_id</c>.</param>
    /// <returns>Null: not of this form.</returns>
    public static StickyKey? Parse(string? text)
    {
        if (text is null) return null;
        var match = Form().Match(text);
        if (!match.Success) return null;
        var (header, name) = (match.Groups[1].Value == "header", match.Groups[2].Value);
        return header && !HeaderName().IsMatch(name) ? null : new StickyKey(header, name);
    }

    [GeneratedRegex(@"^(header|column) +(\S.{0,254}?) *$")]
    private static partial Regex Form();

    [GeneratedRegex(@"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]
    private static partial Regex HeaderName();
}
