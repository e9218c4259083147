using System.Text.Json;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;
using Takt.Data;

namespace Takt.Models;

/// <summary>A model package that Takt did not make: its <c>MLmodel</c> file, and what its flavor's own file tells beside that.</summary>
static class MlflowModel
{
    const int LargestMlModel = 16 << 20;

    /// <summary>What Takt needs to know of it.</summary>
    /// <exception cref="TaktException">Invalid: the file is damaged. NotSupported: Takt can't run it; the message says why.</exception>
    public static ModelPackage Read(string folder)
    {
        var path = Path.Combine(folder, ModelPackage.MlModelFile);
        if (new FileInfo(path).Length > LargestMlModel) throw new TaktException(TaktError.TooLarge, $"{path} is longer than {LargestMlModel} bytes");
        var root = Root(path);
        var schema = Member(root, "signature") is YamlMappingNode signature ? Text(signature, "params") : null;
        var parameters = ModelParams.Read(schema, path);
        var package = Read(folder, path, root, parameters);
        return parameters is null ? package : package with { Info = package.Info with { Params = schema } };
    }

    static ModelPackage Read(string folder, string path, YamlMappingNode root, ModelParams? parameters)
    {
        if (Member(root, "flavors") is not YamlMappingNode flavors) throw TaktException.Invalid($"{path} names no flavors: it is no MLflow model");
        if (Member(flavors, "lightgbm") is YamlMappingNode lightgbm && !(IsPickled(lightgbm) && Member(flavors, PythonModel.Flavor) is not null)) return LightGbm(folder, path, root, lightgbm);
        if (Member(flavors, "onnx") is YamlMappingNode onnx) return Onnx(folder, path, root, onnx);
        if (Member(flavors, "xgboost") is YamlMappingNode xgboost && XgBoost(folder, path, root, xgboost, parameters) is { } trees) return trees;
        if (Member(flavors, "mlnet") is YamlMappingNode mlnet) return MlNet(folder, path, root, mlnet);
        if (MlflowPython.Read(folder, path, root, flavors) is { } python) return python;
        throw new TaktException(TaktError.NotSupported,
            $"the model is an MLflow model of the flavor {string.Join(", ", flavors.Children.Keys.Select(k => $"{k}").Where(k => k != "python_function").DefaultIfEmpty("python_function"))}; of MLflow's own Takt runs lightgbm, onnx and xgboost here, and those with python_function");
    }

    /// <summary>What it takes and gives stands in the zip; the signature, where there is one, tells those who do not open it.</summary>
    static ModelPackage MlNet(string folder, string path, YamlMappingNode root, YamlMappingNode flavor)
    {
        var file = Text(flavor, "data") ?? "model.zip";
        _ = MlflowPython.Inside(folder, file, path);
        var ((inputs, _), (outputs, _)) = (MlflowPython.Side(root, "inputs", path), MlflowPython.Side(root, "outputs", path));
        var task = Member(root, "metadata") is YamlMappingNode metadata ? Text(metadata, "task") : null;
        var target = Member(root, "metadata") is YamlMappingNode more ? Text(more, "target") : null;
        var info = new PackageInfo(PackageInfo.CurrentFormat, task == "binary" ? task : "regression", target ?? "", outputs?[0].Name ?? (task == "binary" ? "Probability" : "Score"), "mlnet",
            inputs?.Select(f => new Feature(f.Name, f.Type)).ToList() ?? [], new Dictionary<string, double>(), 0, new TableProfile(0, []))
        { Declared = new Signature(inputs ?? [], outputs ?? []) };
        return new ModelPackage(folder, "mlnet", info) { ModelFile = file };
    }

    static bool IsPickled(YamlMappingNode lightgbm) => Text(lightgbm, "data") is { } file && !file.EndsWith(".lgb", StringComparison.Ordinal) && !file.EndsWith(".txt", StringComparison.Ordinal);

    static ModelPackage LightGbm(string folder, string path, YamlMappingNode root, YamlMappingNode flavor)
    {
        var file = DataFile(path, flavor, "model.lgb");
        if (!file.EndsWith(".lgb", StringComparison.Ordinal) && !file.EndsWith(".txt", StringComparison.Ordinal))
            throw new TaktException(TaktError.NotSupported, $"the model keeps a pickled {Text(flavor, "model_class") ?? "Python object"} in {file}, which only Python opens; log its booster instead: mlflow.lightgbm.log_model(model.booster_, …)");
        var text = LightGbmText.Read(Existing(folder, file));
        var inputs = Columns(root, "inputs", path);
        var names = inputs is not null && inputs.All(i => i.Name.Length > 0) ? inputs.ConvertAll(i => i.Name) : text.Features;
        if (names.Count != text.Features.Count)
            throw TaktException.Invalid($"{path}: the signature has {names.Count} inputs, {file} has {text.Features.Count} features");
        var features = names.Select((name, i) => new Feature(name, inputs is not null ? inputs[i].Type : FieldType.Double, text.Categories[i])).ToList();
        var binary = text.Objective == "binary";
        var output = Columns(root, "outputs", path) is [{ Name.Length: > 0 } only] ? only.Name : binary ? "probability" : "prediction";
        var info = new PackageInfo(PackageInfo.CurrentFormat, binary ? "binary" : "regression", "", output, "lightgbm", features, new Dictionary<string, double>(), 0, new TableProfile(0, []));
        // the text knows classes by their numbers only
        if (text.Classes > 1) info = info with { Task = "multiclass", Output = PackageInfo.ClassOutput, Classes = [.. Enumerable.Range(0, text.Classes).Select(c => $"{c}")] };
        return new ModelPackage(folder, info.Algorithm, info) { ModelFile = file };
    }

    /// <summary>What it takes stands in the model itself; the signature names the columns of a tabular one.</summary>
    static ModelPackage Onnx(string folder, string path, YamlMappingNode root, YamlMappingNode flavor)
    {
        var file = DataFile(path, flavor, "model.onnx");
        Existing(folder, file);
        var inputs = Columns(root, "inputs", path) ?? [];
        var output = Columns(root, "outputs", path) is [{ Name.Length: > 0 } only] ? only.Name : "";
        var features = inputs.All(i => i.Name.Length > 0) ? inputs.ConvertAll(i => new Feature(i.Name, i.Type)) : [];
        var task = output.Contains("probabilit", StringComparison.OrdinalIgnoreCase) ? "binary" : "regression";
        return new ModelPackage(folder, "onnx", new PackageInfo(PackageInfo.CurrentFormat, task, "", output, "onnx", features, new Dictionary<string, double>(), 0, new TableProfile(0, []))) { ModelFile = file };
    }

    /// <summary>What it takes stands in the model itself; the signature has its say about names and types. Null: only Python can do it, and may: in XGBoost's old binary format, or with params that XGBoost's own predict takes.</summary>
    static ModelPackage? XgBoost(string folder, string path, YamlMappingNode root, YamlMappingNode flavor, ModelParams? parameters)
    {
        var hasPython = Member((YamlMappingNode)Member(root, "flavors")!, PythonModel.Flavor) is not null;
        if (parameters?.All.FirstOrDefault(p => PredictTakes.Contains(p.Name)) is { } own)
            return hasPython ? null : throw new TaktException(TaktError.NotSupported, $"{path}: the signature's param '{own.Name}' changes what XGBoost itself gives, which only Python does; log the model with python_function");
        const int Tail = 64 << 10;
        var file = DataFile(path, flavor, "model.xgb");
        using var model = File.OpenRead(Existing(folder, file));
        if (model.ReadByte() != '{' && hasPython) return null;
        model.Seek(Math.Max(0, model.Length - Tail), SeekOrigin.Begin); // the objective stands after the trees, as text in JSON and UBJ alike
        var end = new byte[Tail];
        var binary = end.AsSpan(0, model.ReadAtLeast(end, Tail, throwOnEndOfStream: false)) is var tail && (tail.IndexOf("binary:logistic"u8) >= 0 || tail.IndexOf("binary:hinge"u8) >= 0 || tail.IndexOf("reg:logistic"u8) >= 0);
        var inputs = Columns(root, "inputs", path) ?? [];
        var features = inputs.All(i => i.Name.Length > 0) ? inputs.ConvertAll(i => new Feature(i.Name, i.Type)) : [];
        var output = Columns(root, "outputs", path) is [{ Name.Length: > 0 } only] ? only.Name : "";
        return new ModelPackage(folder, "xgboost", new PackageInfo(PackageInfo.CurrentFormat, binary ? "binary" : "regression", "", output, "xgboost", features, new Dictionary<string, double>(), 0, new TableProfile(0, []))) { ModelFile = file };
    }

    /// <summary>Of XGBoost 1.7 to 3: Booster.predict and XGBModel.predict. Of lightgbm and onnx models MLflow passes over all params.</summary>
    static readonly HashSet<string> PredictTakes = new(StringComparer.Ordinal)
    {
        "output_margin", "ntree_limit", "pred_leaf", "pred_contribs", "approx_contribs", "pred_interactions", "validate_features", "training", "iteration_range", "strict_shape", "base_margin",
    };

    static string DataFile(string path, YamlMappingNode flavor, string usual)
    {
        var file = Text(flavor, "data") ?? usual;
        return file.Contains("..", StringComparison.Ordinal) || Path.IsPathRooted(file) ? throw TaktException.Invalid($"{path}: data '{file}' leads out of the model") : file;
    }

    static string Existing(string folder, string file) => File.Exists(Path.Combine(folder, file)) ? Path.Combine(folder, file)
        : throw TaktException.NotFound($"the model package {folder} has no {file}, which its {ModelPackage.MlModelFile} names");

    static YamlMappingNode Root(string path)
    {
        try
        {
            using var reader = new StreamReader(path);
            var yaml = new YamlStream();
            yaml.Load(reader);
            return yaml.Documents is [{ RootNode: YamlMappingNode root }] ? root : throw TaktException.Invalid($"{path} is no MLmodel file: it holds no mapping");
        }
        catch (YamlException e)
        {
            throw new TaktException(TaktError.Invalid, $"{path}:{e.Start.Line}:{e.Start.Column} is damaged: {e.Message}", e);
        }
    }

    /// <summary>Of the signature; null: it has none, or tensors.</summary>
    static List<(string Name, FieldType Type)>? Columns(YamlMappingNode root, string side, string path)
    {
        if (Member(root, "signature") is not YamlMappingNode signature || Text(signature, side) is not { Length: > 0 } json || json == "null") return null;
        try
        {
            using var schema = JsonDocument.Parse(json);
            if (schema.RootElement.ValueKind != JsonValueKind.Array) return null;
            var columns = new List<(string, FieldType)>();
            foreach (var column in schema.RootElement.EnumerateArray())
            {
                if (!Enum.TryParse<FieldType>(column.GetProperty("type").GetString(), ignoreCase: true, out var type)) return null;
                columns.Add((column.TryGetProperty("name", out var name) ? name.GetString() ?? "" : "", type));
            }
            return columns;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new TaktException(TaktError.Invalid, $"{path}: the signature's {side} can't be read: {e.Message}", e);
        }
    }

    internal static YamlNode? Member(YamlMappingNode node, string name) => node.Children.TryGetValue(new YamlScalarNode(name), out var value) ? value : null;

    internal static string? Text(YamlMappingNode node, string name) => Member(node, name) is YamlScalarNode scalar ? scalar.Value : null;
}
