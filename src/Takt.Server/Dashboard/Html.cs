using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using System.Text;

namespace Takt.Server.Dashboard;

/// <summary>Markup. Made from an interpolated string whose holes are encoded, unless they are markup themselves.</summary>
public readonly record struct Html(string Value)
{
    public static readonly Html None = new("");

    public static Html Of(Builder text) => new(text.ToString());

    public static Html Join(IEnumerable<Html> parts) => new(string.Concat(parts.Select(p => p.Value)));

    public override string ToString() => Value;

    [InterpolatedStringHandler]
    public readonly struct Builder(int literalLength, int formattedCount)
    {
        readonly StringBuilder _text = new(literalLength + (formattedCount * 16));

        public void AppendLiteral(string text) => _text.Append(text);

        public void AppendFormatted(Html markup) => _text.Append(markup.Value);

        public void AppendFormatted(IEnumerable<Html> markup) => _text.Append(Join(markup).Value);

        public void AppendFormatted(string? text) => _text.Append(WebUtility.HtmlEncode(text));

        public void AppendFormatted(IFormattable? value, string? format = null) => _text.Append(WebUtility.HtmlEncode(value?.ToString(format, CultureInfo.InvariantCulture)));

        public override string ToString() => _text.ToString();
    }
}
