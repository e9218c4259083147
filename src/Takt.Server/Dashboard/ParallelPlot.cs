using System.Globalization;
using System.Net;
using System.Text;
using Takt.Runs;

namespace Takt.Server.Dashboard;

/// <summary>Runs as lines through parallel axes (Inselberg 1985), or as points when there are two axes. The table below says the same in words.</summary>
static class ParallelPlot
{
    const int Width = 1200;
    const int Height = 320;
    const int Left = 70;
    const int Right = 110;
    const int Top = 34;
    const int Bottom = 24;

    /// <summary>More runs than these are not told apart by colours of their own: the last axis colours them.</summary>
    public const int MostOwnColours = 20;

    static string Colour(IReadOnlyList<RunGridRow> rows, IReadOnlyList<PlotAxis> axes, int run) => rows.Count <= MostOwnColours ? RunColour.Of(rows[run].Id)
        : axes[^1].At[run] is { } at ? string.Create(CultureInfo.InvariantCulture, $"hsl({220 + (at * 140):0} 75% 52%)") : "hsl(0 0% 55%)";

    public static Html Draw(IReadOnlyList<RunGridRow> rows, IReadOnlyList<PlotAxis> axes)
    {
        var svg = new StringBuilder(rows.Count * 200);
        svg.Append(CultureInfo.InvariantCulture, $"<div class=\"scroll\" role=\"region\" aria-label=\"Plot\" tabindex=\"0\"><svg class=\"parallel\" viewBox=\"0 0 {Width} {Height}\" role=\"img\" aria-label=\"{rows.Count} runs over {axes.Count} axes; the table of differences below has the same values\">");
        if (axes.Count == 2) Points(svg, rows, axes);
        else Lines(svg, rows, axes);
        return new Html(svg.Append("</svg></div>").ToString());
    }

    static void Lines(StringBuilder svg, IReadOnlyList<RunGridRow> rows, IReadOnlyList<PlotAxis> axes)
    {
        double X(int axis) => Left + (axis * (Width - Left - Right) / (double)(axes.Count - 1));
        for (var r = 0; r < rows.Count; r++)
        {
            // a run that lacks a value has a gap there
            var path = new StringBuilder();
            var pen = false;
            for (var a = 0; a < axes.Count; a++)
            {
                if (axes[a].At[r] is not { } at) { pen = false; continue; }
                path.Append(CultureInfo.InvariantCulture, $"{(pen ? 'L' : 'M')}{X(a):0.#},{Y(at):0.#}");
                pen = true;
            }
            Shape(svg, rows[r], $"<path d=\"{path}\" stroke=\"{Colour(rows, axes, r)}\"/>");
        }
        for (var a = 0; a < axes.Count; a++)
        {
            svg.Append(CultureInfo.InvariantCulture, $"<line class=\"axis\" x1=\"{X(a):0.#}\" x2=\"{X(a):0.#}\" y1=\"{Top}\" y2=\"{Height - Bottom}\"/>");
            Text(svg, X(a), Top - 14, Short(axes[a]), "title");
            foreach (var (at, text) in axes[a].Ticks) Text(svg, X(a) + 7, Y(at) + 4, text, "tick");
        }
    }

    static void Points(StringBuilder svg, IReadOnlyList<RunGridRow> rows, IReadOnlyList<PlotAxis> axes)
    {
        double X(double at) => Left + (at * (Width - Left - Right));
        svg.Append(CultureInfo.InvariantCulture, $"<line class=\"axis\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{Height - Bottom}\" y2=\"{Height - Bottom}\"/><line class=\"axis\" x1=\"{Left}\" x2=\"{Left}\" y1=\"{Top}\" y2=\"{Height - Bottom}\"/>");
        Text(svg, Width - Right + 8, Height - Bottom + 4, Short(axes[0]), "tick");
        Text(svg, Left, Top - 14, Short(axes[1]), "title");
        foreach (var (at, text) in axes[0].Ticks) Text(svg, X(at), Height - Bottom + 16, text, "title");
        foreach (var (at, text) in axes[1].Ticks) Text(svg, Left - 62, Y(at) + 4, text, "tick");
        for (var r = 0; r < rows.Count; r++)
            if (axes[0].At[r] is { } x && axes[1].At[r] is { } y)
                Shape(svg, rows[r], string.Create(CultureInfo.InvariantCulture, $"<circle cx=\"{X(x):0.#}\" cy=\"{Y(y):0.#}\" r=\"5\" fill=\"{Colour(rows, axes, r)}\"/>"));
    }

    static void Shape(StringBuilder svg, RunGridRow row, string shape) =>
        svg.Append("<g class=\"run\" data-run=\"").Append(WebUtility.HtmlEncode(row.Id)).Append("\"><title>").Append(WebUtility.HtmlEncode(row.Name)).Append("</title>").Append(shape).Append("</g>");

    static void Text(StringBuilder svg, double x, double y, string text, string style) =>
        svg.Append(CultureInfo.InvariantCulture, $"<text class=\"{style}\" x=\"{x:0.#}\" y=\"{y:0.#}\">").Append(WebUtility.HtmlEncode(text)).Append("</text>");

    static double Y(double at) => Height - Bottom - (at * (Height - Top - Bottom));

    static string Short(PlotAxis axis) => SvgText.Fit(axis.Column.Key, 130, 11.5);
}
