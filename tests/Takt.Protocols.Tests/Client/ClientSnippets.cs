using Takt.Client;

namespace Takt.Protocols.Tests.Client;

/// <summary>The code of docs/client.md, which runs in <see cref="ClientTests"/>; between the marks it stands there word for word.</summary>
static class ClientSnippets
{
    public static async Task<string> LogARun(string address)
    {
        // begin: run
        using var takt = new TaktClient(address);
        await using var run = await takt.StartRun("churn", "nightly", new Dictionary<string, string> { ["team"] = "growth" });
        await run.LogParams(new Dictionary<string, string> { ["lr"] = "0.1", ["trees"] = "200" });
        for (var step = 0; step < 5000; step++) await run.LogMetric("loss", 1.0 / (step + 1), step); // buffered, sent in batches
        await run.Upload("notes.txt", new MemoryStream("what I tried"u8.ToArray()));
        await run.End(); // everything is durable now
        // end: run
        return run.Id;
    }

    public static async Task<string> RegisterAModel(string address, string folder)
    {
        using var takt = new TaktClient(address);
        // begin: register
        await using var run = await takt.StartRun("churn");
        await run.LogInput("customers", "3f0c1a2b", "s3://lake/customers.parquet", "training");
        var model = await run.LogModel("churn-model", folder);
        var version = await takt.Register("churn", model.Uri, run.Id);
        await takt.SetAlias("churn", "challenger", version.Version);
        await run.End();
        // end: register
        return (await takt.GetVersion("churn@challenger")).Reference;
    }

    public static async Task<double[]> ScoreAnEndpoint(string address)
    {
        using var takt = new TaktClient(address);
        // begin: score
        var answer = await takt.Score("m", new Dictionary<string, Array> { ["x"] = new[] { 0.2, 0.9 }, ["c"] = new[] { "a", "b" } });
        double[] probability = answer.Numbers("probability");
        await takt.Label("m", new Dictionary<string, double> { [answer.Row(0)] = 0, [answer.Row(1)] = 1 }); // when the truth is known
        // end: score
        // begin: keys
        await takt.Score("m", new Dictionary<string, Array> { ["x"] = new[] { 0.2, 0.9 }, ["c"] = new[] { "a", "b" } }, ["order-17", "order-18"]);
        await takt.LabelKeys("m", new Dictionary<string, double> { ["order-17"] = 0, ["order-18"] = 1 }); // weeks later, by who knows orders only
        // end: keys
        return probability;
    }

    public static async Task<List<string>> FindRuns(string address)
    {
        using var takt = new TaktClient(address, new TaktClientOptions { Attempts = 10, LongestWait = TimeSpan.FromSeconds(5) });
        var names = new List<string>();
        // begin: search
        await foreach (var run in takt.SearchRuns("churn", "metrics.loss < 0.01 and params.lr = '0.1'", "metrics.loss ASC"))
            names.Add($"{run.Name}: {run.Metrics["loss"]}");
        // end: search
        return names;
    }
}
