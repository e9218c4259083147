using System.Text.RegularExpressions;
using Microsoft.ML;
using Takt.Client;
using Takt.Deployments;

namespace Takt.Protocols.Tests.Client;

public sealed class MlNetSampleTests
{
    sealed class Answer
    {
        public float Probability { get; set; }
    }

    [Fact]
    public async Task A_model_trained_in_CSharp_is_logged_registered_deployed_and_asked()
    {
        await using var served = await ServedModel.Start();
        var folder = Directory.CreateTempSubdirectory("takt-mlnet").FullName;
        try
        {
            var random = new Random(1);
            var customers = Enumerable.Range(0, 400).Select(_ => new MlNetSample.Customer { Age = random.Next(18, 90), Visits = random.Next(20), City = "ABC"[random.Next(3)].ToString() }).ToList();
            foreach (var customer in customers) customer.Churned = customer.Visits < 8 && customer.City != "A";
            var address = served.Server.Address.ToString();
            var (version, trained) = await MlNetSample.TrainAndRegister(address, folder, customers);
            await served.Server.App.Deployments.Deploy(new DeploymentSpec("churn", [1], TimeSpan.Zero, 0, [], null, true, null), version);
            await served.Ready("churn");
            using var takt = new TaktClient(address);
            var answer = await takt.Score("churn", new Dictionary<string, Array>
            {
                ["Age"] = customers.Select(c => c.Age).ToArray(),
                ["Visits"] = customers.Select(c => c.Visits).ToArray(),
                ["City"] = customers.Select(c => c.City).ToArray(),
            });
            using var engine = new MLContext().Model.CreatePredictionEngine<MlNetSample.Customer, Answer>(trained);
            Assert.Equal(customers.Select(c => engine.Predict(c).Probability), answer.Numbers("Probability").Select(p => (float)p));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task The_sample_in_the_documentation_is_the_code_that_is_tested()
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(root!.FullName, "Takt.slnx"))) root = root.Parent;
        var docs = await File.ReadAllTextAsync(Path.Combine(root.FullName, "docs", "runtimes.md"));
        var code = await File.ReadAllTextAsync(Path.Combine(root.FullName, "tests", "Takt.Protocols.Tests", "Client", "MlNetSample.cs"));
        var snippet = Regex.Replace(Assert.Single(Regex.Matches(code, @"// begin: (\w+)\n(.*?)\n\s*// end: \1", RegexOptions.Singleline)).Groups[2].Value, "^        ", "", RegexOptions.Multiline);
        Assert.Contains("```csharp\n" + snippet + "\n```", docs);
    }
}
