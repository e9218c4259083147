using System.Text;
using System.Text.Json;

namespace Takt.Models;

/// <summary>A model as a folder in MLflow's MLmodel format: <c>MLmodel</c>, <c>takt.json</c> and the flavor's own file.</summary>
public sealed record ModelPackage(string Folder, string Flavor, PackageInfo Info)
{
    public const string MlModelFile = "MLmodel";
    public const string InfoFile = "takt.json";

    /// <summary>The flavor's own file in an MLflow model; null: that of Takt's own packages.</summary>
    public string? ModelFile { get; init; }

    /// <summary>How Python runs it; null: it need not.</summary>
    public PythonModel? Python { get; init; }

    /// <summary>That its signature allows at inference time; null: none.</summary>
    /// <exception cref="TaktException">Invalid: they can't be read.</exception>
    public ModelParams? Params => ModelParams.Read(Info.Params, PathOf(MlModelFile));

    public string PathOf(string file) => Path.Combine(Folder, file);

    /// <exception cref="TaktException">NotFound: a file of the package is missing. Invalid: one is damaged.</exception>
    public static ModelPackage Open(string folder)
    {
        if (!File.Exists(Path.Combine(folder, MlModelFile))) throw TaktException.NotFound($"no model package in {folder}: it has no {MlModelFile} file{(File.Exists(Path.Combine(folder, "predict.py")) ? $"; beside a predict.py write one with flavors: {{ {PythonModel.ScriptFlavor}: {{}} }} and signature: {{ inputs: {{ NAME: double }}, outputs: {{ NAME: double }} }}" : "")}");
        var path = Path.Combine(folder, InfoFile);
        if (!File.Exists(path)) return MlflowModel.Read(folder);
        try
        {
            var info = JsonSerializer.Deserialize(File.ReadAllBytes(path), ModelsJson.Default.PackageInfo) ?? throw TaktException.Invalid($"{path} is empty");
            if (info.Format != PackageInfo.CurrentFormat) throw TaktException.Invalid($"{path} has format {info.Format}; this Takt reads {PackageInfo.CurrentFormat}");
            return new ModelPackage(folder, info.Algorithm, info);
        }
        catch (JsonException e)
        {
            throw new TaktException(TaktError.Invalid, $"{path} is damaged: {e.Message}", e);
        }
    }

    /// <summary>Writes <c>MLmodel</c> and <c>takt.json</c> beside the flavor's file, which is there already.</summary>
    /// <param name="flavor">The flavor's own lines of YAML, each indented by two levels.</param>
    public static void Write(string folder, PackageInfo info, string flavor, string loader, string file)
    {
        var text = new StringBuilder();
        text.Append("flavors:\n")
            .Append("  ").Append(info.Algorithm).Append(":\n").Append(flavor)
            .Append("  python_function:\n")
            .Append("    data: ").Append(file).Append('\n')
            .Append("    loader_module: ").Append(loader).Append('\n')
            .Append("signature:\n")
            .Append("  inputs: '").Append(Schema(info.Signature.Inputs)).Append("'\n")
            .Append("  outputs: '").Append(Schema(info.Signature.Outputs)).Append("'\n")
            .Append("  params: ").Append(info.Params is { } schema ? $"'{Quoted(schema)}'" : "null").Append('\n');
        Storage.Files.WriteAtomically(Path.Combine(folder, MlModelFile), text.ToString());
        Storage.Files.WriteAtomically(Path.Combine(folder, InfoFile), JsonSerializer.SerializeToUtf8Bytes(info, ModelsJson.Default.PackageInfo));
    }

    static string Quoted(string json) => json.ReplaceLineEndings(" ").Replace("'", "''", StringComparison.Ordinal);

    /// <summary>MLflow's column schema as JSON, single quotes doubled for YAML.</summary>
    static string Schema(IReadOnlyList<Field> fields)
    {
        using var body = new MemoryStream();
        using (var json = new Utf8JsonWriter(body))
        {
            json.WriteStartArray();
            foreach (var field in fields)
            {
                json.WriteStartObject();
                json.WriteString("type", field.Type.ToString().ToLowerInvariant());
                json.WriteString("name", field.Name);
                json.WriteBoolean("required", field.Required);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        return Quoted(Encoding.UTF8.GetString(body.ToArray()));
    }
}
