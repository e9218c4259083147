using System.Globalization;
using System.Text.Json;
using Takt.Runs.Traces;

namespace Takt.Server.Protocols.OpenTelemetry;

// OTLP's JSON (opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding"): ids in hex, enums as numbers, names in lowerCamelCase, 64-bit numbers as text or number; what is not known is passed over.
// It is read in one pass without a tree of it: a body of 32 MiB may have 16 million tokens.
sealed partial class OtlpRequest
{
    const int DeepestJson = 8 * DeepestValue;

    delegate void MemberReader(ref Utf8JsonReader reader, string name);

    delegate void ItemReader(ref Utf8JsonReader reader);

    /// <inheritdoc cref="Parse"/>
    public static OtlpRequest ParseJson(ReadOnlySpan<byte> message)
    {
        var request = new OtlpRequest();
        var reader = new Utf8JsonReader(message, new JsonReaderOptions { MaxDepth = DeepestJson });
        try
        {
            reader.Read();
            Members(ref reader, (ref r, name) =>
            {
                if (name == "resourceSpans") Items(ref r, request.JsonResource);
                else r.Skip();
            });
            if (reader.Read()) throw new FormatException("there is more than one value");
        }
        catch (JsonException e)
        {
            throw new FormatException(e.Message, e);
        }
        catch (InvalidOperationException e) // text that is no UTF-8, or half of a surrogate pair
        {
            throw new FormatException($"at byte {reader.TokenStartIndex}: {e.Message}", e);
        }
        return request;
    }

    void JsonResource(ref Utf8JsonReader reader)
    {
        Any = true;
        var first = _spans.Count;
        string? service = null;
        Members(ref reader, (ref r, name) =>
        {
            if (name == "resource")
                Members(ref r, (ref r, name) =>
                {
                    if (name == "attributes") service = JsonAttributes(ref r, 0).LastOrDefault(a => a is { Key: ServiceName, Value: string }).Value as string;
                    else r.Skip();
                });
            else if (name == "scopeSpans")
                Items(ref r, (ref r) => Members(ref r, (ref r, name) =>
                {
                    if (name == "spans") Items(ref r, JsonSpan);
                    else r.Skip();
                }));
            else r.Skip();
        });
        Named(service, first);
    }

    void JsonSpan(ref Utf8JsonReader reader)
    {
        byte[] trace = [], id = [], parent = [];
        var (title, started, ended, status, text) = ("", 0UL, 0UL, 0, "");
        List<KeyValuePair<string, object?>> attributes = [];
        var events = new List<NewSpanEvent>();
        var links = new List<NewSpanLink>();
        Members(ref reader, (ref r, name) =>
        {
            switch (name)
            {
                case "traceId": trace = Id(ref r, name); break;
                case "spanId": id = Id(ref r, name); break;
                case "parentSpanId": parent = Id(ref r, name); break;
                case "name": title = Text(ref r); break;
                case "startTimeUnixNano": started = Nanoseconds(ref r); break;
                case "endTimeUnixNano": ended = Nanoseconds(ref r); break;
                case "attributes": attributes = JsonAttributes(ref r, 0); break;
                case "events": Items(ref r, (ref r) => events.Add(JsonEvent(ref r))); break;
                case "links": Items(ref r, (ref r) => links.Add(JsonLink(ref r))); break;
                case "status":
                    Members(ref r, (ref r, name) =>
                    {
                        if (name == "message") text = Text(ref r);
                        else if (name == "code") status = Code(Whole(ref r));
                        else r.Skip();
                    });
                    break;
                default: r.Skip(); break;
            }
        });
        _spans.Add(new(trace, id, parent, title, started, ended, status, text, attributes, events) { Links = links });
    }

    NewSpanLink JsonLink(ref Utf8JsonReader reader)
    {
        byte[] trace = [], span = [];
        List<KeyValuePair<string, object?>> attributes = [];
        Members(ref reader, (ref r, name) =>
        {
            switch (name)
            {
                case "traceId": trace = Id(ref r, name); break;
                case "spanId": span = Id(ref r, name); break;
                case "attributes": attributes = JsonAttributes(ref r, 0); break;
                default: r.Skip(); break;
            }
        });
        return new(trace, span, attributes);
    }

    NewSpanEvent JsonEvent(ref Utf8JsonReader reader)
    {
        var (time, title) = (0UL, "");
        List<KeyValuePair<string, object?>> attributes = [];
        Members(ref reader, (ref r, name) =>
        {
            switch (name)
            {
                case "timeUnixNano": time = Nanoseconds(ref r); break;
                case "name": title = Text(ref r); break;
                case "attributes": attributes = JsonAttributes(ref r, 0); break;
                default: r.Skip(); break;
            }
        });
        return new(title, time, attributes);
    }

    List<KeyValuePair<string, object?>> JsonAttributes(ref Utf8JsonReader reader, int depth)
    {
        var attributes = new List<KeyValuePair<string, object?>>();
        Items(ref reader, (ref r) =>
        {
            var key = "";
            object? value = null;
            Members(ref r, (ref r, name) =>
            {
                if (name == "key") key = Text(ref r);
                else if (name == "value") value = JsonValue(ref r, depth);
                else r.Skip();
            });
            attributes.Add(new(key, value));
        });
        return attributes;
    }

    object? JsonValue(ref Utf8JsonReader reader, int depth)
    {
        Count(depth);
        object? value = null;
        Members(ref reader, (ref r, name) =>
        {
            if (r.TokenType == JsonTokenType.Null) return; // not this one of the kinds
            switch (name)
            {
                case "stringValue": value = Text(ref r); break;
                case "boolValue": value = r.GetBoolean(); break;
                case "intValue": value = Whole(ref r); break;
                case "doubleValue": value = Real(ref r); break;
                case "bytesValue": value = Bytes(ref r); break;
                case "arrayValue":
                    var items = new List<object?>();
                    Members(ref r, (ref r, name) =>
                    {
                        if (name == "values") Items(ref r, (ref r) => items.Add(JsonValue(ref r, depth + 1)));
                        else r.Skip();
                    });
                    value = items;
                    break;
                case "kvlistValue":
                    List<KeyValuePair<string, object?>> members = [];
                    Members(ref r, (ref r, name) =>
                    {
                        if (name == "values") members = JsonAttributes(ref r, depth + 1);
                        else r.Skip();
                    });
                    value = members;
                    break;
                default: r.Skip(); break;
            }
        });
        return value;
    }

    // null stands for the default everywhere, as in protobuf's JSON
    static void Members(ref Utf8JsonReader reader, MemberReader member)
    {
        if (reader.TokenType == JsonTokenType.Null) return;
        if (reader.TokenType != JsonTokenType.StartObject) throw Not(ref reader, "an object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            reader.Read();
            member(ref reader, name);
        }
    }

    static void Items(ref Utf8JsonReader reader, ItemReader item)
    {
        if (reader.TokenType == JsonTokenType.Null) return;
        if (reader.TokenType != JsonTokenType.StartArray) throw Not(ref reader, "a list");
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray) item(ref reader);
    }

    static string Text(ref Utf8JsonReader reader) =>
        reader.TokenType switch { JsonTokenType.String => reader.GetString()!, JsonTokenType.Null => "", _ => throw Not(ref reader, "text") };

    static byte[] Id(ref Utf8JsonReader reader, string name)
    {
        var text = Text(ref reader);
        try
        {
            return Convert.FromHexString(text);
        }
        catch (FormatException)
        {
            throw new FormatException($"at byte {reader.TokenStartIndex}: {name} is no hexadecimal number (OTLP's JSON has no base64 here)");
        }
    }

    /// <summary>Base64, also with - and _ and without padding.</summary>
    static byte[] Bytes(ref Utf8JsonReader reader)
    {
        var text = Text(ref reader).Replace('-', '+').Replace('_', '/').TrimEnd('=');
        try
        {
            return Convert.FromBase64String(text.PadRight((text.Length + 3) / 4 * 4, '='));
        }
        catch (FormatException)
        {
            throw Not(ref reader, "base64");
        }
    }

    static long Whole(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.Null => 0,
        JsonTokenType.Number when reader.TryGetInt64(out var whole) => whole,
        JsonTokenType.Number when reader.TryGetDecimal(out var number) && decimal.Truncate(number) == number && number is >= long.MinValue and <= long.MaxValue => (long)number, // 1e3, 5.0
        JsonTokenType.String when long.TryParse(reader.GetString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var text) => text,
        _ => throw Not(ref reader, "a whole number of 64 bits"),
    };

    static ulong Nanoseconds(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.Null => 0,
        JsonTokenType.Number when reader.TryGetUInt64(out var whole) => whole,
        JsonTokenType.Number when reader.TryGetDecimal(out var number) && decimal.Truncate(number) == number && number is >= 0 and <= ulong.MaxValue => (ulong)number,
        JsonTokenType.String when ulong.TryParse(reader.GetString(), NumberStyles.None, CultureInfo.InvariantCulture, out var text) => text,
        _ => throw Not(ref reader, "a time in nanoseconds"),
    };

    static double Real(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.Number => reader.GetDouble(),
        JsonTokenType.String when reader.GetString() is var text && (text switch
        {
            "NaN" => double.NaN,
            "Infinity" => double.PositiveInfinity,
            "-Infinity" => double.NegativeInfinity,
            _ => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : (double?)null,
        }) is { } value => value,
        _ => throw Not(ref reader, "a number"),
    };

    static FormatException Not(ref Utf8JsonReader reader, string wanted) => new($"at byte {reader.TokenStartIndex}: this is not {wanted}");
}
