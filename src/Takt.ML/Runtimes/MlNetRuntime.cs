using Takt.ML.MlNet;
using Takt.ML.Onnx;
using Takt.Models;

namespace Takt.ML.Runtimes;

/// <summary>Answers with ML.NET: a pipeline saved by <c>MLContext.Model.Save</c>, in a package of the flavor <c>mlnet</c>.</summary>
public sealed class MlNetRuntime : IModelRuntime
{
    public string Flavor => "mlnet";

    public ILoadedModel Load(string folder) => Open(ModelPackage.Open(folder));

    public IReadOnlyDictionary<string, double> Convert(string folder, string to, string target)
    {
        if (to != "onnx") throw new TaktException(TaktError.NotSupported, $"an mlnet model can be converted to onnx, not to '{to}'");
        var package = ModelPackage.Open(folder);
        using var model = Open(package);
        var rows = MlNetSamples.Make(model, MlNetTrees.Of(model.Transformer), OnnxConversion.Rows);
        var info = package.Info with { Algorithm = "onnx", Features = model.Signature.Inputs.Select(f => new Feature(f.Name, f.Type)).ToList(), Declared = model.Signature };
        var worst = OnnxConversion.Write(model.ToOnnx(), info, rows, model, target);
        return new Dictionary<string, double> { ["rows"] = OnnxConversion.Rows, ["max_difference"] = worst };
    }

    static MlNetModel Open(ModelPackage package) => MlNetModel.Load(package.PathOf(package.ModelFile ?? "model.zip"), package.Params);
}
