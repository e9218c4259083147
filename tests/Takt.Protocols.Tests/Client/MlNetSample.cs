using Microsoft.ML;
using Takt.Client;

namespace Takt.Protocols.Tests.Client;

/// <summary>The code of docs/runtimes.md, which runs in <see cref="MlNetSampleTests"/>; between the marks it stands there word for word.</summary>
static class MlNetSample
{
    internal sealed class Customer
    {
        public float Age { get; set; }
        public float Visits { get; set; }
        public string City { get; set; } = "";
        public bool Churned { get; set; }
    }

    public static async Task<(string Version, ITransformer Trained)> TrainAndRegister(string address, string folder, IEnumerable<Customer> customers)
    {
        // begin: mlnet
        var ml = new MLContext(seed: 1);
        var data = ml.Data.LoadFromEnumerable(customers);
        var trained = ml.Transforms.Categorical.OneHotEncoding("City")
            .Append(ml.Transforms.Concatenate("Features", "Age", "Visits", "City"))
            .Append(ml.BinaryClassification.Trainers.FastTree("Churned"))
            .Fit(data);
        ml.Model.Save(trained, data.Schema, Path.Combine(folder, "model.zip"));
        await File.WriteAllTextAsync(Path.Combine(folder, "MLmodel"), "flavors: { mlnet: { data: model.zip } }\nmetadata: { task: binary, target: Churned }\n");

        using var takt = new TaktClient(address);
        await using var run = await takt.StartRun("churn");
        var model = await run.LogModel("churn-model", folder);
        var version = await takt.Register("churn", model.Uri, run.Id);
        await run.End();
        // end: mlnet
        return (version.Reference, trained);
    }
}
