using Takt.ML.MlNet;
using Takt.Models;

namespace Takt.ML.Runtimes;

/// <summary>Answers with ML.NET: a pipeline saved by <c>MLContext.Model.Save</c>, in a package of the flavor <c>mlnet</c>.</summary>
public sealed class MlNetRuntime : IModelRuntime
{
    public string Flavor => "mlnet";

    public ILoadedModel Load(string folder)
    {
        var package = ModelPackage.Open(folder);
        return MlNetModel.Load(package.PathOf(package.ModelFile ?? "model.zip"));
    }
}
