using System.Globalization;

namespace Takt.Server.Dashboard;

/// <summary>A run's colour, made from its id: the same on every page, in every chart, for everybody. Readable on light and on dark.</summary>
static class RunColour
{
    public static string Of(string run)
    {
        var hash = 2166136261u; // FNV-1a
        foreach (var c in run) hash = (hash ^ c) * 16777619;
        hash ^= hash >> 15;
        return string.Create(CultureInfo.InvariantCulture, $"hsl({hash % 360} {58 + (hash / 360 % 3 * 12)}% {44 + (hash / 1080 % 3 * 7)}%)");
    }

    // an attribute of SVG, which the content security policy lets be; a style would not be
    public static Html Swatch(string run) => Html.Of($"""<svg class="swatch" viewBox="0 0 10 10" aria-hidden="true"><circle cx="5" cy="5" r="5" fill="{Of(run)}"/></svg>""");
}
