using System.Text.Json;
using Takt.Data;
using Takt.Models;

namespace Takt.ML.Runtimes;

/// <summary>An input as a remote endpoint takes it, and JSON both ways.</summary>
/// <param name="Fields">One, or a field each column of a matrix.</param>
/// <param name="Rank">1: <c>[rows]</c>; 2: <c>[rows, fields]</c>.</param>
sealed record RemoteTensor(string Name, string DataType, IReadOnlyList<Field> Fields, int Rank)
{
    const int MostColumns = 10_000;

    /// <exception cref="TaktException">NotSupported: it is no column and no matrix.</exception>
    public static RemoteTensor Read(JsonElement tensor, string url)
    {
        var (name, dataType) = (tensor.GetProperty("name").GetString()!, tensor.GetProperty("datatype").GetString()!);
        var shape = tensor.GetProperty("shape").EnumerateArray().Select(n => n.GetInt64()).ToList();
        var type = TypeOf(dataType) ?? throw new TaktException(TaktError.NotSupported, $"{url}: input '{name}' is {dataType}, which rows can't hold");
        if (shape is [_] or [_, 1]) return new(name, dataType, [new Field(name, type)], shape.Count);
        if (shape is [_, > 1 and <= MostColumns]) return new(name, dataType, [.. Enumerable.Range(0, (int)shape[1]).Select(i => new Field($"{name}.{i}", type))], 2);
        throw new TaktException(TaktError.NotSupported, $"{url}: input '{name}' has the shape [{string.Join(',', shape)}]; rows are [-1], [-1,1] or [-1,N]");
    }

    /// <summary>The outputs; null: their number of columns is not said, so that the first answer tells.</summary>
    public static IReadOnlyList<Field>? Known(JsonElement outputs)
    {
        var fields = new List<Field>();
        foreach (var output in outputs.EnumerateArray())
        {
            var shape = output.GetProperty("shape").EnumerateArray().Select(n => n.GetInt64()).ToList();
            if (TypeOf(output.GetProperty("datatype").GetString()!) is not { } type) return null;
            var name = output.GetProperty("name").GetString()!;
            if (shape is [_] or [_, 1]) fields.Add(new Field(name, type));
            else if (shape is [_, > 1 and <= MostColumns]) fields.AddRange(Enumerable.Range(0, (int)shape[1]).Select(i => new Field($"{name}.{i}", type)));
            else return null;
        }
        return fields.Count == 0 ? null : fields;
    }

    public static void Write(Utf8JsonWriter json, IReadOnlyList<RemoteTensor> tensors, List<Column> columns, int rows)
    {
        json.WriteStartObject();
        json.WriteStartArray("inputs"u8);
        var from = 0;
        foreach (var tensor in tensors)
        {
            var width = tensor.Fields.Count;
            json.WriteStartObject();
            json.WriteString("name"u8, tensor.Name);
            json.WriteString("datatype"u8, tensor.DataType);
            json.WriteStartArray("shape"u8);
            json.WriteNumberValue(rows);
            if (tensor.Rank == 2) json.WriteNumberValue(width);
            json.WriteEndArray();
            json.WriteStartArray("data"u8);
            for (var row = 0; row < rows; row++)
                for (var c = 0; c < width; c++) Value(json, columns[from + c], row, tensor.Fields[c].Type);
            json.WriteEndArray();
            json.WriteEndObject();
            from += width;
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>MLflow's <c>dataframe_split</c>.</summary>
    public static void WriteSplit(Utf8JsonWriter json, IReadOnlyList<SignatureField> fields, List<Column> columns, int rows)
    {
        json.WriteStartObject();
        json.WriteStartObject("dataframe_split"u8);
        json.WriteStartArray("columns"u8);
        foreach (var field in fields) json.WriteStringValue(field.Field.Name);
        json.WriteEndArray();
        json.WriteStartArray("data"u8);
        for (var row = 0; row < rows; row++)
        {
            json.WriteStartArray();
            for (var c = 0; c < columns.Count; c++) Value(json, columns[c], row, fields[c].Field.Type);
            json.WriteEndArray();
        }
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>The columns of a v2 answer; those of a matrix are named <c>NAME.0</c> and so on.</summary>
    public static List<Column> Outputs(JsonElement root, int rows)
    {
        var columns = new List<Column>();
        foreach (var output in root.GetProperty("outputs").EnumerateArray())
        {
            var name = output.GetProperty("name").GetString()!;
            var values = new List<JsonElement>();
            Flatten(output.GetProperty("data"), values);
            if (values.Count % rows != 0 || values.Count == 0) throw TaktException.Invalid($"output '{name}' has {values.Count} values for {rows} rows");
            var width = values.Count / rows;
            for (var c = 0; c < width; c++)
            {
                var at = c;
                columns.Add(Of(width == 1 ? name : $"{name}.{c}", Enumerable.Range(0, rows).Select(row => values[(row * width) + at]).ToList()));
            }
        }
        return columns;
    }

    /// <summary>What MLflow's server answers: values, lists or records, one a row.</summary>
    public static List<Column> Predictions(JsonElement root, int rows)
    {
        var list = root.GetProperty("predictions").EnumerateArray().ToList();
        if (list.Count != rows) throw TaktException.Invalid($"it has {list.Count} predictions for {rows} rows");
        return list[0].ValueKind switch
        {
            JsonValueKind.Object => list[0].EnumerateObject().Select(member => Of(member.Name, list.ConvertAll(r => r.GetProperty(member.Name)))).ToList(),
            JsonValueKind.Array => Enumerable.Range(0, list[0].GetArrayLength()).Select(i => Of("", list.ConvertAll(r => r[i]))).ToList(),
            _ => [Of("", list)],
        };
    }

    static void Flatten(JsonElement data, List<JsonElement> values)
    {
        foreach (var item in data.EnumerateArray())
            if (item.ValueKind == JsonValueKind.Array) Flatten(item, values);
            else values.Add(item);
    }

    static Column Of(string name, List<JsonElement> values)
    {
        var there = values.Where(v => v.ValueKind != JsonValueKind.Null).ToList();
        var missing = there.Count == values.Count ? null : values.ConvertAll(v => v.ValueKind == JsonValueKind.Null).ToArray();
        if (there.All(v => v.ValueKind is JsonValueKind.True or JsonValueKind.False) && there.Count > 0) return Column.Of(name, values.ConvertAll(v => v.ValueKind == JsonValueKind.True).ToArray(), missing);
        if (there.All(v => v.ValueKind == JsonValueKind.Number))
            return there.Count > 0 && there.All(v => v.TryGetInt64(out _)) ? Column.Of(name, values.ConvertAll(v => v.ValueKind == JsonValueKind.Null ? 0 : v.GetInt64()).ToArray(), missing)
                : Column.Of(name, values.ConvertAll(v => v.ValueKind == JsonValueKind.Null ? double.NaN : v.GetDouble()).ToArray());
        return Column.Of(name, values.ConvertAll(v => v.ValueKind == JsonValueKind.Null ? null : v.ValueKind == JsonValueKind.String ? v.GetString() : v.GetRawText()).ToArray());
    }

    static void Value(Utf8JsonWriter json, Column column, int row, FieldType type)
    {
        if (column.IsMissing(row) || (column.Type == ColumnType.Number && !double.IsFinite(column.Numbers[row]))) json.WriteNullValue();
        else if (column.Type == ColumnType.Boolean) json.WriteBooleanValue(column.Booleans[row]);
        else if (column.Type == ColumnType.Text) json.WriteStringValue(column.Texts[row]);
        else if (column.Type == ColumnType.Time) json.WriteStringValue(column.TextAt(row));
        else if (column.Type == ColumnType.Integer) json.WriteNumberValue(column.Integers[row]);
        else if (type == FieldType.Float) json.WriteNumberValue((float)column.Numbers[row]);
        else json.WriteNumberValue(column.Numbers[row]);
    }

    static FieldType? TypeOf(string dataType) => dataType switch
    {
        "BOOL" => FieldType.Boolean,
        "INT8" or "INT16" or "INT32" or "UINT8" or "UINT16" => FieldType.Integer,
        "INT64" or "UINT32" or "UINT64" => FieldType.Long,
        "FP16" or "BF16" or "FP32" => FieldType.Float,
        "FP64" => FieldType.Double,
        "BYTES" => FieldType.String,
        _ => null,
    };
}
