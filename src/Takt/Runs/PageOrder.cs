using System.Buffers;
using System.Globalization;
using System.IO.Hashing;
using System.Text;
using System.Text.Json;
using Takt.Storage;

namespace Takt.Runs;

/// <summary>
/// The order of a search, and the place in it where a page ended. The next page begins behind that row, however many came or went before it, and
/// costs the same wherever it is.
/// </summary>
/// <remarks>The last key must be unique, so that no two rows are equal. No key may be null.</remarks>
sealed class PageOrder(IReadOnlyList<PageOrder.Key> keys)
{
    public enum Kind { Number, Real, Text }

    /// <summary>Stands between the parts of a search's name.</summary>
    public const char Between = '\u001f';

    /// <param name="Expression">SQL that is never null.</param>
    public readonly record struct Key(Sql Expression, Kind Kind, bool Descending);

    public int Count => keys.Count;

    /// <summary>The order within rows that have the first keys in common.</summary>
    /// <param name="expression">What the first of the remaining keys can then be read from.</param>
    public PageOrder Fixed(int first, string? expression = null) =>
        new([.. keys.Skip(first).Select((key, i) => i == 0 && expression is not null ? key with { Expression = Sql.Raw(expression) } : key)]);

    public Sql OrderBy => Sql.Join(", ", keys.Select(key => (Sql)$"{key.Expression} {Sql.Raw(key.Descending ? "desc" : "asc")}"));

    /// <summary>To be selected, so that <see cref="Read"/> finds them.</summary>
    public Sql Columns => Sql.Join(", ", keys.Select(key => key.Expression));

    public object[] Read(SqlRow row, int first)
    {
        var values = new object[keys.Count];
        for (var i = 0; i < values.Length; i++)
            values[i] = keys[i].Kind switch { Kind.Number => row.Number(first + i), Kind.Real => row.Real(first + i), _ => row.Text(first + i) };
        return values;
    }

    /// <summary>What is behind a row; begins with <c>and</c>.</summary>
    public Sql After(IReadOnlyList<object> row)
    {
        // the first key's bound stands alone, where an index can use it
        var (first, op) = (keys[0], Operator(0));
        return keys.Count == 1 ? (Sql)$"and {first.Expression} {op} {row[0]}"
            : $"and {first.Expression} {Sql.Raw(first.Descending ? "<=" : ">=")} {row[0]} and {Behind(0)}";

        Sql Behind(int i) => i == keys.Count - 1 ? (Sql)$"{keys[i].Expression} {Operator(i)} {row[i]}"
            : $"({keys[i].Expression} {Operator(i)} {row[i]} or ({keys[i].Expression} = {row[i]} and {Behind(i + 1)}))";

        Sql Operator(int i) => Sql.Raw(keys[i].Descending ? "<" : ">");
    }

    /// <param name="of">What was searched for, its parts between <see cref="Between"/>; a token of another search is refused.</param>
    public static string Token(string of, IReadOnlyList<object> row)
    {
        var bytes = new ArrayBufferWriter<byte>(128);
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartArray();
            json.WriteStringValue(Name(of));
            foreach (var value in row)
                switch (value)
                {
                    case long number: json.WriteNumberValue(number); break;
                    // infinity is no JSON number
                    case double real: json.WriteStringValue(real.ToString("R", CultureInfo.InvariantCulture)); break;
                    default: json.WriteStringValue((string)value); break;
                }
            json.WriteEndArray();
        }
        return Convert.ToBase64String(bytes.WrittenSpan);
    }

    /// <returns>Null: from the start.</returns>
    /// <exception cref="TaktException">Invalid: no token, or of another search.</exception>
    /// <param name="told">What is said when a part of the search is another; null: the same of all.</param>
    public object[]? Place(string of, string? token, IReadOnlyList<string>? told = null) => Place(of, token, [.. keys.Select(key => key.Kind)], told);

    /// <inheritdoc cref="Place(string, string?, IReadOnlyList{string}?)"/>
    public static object[]? Place(string of, string? token, IReadOnlyList<Kind> kinds, IReadOnlyList<string>? told = null)
    {
        if (string.IsNullOrEmpty(token)) return null;
        try
        {
            using var json = JsonDocument.Parse(Convert.FromBase64String(token));
            var items = json.RootElement;
            if (items.ValueKind == JsonValueKind.Array && items.GetArrayLength() > 0) Same(of, items[0].GetString()!, told);
            if (items.ValueKind == JsonValueKind.Array && items.GetArrayLength() == kinds.Count + 1)
            {
                var row = new object[kinds.Count];
                for (var i = 0; i < row.Length; i++)
                    row[i] = kinds[i] switch
                    {
                        Kind.Number => items[i + 1].GetInt64(),
                        Kind.Real => double.Parse(items[i + 1].GetString()!, NumberStyles.Float, CultureInfo.InvariantCulture),
                        _ => items[i + 1].GetString()!,
                    };
                return row;
            }
        }
        catch (Exception e) when (e is FormatException or JsonException or InvalidOperationException or ArgumentNullException)
        {
        }
        throw TaktException.Invalid("Invalid page token, could not base64-decode");
    }

    static void Same(string of, string name, IReadOnlyList<string>? told)
    {
        var (now, before) = (Name(of).Split('.'), name.Split('.'));
        for (var i = 0; i < now.Length; i++)
            if (before.Length <= i || before[i] != now[i]) throw TaktException.Invalid(told?[i] ?? "Invalid page token: it is of another search; begin again without a token");
    }

    // not a secret: it tells a mix-up, no more
    static string Name(string of) =>
        string.Join('.', of.Split(Between).Select(part => XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(part)).ToString("x", CultureInfo.InvariantCulture)));
}
