using System.Net;
using System.Text;

namespace Takt.Server.Dashboard;

/// <summary>Text in drawings made here, where no browser can say how wide it is: it is estimated by DejaVu Sans Bold, the widest of the usual fonts.</summary>
static class SvgText
{
    /// <summary>Estimated width in px.</summary>
    public static double Width(string text, double size)
    {
        var ems = 0.0;
        foreach (var rune in text.EnumerateRunes()) ems += Ems(rune);
        return ems * size;
    }

    /// <summary>What fits: of a long text the beginning and the end, where names differ.</summary>
    public static string Fit(string text, double width, double size)
    {
        if (Width(text, size) <= width) return text;
        var runes = text.EnumerateRunes().ToList();
        var room = (width / size) - 1; // the ellipsis
        var (head, tail, headEms, tailEms) = (0, 0, 0.0, 0.0);
        // three parts of the beginning to two of the end
        while (head + tail < runes.Count)
        {
            var atEnd = tailEms < headEms * 2 / 3;
            var next = Ems(atEnd ? runes[^(tail + 1)] : runes[head]);
            if (headEms + tailEms + next > room) break;
            if (atEnd) (tail, tailEms) = (tail + 1, tailEms + next);
            else (head, headEms) = (head + 1, headEms + next);
        }
        var shown = new StringBuilder();
        foreach (var rune in runes[..head]) shown.Append(rune);
        var result = shown.ToString().TrimEnd() + "…";
        shown.Clear();
        foreach (var rune in runes[^tail..]) shown.Append(rune);
        return result + shown.ToString().TrimStart();
    }

    /// <summary>A box of two lines; whatever the estimate, nothing is drawn outside of it.</summary>
    public static string Box(int width, int height, string title, string detail) =>
        $"<rect width=\"{width}\" height=\"{height}\" rx=\"8\"/><svg width=\"{width - 6}\" height=\"{height}\"><text x=\"10\" y=\"19\">{Encoded(Fit(title, width - 20, 13))}</text><text class=\"dim\" x=\"10\" y=\"35\">{Encoded(Fit(detail, width - 20, 11.5))}</text></svg>";

    static string Encoded(string text) => WebUtility.HtmlEncode(text);

    static double Ems(Rune rune) => rune.Value switch
    {
        'i' or 'j' or 'l' or 'I' or '.' or ',' or ':' or ';' or '\'' or '|' or '!' or '(' or ')' or '[' or ']' or ' ' or '-' or '/' or 'f' or 't' => 0.43,
        'm' or 'w' or 'M' or 'W' or '@' or '%' => 1.05,
        >= 'A' and <= 'Z' => 0.79,
        >= '0' and <= '9' => 0.7,
        < 0x250 => 0.69,
        < 0x2E80 => 0.78,
        _ => 1.1,
    };

    /// <summary>The line between two boxes. One over several columns runs between the rows, for behind boxes it would look as if it ended there.</summary>
    /// <param name="gap">Between two columns.</param>
    /// <param name="between">The height of the room below both rows.</param>
    public static string Edge(int x1, int y1, int x2, int y2, int gap, int between) => x2 - x1 <= gap ? FormattableString.Invariant($"M{x1},{y1} C{x1 + gap},{y1} {x2 - gap},{y2} {x2},{y2}")
        : FormattableString.Invariant($"M{x1},{y1} C{x1 + (gap / 2)},{y1} {x1 + (gap / 2)},{between} {x1 + gap},{between} H{x2 - gap} C{x2 - (gap / 2)},{between} {x2 - (gap / 2)},{y2} {x2},{y2}");
}
