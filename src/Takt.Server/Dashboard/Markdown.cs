using System.Text;
using System.Text.RegularExpressions;

namespace Takt.Server.Dashboard;

/// <summary>
/// The Markdown that people write into notes and model cards: headings, paragraphs, lists, tables, quotes, code, emphasis, links. Everything is encoded
/// first; HTML in the text is shown as it was typed, and a link leads to the web or stays on this server.
/// </summary>
static partial class Markdown
{
    const int MostLines = 5000;

    /// <summary>The first line that is no heading, else the heading, without the marks: for a cell of a table.</summary>
    public static string FirstWords(string text)
    {
        var lines = text.ReplaceLineEndings("\n").Split('\n', MostLines).Where(l => l.Trim().Length > 0).ToList();
        return (lines.Find(l => !l.StartsWith('#')) ?? lines.FirstOrDefault() ?? "").Replace("*", "", StringComparison.Ordinal).Replace("`", "", StringComparison.Ordinal).Trim(' ', '#', '>');
    }

    public static Html Render(string text)
    {
        var html = new StringBuilder(text.Length * 2);
        var lines = text.ReplaceLineEndings("\n").Split('\n', MostLines + 1);
        for (var at = 0; at < Math.Min(lines.Length, MostLines);)
        {
            var line = lines[at];
            if (line.Trim().Length == 0) { at++; continue; }
            if (Fence().Match(line) is { Success: true } fence) at = Code(html, lines, at, fence.Groups[1].Value);
            else if (Heading().Match(line) is { Success: true } heading)
            {
                // the page has the first two levels
                var level = Math.Min(6, heading.Groups[1].Length + 2);
                html.Append($"<h{level}>").Append(Inline(heading.Groups[2].Value)).Append($"</h{level}>");
                at++;
            }
            else if (Rule().IsMatch(line)) { html.Append("<hr>"); at++; }
            else if (line.TrimStart().StartsWith('>')) at = Gather(lines, at, l => l.TrimStart().StartsWith('>'), part => html.Append("<blockquote>").Append(string.Join("<br>", part.Select(l => Inline(l.TrimStart().TrimStart('>').Trim())))).Append("</blockquote>"));
            else if (Item().IsMatch(line)) at = List(html, lines, at);
            else if (line.Contains('|') && at + 1 < lines.Length && TableRule().IsMatch(lines[at + 1])) at = Table(html, lines, at);
            else at = Gather(lines, at, l => l.Trim().Length > 0 && !Heading().IsMatch(l) && !Fence().IsMatch(l) && !Item().IsMatch(l), part => html.Append("<p>").Append(Inline(string.Join('\n', part))).Append("</p>"));
        }
        return new Html(html.ToString());
    }

    static int Gather(string[] lines, int at, Func<string, bool> belongs, Action<string[]> write)
    {
        var end = at + 1;
        while (end < lines.Length && belongs(lines[end])) end++;
        write(lines[at..end]);
        return end;
    }

    static int Code(StringBuilder html, string[] lines, int at, string fence)
    {
        var end = at + 1;
        while (end < lines.Length && !lines[end].TrimStart().StartsWith(fence, StringComparison.Ordinal)) end++;
        html.Append("<pre tabindex=\"0\"><code>").Append(Html.Of($"{string.Join('\n', lines[(at + 1)..end])}").Value).Append("</code></pre>");
        return end + 1;
    }

    static int List(StringBuilder html, string[] lines, int at)
    {
        var ordered = char.IsAsciiDigit(lines[at].TrimStart()[0]);
        html.Append(ordered ? "<ol>" : "<ul>");
        for (; at < lines.Length && Item().Match(lines[at]) is { Success: true } item; at++) html.Append("<li>").Append(Inline(item.Groups[1].Value)).Append("</li>");
        html.Append(ordered ? "</ol>" : "</ul>");
        return at;
    }

    static int Table(StringBuilder html, string[] lines, int at)
    {
        html.Append("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"table\"><table><thead><tr>");
        foreach (var cell in Cells(lines[at])) html.Append("<th scope=\"col\">").Append(Inline(cell)).Append("</th>");
        html.Append("</tr></thead><tbody>");
        for (at += 2; at < lines.Length && lines[at].Contains('|'); at++)
        {
            html.Append("<tr>");
            foreach (var cell in Cells(lines[at])) html.Append("<td>").Append(Inline(cell)).Append("</td>");
            html.Append("</tr>");
        }
        html.Append("</tbody></table></div>");
        return at;
    }

    static IEnumerable<string> Cells(string line) => line.Trim().Trim('|').Split('|').Select(c => c.Trim());

    // parts in backquotes are taken out first, so that nothing in them is read as a mark
    static string Inline(string text)
    {
        var html = new StringBuilder();
        var parts = text.Split('`');
        for (var i = 0; i < parts.Length; i++)
        {
            var encoded = Html.Of($"{parts[i]}").Value;
            if (i % 2 == 1 && i < parts.Length - 1) html.Append("<code>").Append(encoded).Append("</code>");
            else
            {
                if (i % 2 == 1) html.Append('`');
                encoded = Link().Replace(encoded, m => IsSafe(m.Groups[3].Value) ? $"<a href=\"{m.Groups[3].Value}\" rel=\"noreferrer nofollow\">{(m.Groups[1].Length > 0 ? "image: " : "")}{m.Groups[2].Value}</a>" : m.Value);
                encoded = Bold().Replace(encoded, "<strong>$1</strong>");
                html.Append(Italic().Replace(encoded, "<em>$1</em>"));
            }
        }
        return html.ToString();
    }

    static bool IsSafe(string address) => address.StartsWith("https://", StringComparison.OrdinalIgnoreCase) || address.StartsWith("http://", StringComparison.OrdinalIgnoreCase)
        || (address.StartsWith('/') && !address.StartsWith("//", StringComparison.Ordinal) && !address.StartsWith("/\\", StringComparison.Ordinal)) || address.StartsWith('#');

    [GeneratedRegex(@"^\s{0,3}(```+|~~~+)")] private static partial Regex Fence();
    [GeneratedRegex(@"^\s{0,3}(#{1,6})\s+(.*?)\s*#*\s*$", RegexOptions.NonBacktracking)] private static partial Regex Heading();
    [GeneratedRegex(@"^\s{0,3}([-*_]\s*){3,}$", RegexOptions.NonBacktracking)] private static partial Regex Rule();
    [GeneratedRegex(@"^\s*(?:[-*+]|\d{1,9}[.)])\s+(.*)$", RegexOptions.NonBacktracking)] private static partial Regex Item();
    [GeneratedRegex(@"^\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?\s*$", RegexOptions.NonBacktracking)] private static partial Regex TableRule();
    [GeneratedRegex(@"(!?)\[([^\[\]]{0,500})\]\(([^()\s<>]{1,2000})\)", RegexOptions.NonBacktracking)] private static partial Regex Link();
    [GeneratedRegex(@"\*\*([^*\n]{1,2000})\*\*", RegexOptions.NonBacktracking)] private static partial Regex Bold();
    [GeneratedRegex(@"\*([^*\n]{1,2000})\*", RegexOptions.NonBacktracking)] private static partial Regex Italic();
}
