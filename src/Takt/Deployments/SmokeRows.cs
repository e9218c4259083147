using System.Text.Json;
using Takt.Data;
using Takt.Models;

namespace Takt.Deployments;

/// <summary>Rows of JSON that a revision must answer before it gets traffic, read for its signature.</summary>
static class SmokeRows
{
    public const int Most = 200;
    public const int MostBytes = 256 << 10;

    /// <exception cref="TaktException">Invalid: a line is no JSON object, or there are none or too many.</exception>
    public static IReadOnlyList<string> Read(string path)
    {
        if (!File.Exists(path)) throw TaktException.NotFound($"{path} is not there: a JSON object of one row on each line");
        if (new FileInfo(path).Length > MostBytes) throw new TaktException(TaktError.TooLarge, $"{path} has {new FileInfo(path).Length} bytes; {MostBytes} are allowed");
        var lines = File.ReadAllLines(path);
        var rows = new List<string>();
        for (var i = 0; i < lines.Length; i++)
        {
            if (string.IsNullOrWhiteSpace(lines[i])) continue;
            try
            {
                using var json = JsonDocument.Parse(lines[i]);
                if (json.RootElement.ValueKind != JsonValueKind.Object) throw TaktException.Invalid($"{path}:{i + 1}: a line must be a JSON object such as {{\"distance\": 900}}");
            }
            catch (JsonException e)
            {
                throw new TaktException(TaktError.Invalid, $"{path}:{i + 1} is not JSON: {e.Message}", e);
            }
            rows.Add(lines[i].Trim());
        }
        if (rows.Count is 0 or > Most) throw TaktException.Invalid($"{path} has {rows.Count} rows; 1 to {Most} are allowed");
        return rows;
    }

    /// <exception cref="TaktException">Invalid: a row lacks an input, or has another type.</exception>
    public static Table ToTable(IReadOnlyList<string> rows, Signature signature)
    {
        var documents = rows.Select(r => JsonDocument.Parse(r)).ToList();
        try
        {
            return new Table(signature.Inputs.Select(field => field.Type switch
            {
                FieldType.String or FieldType.Binary => Column.Of(field.Name, documents.Select((d, i) => Text(Value(d, i, field))).ToArray()),
                FieldType.Boolean => Column.Over(field.Name, ColumnType.Boolean, documents.Select((d, i) => Number(Value(d, i, field), i, field) is > 0).ToArray(), rows.Count, Missing(field)),
                FieldType.Integer or FieldType.Long or FieldType.Datetime => Column.Of(field.Name, documents.Select((d, i) => Number(Value(d, i, field), i, field) is var n && double.IsFinite(n) ? (long)n : 0).ToArray(), Missing(field)),
                _ => Column.Of(field.Name, documents.Select((d, i) => Number(Value(d, i, field), i, field)).ToArray()),
            }).ToList());
        }
        finally
        {
            documents.ForEach(d => d.Dispose());
        }

        bool[] Missing(Field field) => documents.Select((d, i) => Value(d, i, field).ValueKind == JsonValueKind.Null).ToArray();
    }

    static JsonElement Value(JsonDocument row, int i, Field field) => row.RootElement.TryGetProperty(field.Name, out var value) ? value : throw TaktException.Invalid($"smoke row {i + 1} lacks the input '{field.Name}'");

    static string? Text(JsonElement value) => value.ValueKind switch { JsonValueKind.Null => null, JsonValueKind.String => value.GetString(), _ => value.GetRawText() };

    static double Number(JsonElement value, int i, Field field) => value.ValueKind switch
    {
        JsonValueKind.Null => double.NaN,
        JsonValueKind.Number => value.GetDouble(),
        JsonValueKind.True => 1,
        JsonValueKind.False => 0,
        _ => throw TaktException.Invalid($"smoke row {i + 1}: the input '{field.Name}' must be a number, not {value.GetRawText()}"),
    };
}
