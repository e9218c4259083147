using System.Text.Json;
using YamlDotNet.RepresentationModel;
using Takt.Data;

namespace Takt.Models;

/// <summary>Packages that Python runs: flavor <c>python_function</c>, and <c>predict_py</c> for a script of the user's own.</summary>
static class MlflowPython
{
    const int MostColumns = 10_000;

    static readonly Dictionary<string, FieldType> NumpyTypes = new(StringComparer.Ordinal)
    {
        ["float64"] = FieldType.Double,
        ["float32"] = FieldType.Float,
        ["float16"] = FieldType.Float,
        ["int64"] = FieldType.Long,
        ["uint32"] = FieldType.Long,
        ["int32"] = FieldType.Integer,
        ["int16"] = FieldType.Integer,
        ["int8"] = FieldType.Integer,
        ["uint16"] = FieldType.Integer,
        ["uint8"] = FieldType.Integer,
        ["bool"] = FieldType.Boolean,
        ["str"] = FieldType.String,
        ["object"] = FieldType.String,
    };

    /// <returns>Null: the package has neither flavor.</returns>
    /// <exception cref="TaktException">Invalid: the package is damaged. NotSupported: it takes or gives something that is no table.</exception>
    public static ModelPackage? Read(string folder, string path, YamlMappingNode root, YamlMappingNode flavors)
    {
        string? script = null;
        if (flavors.Children.TryGetValue(new YamlScalarNode(PythonModel.ScriptFlavor), out var own))
        {
            script = (own is YamlMappingNode options ? MlflowModel.Text(options, "file") : null) ?? "predict.py";
            if (!File.Exists(Inside(folder, script, path))) throw TaktException.NotFound($"the model package {folder} has no {script}, with predict(model, columns)");
        }
        var function = MlflowModel.Member(flavors, PythonModel.Flavor) as YamlMappingNode;
        if (script is null && function is null) return null;

        var (inputs, matrix) = Side(root, "inputs", path);
        if (inputs is null)
            throw TaktException.Invalid(script is null ? $"{path} has no signature, so Takt can't know what to ask the model for; log it with signature=infer_signature(inputs, outputs) or input_example="
                : $"{path} has no signature; say what the model takes and gives, such as signature: {{ inputs: {{ age: double, city: string }}, outputs: {{ risk: double }} }}");
        var (outputs, _) = Side(root, "outputs", path);
        var pickle = MlflowModel.Member(flavors, "sklearn") is YamlMappingNode sklearn ? MlflowModel.Text(sklearn, "pickled_model") : null;
        if (pickle is not null) _ = Inside(folder, pickle, path);
        var code = function is not null && MlflowModel.Text(function, "code") is { Length: > 0 } modules ? new[] { modules } : [];
        foreach (var modulesFolder in code) _ = Inside(folder, modulesFolder, path);
        var example = MlflowModel.Member(root, "saved_input_example_info") is YamlMappingNode saved ? MlflowModel.Text(saved, "artifact_path") : null;
        if (example is not null) _ = Inside(folder, example, path);
        var metadata = MlflowModel.Member(root, "metadata") as YamlMappingNode;
        var task = metadata is null ? null : MlflowModel.Text(metadata, "task");
        if (task is not (null or "binary" or "regression")) throw TaktException.Invalid($"{path}: metadata.task is '{task}'; it may be binary or regression");
        var gives = outputs ?? [new Field("prediction", FieldType.Double)];
        var info = new PackageInfo(PackageInfo.CurrentFormat, task ?? "regression", (metadata is null ? null : MlflowModel.Text(metadata, "target")) ?? "", gives[0].Name, PythonModel.Flavor,
            inputs.Select(f => new Feature(f.Name, f.Type)).ToList(), new Dictionary<string, double>(), 0, new TableProfile(0, []))
        { Declared = new Signature(inputs, gives) };
        return new ModelPackage(folder, PythonModel.Flavor, info)
        {
            Python = new PythonModel(script, pickle, (function is null ? null : MlflowModel.Text(function, "predict_fn")) ?? "predict", code, matrix, example, outputs is not null),
        };
    }

    internal static string Inside(string folder, string file, string path) =>
        Path.IsPathRooted(file) || file.Split('/').Contains("..") ? throw TaktException.Invalid($"{path}: '{file}' leads out of the model") : Path.Combine(folder, file);

    /// <summary>One side of the signature; its columns, and the numpy type when they are one array's. No columns: it says nothing.</summary>
    internal static (List<Field>? Fields, string? Matrix) Side(YamlMappingNode root, string side, string path)
    {
        if (MlflowModel.Member(root, "signature") is not YamlMappingNode signature || MlflowModel.Member(signature, side) is not { } node) return (null, null);
        if (node is YamlMappingNode names) return (Checked(names.Children.Select(c => Named($"{c.Key}", c.Value is YamlScalarNode type ? type.Value : null, true, side, path)).ToList(), side, path), null);
        if (node is YamlSequenceNode list)
            return (Checked(list.Children.Select((c, i) => c is YamlMappingNode column
                ? Named(MlflowModel.Text(column, "name") ?? Unnamed(side, i, list.Children.Count), MlflowModel.Text(column, "type"), MlflowModel.Text(column, "required") != "false", side, path)
                : throw TaktException.Invalid($"{path}: the signature's {side} must be columns such as {{ name: age, type: double }}")).ToList(), side, path), null);
        if (node is not YamlScalarNode { Value: { Length: > 0 } json } || json == "null") return (null, null);
        try
        {
            using var schema = JsonDocument.Parse(json);
            var columns = schema.RootElement.EnumerateArray().ToList();
            if (columns.Count == 0) return (null, null);
            if (columns.Any(c => c.GetProperty("type").GetString() == "tensor")) return Tensor(columns, side, path);
            return (Checked(columns.Select((c, i) => Named(c.TryGetProperty("name", out var name) && name.GetString() is { Length: > 0 } given ? given : Unnamed(side, i, columns.Count),
                c.GetProperty("type").GetString(), !c.TryGetProperty("required", out var required) || required.ValueKind != JsonValueKind.False, side, path)).ToList(), side, path), null);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new TaktException(TaktError.Invalid, $"{path}: the signature's {side} can't be read: {e.Message}", e);
        }
    }

    /// <summary>One array of rows, or of rows × columns.</summary>
    static (List<Field>? Fields, string? Matrix) Tensor(List<JsonElement> tensors, string side, string path)
    {
        var spec = tensors[0].GetProperty("tensor-spec");
        var (dtype, shape) = (spec.GetProperty("dtype").GetString()!, spec.GetProperty("shape").EnumerateArray().Select(n => n.GetInt64()).ToList());
        var outputs = side == "outputs";
        if (tensors.Count > 1 || shape.Count is 0 or > 2 || shape[0] != -1 || !NumpyTypes.TryGetValue(dtype, out var type) || (!outputs && type == FieldType.String) || (!outputs && shape is not [_, > 0 and <= MostColumns]))
            return outputs ? (null, null) : throw new TaktException(TaktError.NotSupported,
                $"{path}: the signature's {side} are tensors ({string.Join(", ", tensors.Select(t => t.GetProperty("tensor-spec").GetRawText()))}); the Python runtime takes named columns, or one array of numbers with the shape [-1, columns]");
        if (outputs && shape is [_, < 1 or > MostColumns]) return (null, null);
        var columns = shape.Count == 1 ? 1 : (int)shape[1];
        return (Enumerable.Range(0, columns).Select(i => new Field(outputs ? Unnamed(side, i, columns) : $"x{i}", type)).ToList(), outputs ? null : dtype);
    }

    static string Unnamed(string side, int place, int count) => side == "inputs" ? $"x{place}" : count == 1 ? "prediction" : $"prediction_{place}";

    static Field Named(string name, string? type, bool required, string side, string path) => Enum.TryParse<FieldType>(type, ignoreCase: true, out var known) && !int.TryParse(type, out _) ? new Field(name, known, required)
        : throw new TaktException(TaktError.NotSupported, $"{path}: '{name}' of the signature's {side} is {type ?? "of no type"}; Takt takes boolean, integer, long, float, double, string, binary and datetime");

    static List<Field> Checked(List<Field> fields, string side, string path)
    {
        if (fields.Count is 0 or > MostColumns) throw TaktException.Invalid($"{path}: the signature's {side} has {fields.Count} columns; 1 to {MostColumns} are allowed");
        if (fields.GroupBy(f => f.Name, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1) is { } twice) throw TaktException.Invalid($"{path}: the signature's {side} name '{twice.Key}' twice");
        return fields;
    }
}
