using System.Text.Json;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>Lists of JSON numbers and nothing else, flat or nested: the data of most tensors, past Utf8JsonReader and -Writer, which take each number as a token of its own. Whatever else a list holds is left to them.</summary>
static class NumberList
{
    /// <summary>Lists of lists in lists: tensors of so many dimensions.</summary>
    const int MostDepth = 8;

    /// <summary>Written at a time.</summary>
    const int Chunk = 256;

    /// <returns>Bytes of the list that <paramref name="json"/> begins with; 0: it holds other things than numbers, or is none.</returns>
    public static int Length(ReadOnlySpan<byte> json) => Walk<byte>(json, default, false);

    /// <typeparam name="T">float or double.</typeparam>
    /// <returns>Whether <paramref name="json"/> begins with a list of exactly as many finite numbers as <paramref name="to"/> has places; when not, what is there is undefined.</returns>
    public static bool TryRead<T>(ReadOnlySpan<byte> json, Span<T> to) where T : struct => Walk(json, to, true) > 0;

    /// <summary>The items of a list that is begun; what is not finite becomes null.</summary>
    /// <typeparam name="T">float or double.</typeparam>
    public static void Write<T>(Utf8JsonWriter json, ReadOnlySpan<T> values) where T : struct
    {
        Span<byte> text = stackalloc byte[Chunk * (JsonNumber.Longest + 1)];
        for (; values.Length > 0; values = values[Math.Min(Chunk, values.Length)..])
        {
            var at = 0;
            foreach (var value in values[..Math.Min(Chunk, values.Length)])
            {
                if (at > 0) text[at++] = (byte)',';
                var (wide, narrow) = typeof(T) == typeof(float) ? (0d, (float)(object)value) : ((double)(object)value, 0f);
                if (!double.IsFinite(wide) || !float.IsFinite(narrow))
                {
                    "null"u8.CopyTo(text[at..]);
                    at += 4;
                }
                else if (typeof(T) == typeof(float)) at += JsonNumber.Write(text[at..], narrow);
                else
                {
                    wide.TryFormat(text[at..], out var written, default, System.Globalization.CultureInfo.InvariantCulture);
                    at += written;
                }
            }
            json.WriteRawValue(text[..at], skipInputValidation: true); // several values as one: the writer puts the commas between the chunks
        }
    }

    static int Walk<T>(ReadOnlySpan<byte> json, Span<T> to, bool read) where T : struct
    {
        if (json.Length == 0 || json[0] != '[') return 0;
        // wanted: a value may come; or, where the list has just begun, its end
        var (count, depth, wanted, begun) = (0, 1, true, true);
        for (var i = 1; i < json.Length;)
        {
            var c = json[i];
            if (c == ',')
            {
                if (wanted) return 0;
                (wanted, begun) = (true, false);
            }
            else if (c is (byte)'-' or (>= (byte)'0' and <= (byte)'9'))
            {
                if (!wanted) return 0;
                var length = !read ? JsonNumber.Length(json[i..]) : count < to.Length ? Set(json[i..], ref to[count]) : 0;
                if (length == 0) return 0;
                i += length;
                count++;
                wanted = false;
                continue;
            }
            else if (c == '[')
            {
                if (!wanted || ++depth > MostDepth) return 0;
                begun = true;
            }
            else if (c == ']')
            {
                if (wanted && !begun) return 0;
                if (--depth == 0) return !read || count == to.Length ? i + 1 : 0;
                wanted = false;
            }
            else if (c is not ((byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t')) return 0;
            i++;
        }
        return 0;
    }

    static int Set<T>(ReadOnlySpan<byte> text, ref T to) where T : struct
    {
        if (typeof(T) == typeof(float))
        {
            var length = JsonNumber.Read(text, out float narrow);
            to = (T)(object)narrow;
            return float.IsFinite(narrow) ? length : 0;
        }
        else
        {
            var length = JsonNumber.Read(text, out double wide);
            to = (T)(object)wide;
            return double.IsFinite(wide) ? length : 0;
        }
    }
}
