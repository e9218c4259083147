using Takt.Models;

namespace Takt.ML.Runtimes;

/// <summary>
/// Answers with ONNX Runtime on the caller's thread: as tensors, and as rows where the model's inputs are a matrix of numbers or one value a row each. The native library
/// (29 MB) is loaded by the first model, not by the program.
/// </summary>
public sealed class OnnxRuntime : IModelRuntime
{
    public const string ModelFile = "model.onnx";

    public string Flavor => "onnx";

    public ILoadedModel Load(string folder) => Load(folder, RuntimeSettings.Default);

    public ILoadedModel Load(string folder, RuntimeSettings settings)
    {
        var package = ModelPackage.Open(folder);
        var path = package.PathOf(package.ModelFile ?? ModelFile);
        if (!File.Exists(path)) throw TaktException.NotFound($"the model package {folder} has no {package.ModelFile ?? ModelFile}");
        var session = OnnxSession.Open(path);
        try
        {
            return new OnnxModel(session, package.Info, settings) { Params = package.Params };
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }
}
