using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Takt.Models;

/// <summary>
/// The parameters of a model's signature, enforced as MLflow 3.6 does (mlflow/models/utils.py, _enforce_params_schema; mlflow/types/schema.py, ParamSpec), in its words: unknown ones are left out, missing ones
/// have their defaults, whole numbers become longer and fractional ones, all else is refused. The members of an <c>object</c> are not looked at.
/// </summary>
public sealed class ModelParams(IReadOnlyList<ModelParam> all)
{
    /// <summary>What a signature may name, at most.</summary>
    const int Most = 1000;

    public IReadOnlyList<ModelParam> All => all;

    /// <param name="json">The signature's <c>params</c>.</param>
    /// <returns>Null: it has none.</returns>
    /// <exception cref="TaktException">Invalid: it can't be read.</exception>
    public static ModelParams? Read(string? json, string path)
    {
        if (string.IsNullOrEmpty(json) || json == "null") return null;
        try
        {
            using var schema = JsonDocument.Parse(json);
            var found = schema.RootElement.EnumerateArray().Take(Most).Select(p => new ModelParam(p.GetProperty("name").GetString()!,
                (p.TryGetProperty("type", out var type) || p.TryGetProperty("dtype", out type)) ? type.GetString()! : throw new KeyNotFoundException("type"),
                p.TryGetProperty("shape", out var shape) && shape.ValueKind == JsonValueKind.Array, p.GetProperty("default").Clone())).ToList();
            return found.Count == 0 ? null : new ModelParams(found);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new TaktException(TaktError.Invalid, $"{path}: the signature's params can't be read: {e.Message}", e);
        }
    }

    /// <summary>All parameters as a JSON object, those that are given and the defaults of the others.</summary>
    /// <param name="given">Null: none.</param>
    /// <exception cref="TaktException">Invalid, in MLflow's words.</exception>
    public string Enforce(JsonElement? given)
    {
        if (given is { ValueKind: not (JsonValueKind.Object or JsonValueKind.Null) } other) throw TaktException.Invalid($"Parameters must be a dictionary. Got type '{PythonText.TypeOf(other)}'.");
        var faults = new List<string>();
        using var body = new MemoryStream();
        using (var json = new Utf8JsonWriter(body))
        {
            json.WriteStartObject();
            foreach (var param in all)
            {
                json.WritePropertyName(param.Name);
                if (given is not { ValueKind: JsonValueKind.Object } values || !values.TryGetProperty(param.Name, out var value)) param.Default.WriteTo(json);
                else if (Fault(param, value) is { } fault)
                {
                    faults.Add($"({PythonText.Quoted(param.Name)}, {PythonText.Quoted(fault)})");
                    json.WriteNullValue();
                }
                else Write(json, param, value);
            }
            json.WriteEndObject();
        }
        if (faults.Count > 0) throw TaktException.Invalid($"Invalid parameters found: {{{string.Join(", ", faults)}}}");
        return Encoding.UTF8.GetString(body.ToArray());
    }

    static string? Fault(ModelParam param, JsonElement value)
    {
        var spec = $"{PythonText.Quoted(param.Name)}: {param.Type} (default: {PythonText.Of(param.Default)}){(param.IsList ? " (shape: (-1,))" : "")}";
        if (param.IsList)
        {
            var depth = Depth(value);
            if (depth != 1) return $"Value must be a 1D array with shape (-1,) for param {spec}, received {PythonText.TypeOf(value)} with ndim {depth.ToString(CultureInfo.InvariantCulture)}";
            foreach (var item in value.EnumerateArray())
                if (Scalar(param.Type, item) is { } why) return $"Failed to validate type and shape for {spec}, error: {why}";
            return null;
        }
        return Scalar(param.Type, value) is { } reason ? $"Failed to validate type and shape for {spec}, error: {reason}" : null;
    }

    static int Depth(JsonElement value) => value.ValueKind != JsonValueKind.Array ? 0 : 1 + (value.GetArrayLength() == 0 ? 0 : value.EnumerateArray().Max(Depth));

    static string? Scalar(string type, JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Null) return null;
        if (type == "object") return value.ValueKind == JsonValueKind.Object ? null : $"Expected data to be dictionary, got {PythonText.TypeOf(value)}";
        var name = "DataType." + type;
        if (type == "datetime")
            return value.ValueKind == JsonValueKind.String && DateTimeOffset.TryParse(value.GetString(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out _) ? null
                : $"Failed to convert value `{PythonText.Of(value)}` from type `<class '{PythonText.TypeOf(value)}'>` to `{name}`";
        if (value.ValueKind is JsonValueKind.Array or JsonValueKind.Object) return $"Value must be a scalar for type `{name}`, got `{PythonText.Of(value)}`";
        var fits = (type, PythonText.TypeOf(value)) is ("boolean", "bool") or ("integer" or "long" or "float" or "double", "int") or ("float" or "double", "float") or ("string", "str");
        return fits ? null : $"Can not safely convert `<class '{PythonText.TypeOf(value)}'>` to `{name}` for value `{PythonText.Of(value)}`";
    }

    /// <summary>A whole number that is to be a fractional one is written so that Python reads one.</summary>
    static void Write(Utf8JsonWriter json, ModelParam param, JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Array && param.IsList)
        {
            json.WriteStartArray();
            foreach (var item in value.EnumerateArray()) Write(json, param, item);
            json.WriteEndArray();
        }
        else if (param.Type is "float" or "double" && value.ValueKind == JsonValueKind.Number && PythonText.TypeOf(value) == "int") json.WriteRawValue(value.GetRawText() + ".0");
        else value.WriteTo(json);
    }
}
