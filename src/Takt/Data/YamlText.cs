using System.Globalization;
using System.Text;

namespace Takt.Data;

/// <summary>Text as YAML: a key or a value, plain where that can't be misread.</summary>
public static class YamlText
{
    public static string Of(string text) => text.Length > 0 && char.IsAsciiLetter(text[0]) && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-') && !IsWord(text) ? text : Quoted(text);

    // what YAML takes for something else than a text
    static bool IsWord(string text) => text.ToLowerInvariant() is "true" or "false" or "null" or "yes" or "no" or "on" or "off" or "y" or "n";

    static string Quoted(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (var c in text)
            _ = c switch
            {
                '"' => quoted.Append("\\\""),
                '\\' => quoted.Append("\\\\"),
                < ' ' or '\u007f' or '\u0085' or '\u2028' or '\u2029' => quoted.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:X4}"),
                '$' => quoted.Append("\\u0024"), // ${…} would be a hole to fill
                _ => quoted.Append(c),
            };
        return quoted.Append('"').ToString();
    }
}
