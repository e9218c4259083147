using System.Text.Json;
using Takt.Data;
using Takt.Models;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>The values of one tensor, flat or nested, row by row.</summary>
static class TensorReader
{
    /// <returns>Null when it is noted in <paramref name="faults"/>.</returns>
    public static Column? Read(ReadOnlySpan<byte> body, InferRequest.Tensor tensor, Field field, int count, List<string> faults)
    {
        var json = new Utf8JsonReader(body[tensor.From..], new JsonReaderOptions { MaxDepth = 16 });
        if (count > body.Length - tensor.From) // no room is made for what can't be there
        {
            faults.Add($"input '{tensor.Name}' has fewer values than the {count} that its shape [{string.Join(',', tensor.Shape)}] says");
            return null;
        }
        Array values = field.Type switch
        {
            FieldType.String or FieldType.Binary => new string?[count],
            FieldType.Boolean => new bool[count],
            FieldType.Integer or FieldType.Long or FieldType.Datetime => new long[count],
            _ => new double[count],
        };
        bool[]? missing = null;
        var plain = values is double[] all && NumberList.TryRead(body[tensor.From..], all.AsSpan());
        var at = plain ? count : 0;
        for (var depth = 0; !plain && json.Read();)
        {
            if (json.TokenType == JsonTokenType.StartArray)
            {
                depth++;
                continue;
            }
            if (json.TokenType == JsonTokenType.EndArray)
            {
                if (--depth == 0) break;
                continue;
            }
            if (at == count)
            {
                faults.Add($"input '{tensor.Name}' has more values than its shape [{string.Join(',', tensor.Shape)}]");
                return null;
            }
            if (json.TokenType == JsonTokenType.Null) (missing ??= new bool[count])[at] = true;
            else if (!Set(ref json, values, at))
            {
                faults.Add($"input '{tensor.Name}', value {at + 1}: {Shown(ref json)} is no {tensor.DataType}");
                return null;
            }
            at++;
        }
        if (at < count)
        {
            faults.Add($"input '{tensor.Name}' has {at} values; its shape [{string.Join(',', tensor.Shape)}] says {count}");
            return null;
        }
        if (missing is not null && values is double[] numbers)
        {
            for (var i = 0; i < count; i++)
                if (missing[i]) numbers[i] = double.NaN;
            missing = null;
        }
        return Column.Over(field.Name, field.Type switch
        {
            FieldType.String or FieldType.Binary => ColumnType.Text,
            FieldType.Boolean => ColumnType.Boolean,
            FieldType.Integer or FieldType.Long or FieldType.Datetime => ColumnType.Integer,
            _ => ColumnType.Number,
        }, values, count, missing);
    }

    static bool Set(ref Utf8JsonReader json, Array values, int at)
    {
        switch (values)
        {
            case double[] numbers when json.TokenType == JsonTokenType.Number && json.TryGetDouble(out var number) && double.IsFinite(number):
                numbers[at] = number;
                return true;
            case long[] integers when json.TokenType == JsonTokenType.Number && json.TryGetInt64(out var integer):
                integers[at] = integer;
                return true;
            case string?[] texts when json.TokenType == JsonTokenType.String:
                try
                {
                    texts[at] = json.GetString();
                }
                catch (InvalidOperationException)
                {
                    return false; // no Unicode
                }
                return true;
            case bool[] booleans when json.TokenType is JsonTokenType.True or JsonTokenType.False:
                booleans[at] = json.TokenType == JsonTokenType.True;
                return true;
            case bool[] booleans when json.TokenType == JsonTokenType.Number && json.TryGetInt64(out var bit) && bit is 0 or 1:
                booleans[at] = json.GetInt64() == 1;
                return true;
            default:
                return false;
        }
    }

    public static string Shown(ref Utf8JsonReader json)
    {
        var text = System.Text.Encoding.UTF8.GetString(json.ValueSpan);
        return json.TokenType == JsonTokenType.String ? $"\"{(text.Length > 40 ? text[..40] + "…" : text)}\"" : text.Length > 0 ? text : json.TokenType.ToString();
    }
}
