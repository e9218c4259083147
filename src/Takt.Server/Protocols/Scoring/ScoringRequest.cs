using System.Globalization;
using System.Text;
using System.Text.Json;
using Takt.Data;
using Takt.Deployments;
using Takt.Models;
using Takt.Pipelines;
using Takt.Server.Protocols.OpenInference;

namespace Takt.Server.Protocols.Scoring;

/// <summary>Rows as MLflow and TensorFlow clients send them: <c>dataframe_split</c>, <c>dataframe_records</c>, <c>instances</c>, <c>inputs</c>, or CSV with a header.</summary>
static class ScoringRequest
{
    internal const string DefaultSignature = "serving_default";

    internal static readonly string[] Forms = ["dataframe_split", "dataframe_records", "instances", "inputs"];

    static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    /// <exception cref="TaktException">Invalid: it is no JSON.</exception>
    public static JsonDocument Parse(byte[] body)
    {
        try
        {
            return JsonDocument.Parse(body, new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException) // the latter: a name that is no Unicode
        {
            throw NotJson(e);
        }
    }

    /// <summary>Whether a request of TensorFlow's form has <c>instances</c>, not <c>inputs</c>.</summary>
    /// <exception cref="TaktException">Invalid: both or none, or another signature than the one that there is.</exception>
    public static bool IsOfInstances(JsonElement root) => Texts(() =>
    {
        var instances = root.ValueKind == JsonValueKind.Object && root.TryGetProperty("instances", out _);
        if (root.ValueKind != JsonValueKind.Object || instances == root.TryGetProperty("inputs", out _)) throw TaktException.Invalid("the request must be an object with either 'instances' or 'inputs'");
        if (root.TryGetProperty("signature_name", out var wanted) && (wanted.ValueKind != JsonValueKind.String || wanted.GetString() is not ("" or DefaultSignature)))
            throw TaktException.Invalid($"Serving signature key {wanted.GetRawText()} not found; there is \"{DefaultSignature}\"");
        return instances;
    });

    /// <summary>The params that the model is asked with; null: its signature has none.</summary>
    /// <exception cref="TaktException">Invalid, in MLflow's words.</exception>
    public static string? Enforce(ModelParams? parameters, JsonElement root) => Texts(() => parameters?.Enforce(root.TryGetProperty("params", out var given) ? given : null));

    static TaktException NotJson(Exception e) => new(TaktError.Invalid, $"Failed to parse input from JSON. Ensure that input is a valid JSON formatted string. Error: '{e.Message}'.", e);

    /// <summary>Half of a surrogate pair is found when the text is looked at.</summary>
    static T Texts<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (InvalidOperationException e)
        {
            throw NotJson(e);
        }
    }

    /// <exception cref="TaktException">Invalid: not exactly one of the forms.</exception>
    public static void RequireForm(JsonElement root)
    {
        const string Wanted = "The input must be a JSON dictionary with exactly one of the input fields {'dataframe_split', 'dataframe_records', 'instances', 'inputs'}";
        if (root.ValueKind != JsonValueKind.Object) throw TaktException.Invalid($"{Wanted}. Received: {root.ValueKind.ToString().ToLowerInvariant()}");
        var given = Texts(() => root.EnumerateObject().Select(p => p.Name).ToList());
        if (given.Count(Forms.Contains) != 1) throw TaktException.Invalid($"{Wanted}. Received dictionary with input fields: [{string.Join(", ", given.Select(g => $"'{g}'"))}]");
    }

    /// <exception cref="TaktException">Invalid, with every fault.</exception>
    public static Table Json(JsonElement root, Signature signature) => Texts(() =>
    {
        using var step = ServingTrace.Step("parse");
        var form = Forms.First(f => root.TryGetProperty(f, out _));
        var value = root.GetProperty(form);
        return form == "dataframe_split" ? Split(value, signature) : value.ValueKind switch
        {
            JsonValueKind.Object when form == "inputs" => Columns(value, signature),
            JsonValueKind.Array when value.GetArrayLength() > 0 && value[0].ValueKind == JsonValueKind.Object && !IsBase64(value[0]) => Records(value, signature),
            JsonValueKind.Array when form != "dataframe_records" => Positions(value, signature, signature.Inputs.Select(f => f.Name).ToList(), form),
            _ => throw TaktException.Invalid($"{form} must hold {(form == "dataframe_records" ? "a list of records" : form == "inputs" ? "a list of rows, or a list of values per input" : "a list of rows or records")}"),
        };
    });

    /// <inheritdoc cref="Json"/>
    public static Table Csv(byte[] body, Signature signature)
    {
        using var step = ServingTrace.Step("parse");
        List<string?[]> lines;
        try
        {
            lines = Lines(Strict.GetString(body).TrimStart('\uFEFF')); // Excel's mark of UTF-8 is no part of the first name
        }
        catch (DecoderFallbackException e)
        {
            throw new TaktException(TaktError.Invalid, "the CSV is not UTF-8", e);
        }
        if (lines.Count == 0) throw TaktException.Invalid("the CSV is empty: a header line and rows are needed");
        var names = lines[0].Select(n => n ?? "").ToList();
        var table = new Builder(signature, lines.Count - 1);
        table.Require(names);
        for (var row = 1; row < lines.Count; row++)
        {
            if (lines[row].Length != names.Count)
            {
                table.Fault($"line {row + 1} has {lines[row].Length} fields, the header has {names.Count}");
                continue;
            }
            for (var c = 0; c < names.Count; c++) table.Set(row - 1, names[c], lines[row][c]);
        }
        return table.Build();
    }

    static Table Split(JsonElement value, Signature signature)
    {
        if (value.ValueKind != JsonValueKind.Object || !value.TryGetProperty("data", out var data) || data.ValueKind != JsonValueKind.Array)
            throw TaktException.Invalid("dataframe_split must be an object with columns and data (a list of rows)");
        var names = value.TryGetProperty("columns", out var columns) && columns.ValueKind == JsonValueKind.Array
            ? columns.EnumerateArray().Select(c => c.ValueKind == JsonValueKind.String ? c.GetString()! : c.GetRawText()).ToList() : signature.Inputs.Select(f => f.Name).ToList();
        return Positions(data, signature, names, "dataframe_split.data");
    }

    static Table Positions(JsonElement rows, Signature signature, List<string> names, string what)
    {
        var table = new Builder(signature, rows.GetArrayLength());
        table.Require(names);
        var at = 0;
        foreach (var row in rows.EnumerateArray())
        {
            if (row.ValueKind != JsonValueKind.Array)
            {
                if (names.Count == 1) table.Set(at, names[0], row);
                else table.Fault($"{what}[{at}] must be a list of {names.Count} values: {string.Join(", ", names)}");
            }
            else if (row.GetArrayLength() != names.Count) table.Fault($"{what}[{at}] has {row.GetArrayLength()} values; {names.Count} are wanted: {string.Join(", ", names)}");
            else
            {
                var c = 0;
                foreach (var value in row.EnumerateArray()) table.Set(at, names[c++], value);
            }
            at++;
        }
        return table.Build();
    }

    static Table Records(JsonElement rows, Signature signature)
    {
        var table = new Builder(signature, rows.GetArrayLength());
        var names = new HashSet<string>(StringComparer.Ordinal);
        var at = 0;
        foreach (var row in rows.EnumerateArray())
        {
            if (row.ValueKind != JsonValueKind.Object) table.Fault($"row {at} must be a record like the first");
            else
                foreach (var member in row.EnumerateObject())
                {
                    names.Add(member.Name);
                    table.Set(at, member.Name, member.Value);
                }
            at++;
        }
        table.Require([.. names]);
        return table.Build();
    }

    static Table Columns(JsonElement columns, Signature signature)
    {
        var rows = columns.EnumerateObject().Select(c => c.Value.ValueKind == JsonValueKind.Array ? c.Value.GetArrayLength() : 1).DefaultIfEmpty(0).Max();
        var table = new Builder(signature, rows);
        table.Require(columns.EnumerateObject().Select(c => c.Name).ToList());
        foreach (var column in columns.EnumerateObject())
        {
            if (column.Value.ValueKind != JsonValueKind.Array)
            {
                if (rows == 1) table.Set(0, column.Name, column.Value);
                else table.Fault($"inputs.{column.Name} must be a list of {rows} values");
                continue;
            }
            if (column.Value.GetArrayLength() != rows) table.Fault($"inputs.{column.Name} has {column.Value.GetArrayLength()} values, others have {rows}");
            var at = 0;
            foreach (var value in column.Value.EnumerateArray())
                table.Set(at++, column.Name, value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 1 ? value[0] : value); // [[1],[2]]: one column
        }
        return table.Build();
    }

    /// <summary>Fields of lines; quoted ones may hold commas, line ends and doubled quotes. An empty field is missing. Empty lines are left out.</summary>
    static List<string?[]> Lines(string text)
    {
        var (lines, fields, field) = (new List<string?[]>(), new List<string?>(), new StringBuilder());
        var (quoted, wasQuoted) = (false, false);
        for (var i = 0; i <= text.Length; i++)
        {
            var c = i < text.Length ? text[i] : '\n';
            if (quoted && i < text.Length)
            {
                if (c != '"') field.Append(c);
                else if (i + 1 < text.Length && text[i + 1] == '"') field.Append(text[i++]);
                else quoted = false;
            }
            else if (c == '"' && field.Length == 0 && !wasQuoted) quoted = wasQuoted = true;
            else if (c is ',' or '\n')
            {
                if (c == '\n' && field.Length > 0 && field[^1] == '\r') field.Length--;
                if (c == '\n' && fields.Count == 0 && field.Length == 0 && !wasQuoted) continue;
                fields.Add(field.Length == 0 && !wasQuoted ? null : field.ToString());
                field.Clear();
                (quoted, wasQuoted) = (false, false);
                if (c == ',') continue;
                lines.Add([.. fields]);
                fields.Clear();
            }
            else field.Append(c);
        }
        return lines;
    }

    /// <summary>TensorFlow Serving's form of a text as bytes: <c>{"b64": "…"}</c>.</summary>
    static bool IsBase64(JsonElement value) => value.ValueKind == JsonValueKind.Object && value.TryGetProperty("b64", out var text) && text.ValueKind == JsonValueKind.String && value.EnumerateObject().Count() == 1;

    /// <returns>Null: it is no Base64 of UTF-8.</returns>
    static string? Text(JsonElement base64) =>
        base64.GetProperty("b64").TryGetBytesFromBase64(out var bytes) && System.Text.Unicode.Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : null;

    /// <summary>Columns of a signature, filled value by value.</summary>
    sealed class Builder
    {
        const int MostFaults = 10;

        readonly Signature _signature;
        readonly Dictionary<string, int> _places;
        readonly Array[] _values;
        readonly bool[][] _there;
        readonly List<string> _faults = [];
        readonly int _rows;

        public Builder(Signature signature, int rows)
        {
            if (rows is < 1 or > InferRequest.MostRows) throw TaktException.Invalid($"the request has {rows} rows; 1 to {InferRequest.MostRows} are allowed");
            (_signature, _rows) = (signature, rows);
            _places = signature.Inputs.Select((f, i) => (f.Name, i)).ToDictionary(f => f.Name, f => f.i, StringComparer.Ordinal);
            _values = signature.Inputs.Select(f => Make(f.Type, rows)).ToArray();
            _there = signature.Inputs.Select(_ => new bool[rows]).ToArray();
        }

        public void Fault(string fault)
        {
            if (_faults.Count < MostFaults) _faults.Add(fault);
        }

        /// <summary>Inputs must be there; columns that the model does not know are passed over, as MLflow does.</summary>
        public void Require(List<string> names)
        {
            foreach (var twice in names.GroupBy(n => n, StringComparer.Ordinal).Where(g => g.Count() > 1)) Fault($"column '{twice.Key}' is given {twice.Count()} times");
            foreach (var field in _signature.Inputs.Where(f => f.Required && !names.Contains(f.Name)))
                Fault($"input '{field.Name}' ({field.Type.ToString().ToLowerInvariant()}) is missing{(names.Except(_places.Keys).ToList() is { Count: > 0 } unknown ? Nearest.Hint(field.Name, unknown) : "")}");
        }

        public void Set(int row, string name, JsonElement value)
        {
            if (!_places.TryGetValue(name, out var place) || row >= _rows || value.ValueKind == JsonValueKind.Null) return;
            var fits = _values[place] switch
            {
                double[] numbers => value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out numbers[row]) && double.IsFinite(numbers[row]),
                long[] integers => value.ValueKind == JsonValueKind.Number && (value.TryGetInt64(out integers[row]) || (value.TryGetDouble(out var whole) && Whole(whole, out integers[row]))) || (value.ValueKind == JsonValueKind.String && Time(place, value.GetString()!, out integers[row])),
                bool[] booleans => (booleans[row] = value.ValueKind == JsonValueKind.True) || value.ValueKind == JsonValueKind.False,
                string?[] texts => (texts[row] = value.ValueKind == JsonValueKind.String ? value.GetString() : IsBase64(value) ? Text(value) : null) is not null,
                _ => false,
            };
            Note(fits, row, place, value.ValueKind is JsonValueKind.Object or JsonValueKind.Array ? value.ValueKind.ToString().ToLowerInvariant() : value.GetRawText());
        }

        public void Set(int row, string name, string? text)
        {
            if (!_places.TryGetValue(name, out var place) || text is null) return;
            var fits = _values[place] switch
            {
                double[] numbers => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out numbers[row]) && !double.IsInfinity(numbers[row]),
                long[] integers => long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out integers[row])
                    || (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var whole) && Whole(whole, out integers[row])) || Time(place, text, out integers[row]), // 3.0: so programs write a column in which some are missing
                bool[] booleans => Boolean(text, out booleans[row]),
                string?[] texts => (texts[row] = text) is not null,
                _ => false,
            };
            Note(fits, row, place, text);
        }

        public Table Build()
        {
            if (_faults.Count > 0) throw new TaktException(TaktError.Invalid, _faults);
            return new Table(_signature.Inputs.Select((field, place) =>
            {
                if (_values[place] is double[] numbers)
                {
                    for (var row = 0; row < _rows; row++)
                        if (!_there[place][row]) numbers[row] = double.NaN;
                    return Column.Of(field.Name, numbers);
                }
                var missing = _values[place] is string?[] || _there[place].All(t => t) ? null : _there[place].Select(t => !t).ToArray();
                return Column.Over(field.Name, _values[place] switch { bool[] => ColumnType.Boolean, string?[] => ColumnType.Text, _ => ColumnType.Integer }, _values[place], _rows, missing);
            }).ToList());
        }

        void Note(bool fits, int row, int place, string shown)
        {
            _there[place][row] = fits;
            if (!fits) Fault($"row {row}: {(shown.Length > 40 ? shown[..40] + "…" : shown)} is no {_signature.Inputs[place].Type.ToString().ToLowerInvariant()}, which input '{_signature.Inputs[place].Name}' is");
        }

        /// <summary>Microseconds since 1970 of a text that is a time, for an input that is one.</summary>
        bool Time(int place, string text, out long microseconds)
        {
            microseconds = 0;
            if (_signature.Inputs[place].Type != FieldType.Datetime || !DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)) return false;
            microseconds = (time.UtcTicks - DateTimeOffset.UnixEpoch.Ticks) / 10;
            return true;
        }

        /// <summary>The words that DuckDB takes for a boolean in a CSV that is learned from.</summary>
        static bool Boolean(string text, out bool value)
        {
            value = text.ToLowerInvariant() is "true" or "t" or "yes" or "y" or "1";
            return value || text.ToLowerInvariant() is "false" or "f" or "no" or "n" or "0";
        }

        static bool Whole(double number, out long integer)
        {
            integer = (long)number;
            return number == integer && Math.Abs(number) <= 1L << 53;
        }

        static Array Make(FieldType type, int rows) => type switch
        {
            FieldType.String or FieldType.Binary => new string?[rows],
            FieldType.Boolean => new bool[rows],
            FieldType.Integer or FieldType.Long or FieldType.Datetime => new long[rows],
            _ => new double[rows],
        };
    }
}
