using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Takt.Runs.Traces;

/// <summary>
/// JSON text as Python's <c>json.dumps</c> lays it out (<c>{"a": 1, "b": [true, null]}</c>, nothing escaped that need not be), because clients, and what
/// they search for, compare text. Values as <see cref="NewSpan"/> has them.
/// </summary>
public static class JsonText
{
    public static string Of(object? value)
    {
        var text = new StringBuilder();
        Write(text, value);
        return text.ToString();
    }

    /// <summary>An object of texts.</summary>
    public static string Of(IReadOnlyList<KeyValuePair<string, string>> pairs) => Of(pairs.Select(p => KeyValuePair.Create(p.Key, (object?)p.Value)).ToList());

    /// <param name="sorted">The members of objects by name.</param>
    /// <param name="reals">Every number as a real one, <c>5.0</c>, as protobuf's Value has them.</param>
    public static string Of(JsonElement value, bool sorted = false, bool reals = false)
    {
        var text = new StringBuilder();
        Write(text, value, sorted, reals);
        return text.ToString();
    }

    internal static void Write(StringBuilder text, object? value)
    {
        switch (value)
        {
            case null: text.Append("null"); break;
            case bool b: text.Append(b ? "true" : "false"); break;
            case string s: Quote(text, s); break;
            case long n: text.Append(n); break;
            case double d: text.Append(Real(d)); break;
            case byte[] bytes: Quote(text, Convert.ToBase64String(bytes)); break;
            case List<object?> items:
                text.Append('[');
                for (var i = 0; i < items.Count; i++)
                {
                    if (i > 0) text.Append(", ");
                    Write(text, items[i]);
                }
                text.Append(']');
                break;
            case List<KeyValuePair<string, object?>> members:
                text.Append('{');
                for (var i = 0; i < members.Count; i++)
                {
                    if (i > 0) text.Append(", ");
                    Quote(text, members[i].Key);
                    text.Append(": ");
                    Write(text, members[i].Value);
                }
                text.Append('}');
                break;
            default: throw new ArgumentException($"{value.GetType()} has no JSON here", nameof(value));
        }
    }

    static void Write(StringBuilder text, JsonElement value, bool sorted, bool reals)
    {
        var first = true;
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                text.Append('{');
                IEnumerable<JsonProperty> members = value.EnumerateObject();
                if (sorted) members = members.OrderBy(Name, StringComparer.Ordinal);
                foreach (var member in members)
                {
                    if (!first) text.Append(", ");
                    first = false;
                    Quote(text, Name(member));
                    text.Append(": ");
                    Write(text, member.Value, sorted, reals);
                }
                text.Append('}');
                break;
            case JsonValueKind.Array:
                text.Append('[');
                foreach (var item in value.EnumerateArray())
                {
                    if (!first) text.Append(", ");
                    first = false;
                    Write(text, item, sorted, reals);
                }
                text.Append(']');
                break;
            case JsonValueKind.String: Quote(text, Text(value)); break;
            case JsonValueKind.Number when reals && value.TryGetDouble(out var real): text.Append(Real(real)); break;
            default: text.Append(value.GetRawText()); break;
        }
    }

    /// <summary>A JSON text, or one with a mark where half of a surrogate pair stood, which is no text.</summary>
    static string Text(JsonElement value)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            return value.GetRawText().Trim('"');
        }
    }

    /// <inheritdoc cref="Text"/>
    static string Name(JsonProperty member)
    {
        try
        {
            return member.Name;
        }
        catch (InvalidOperationException)
        {
            return Encoding.UTF8.GetString(JsonMarshal.GetRawUtf8PropertyName(member));
        }
    }

    static string Real(double value) =>
        double.IsNaN(value) ? "NaN" : double.IsPositiveInfinity(value) ? "Infinity" : double.IsNegativeInfinity(value) ? "-Infinity"
        : value == Math.Floor(value) && Math.Abs(value) < 1e16 ? value.ToString("0.0", CultureInfo.InvariantCulture)
        : value.ToString("R", CultureInfo.InvariantCulture).Replace("E", "e", StringComparison.Ordinal);

    // PostgreSQL keeps no NUL in a text and none in what it reads out of JSON
    static void Quote(StringBuilder text, string value)
    {
        text.Append('"');
        foreach (var c in value)
            switch (c)
            {
                case '"': text.Append("\\\""); break;
                case '\\': text.Append("\\\\"); break;
                case '\n': text.Append("\\n"); break;
                case '\r': text.Append("\\r"); break;
                case '\t': text.Append("\\t"); break;
                case '\b': text.Append("\\b"); break;
                case '\f': text.Append("\\f"); break;
                case '\0': text.Append('\uFFFD'); break;
                case < ' ': text.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture)); break;
                default: text.Append(c); break;
            }
        text.Append('"');
    }
}
