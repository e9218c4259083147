using System.Net;
using System.Text.RegularExpressions;
using Takt.Client;
using Takt.Deployments;
using Takt.Protocols.Tests.Mlflow;

namespace Takt.Protocols.Tests.Client;

/// <summary>Takt.Client against a server that listens on a port, on a good network and on a bad one.</summary>
public sealed class ClientTests
{
    static readonly TaktClientOptions Quick = new() { FirstWait = TimeSpan.FromMilliseconds(1), LongestWait = TimeSpan.FromMilliseconds(20), MetricDelay = TimeSpan.FromMilliseconds(5) };

    static (TaktClient Client, FlakyHandler Network) Flaky(MlflowServer server, TaktClientOptions? options = null)
    {
        var network = new FlakyHandler(new SocketsHttpHandler());
        return (new TaktClient(new HttpClient(network) { BaseAddress = server.Client.BaseAddress }, options ?? Quick), network);
    }

    [Fact]
    public async Task A_run_is_logged_with_all_its_points_params_tags_and_artifacts()
    {
        await using var server = await MlflowServer.Start();
        var address = server.Client.BaseAddress!.ToString();
        var id = await ClientSnippets.LogARun(address);

        using var takt = new TaktClient(address);
        var run = await takt.GetRun(id);
        Assert.Equal(("nightly", "FINISHED", "growth", "0.1", "200"), (run.Name, run.Status, run.Tags["team"], run.Params["lr"], run.Params["trees"]));
        Assert.NotNull(run.EndedAt);
        var points = await takt.History(id, "loss");
        Assert.Equal(Enumerable.Range(0, 5000).Select(s => (1.0 / (s + 1), (long)s)), points.Select(p => (p.Value, p.Step)));
        await using var again = await takt.ContinueRun(id);
        await using (var content = await again.Open("notes.txt")) Assert.Equal("what I tried", await new StreamReader(content).ReadToEndAsync());
        Assert.Equal(new ArtifactInfo("notes.txt", 12), Assert.Single(await again.List()));
        await again.End();
        Assert.Equal("nightly: 0.0002", Assert.Single(await ClientSnippets.FindRuns(address)));
    }

    [Fact]
    public async Task A_model_is_logged_registered_and_found_by_its_alias()
    {
        await using var server = await MlflowServer.Start();
        var folder = Directory.CreateTempSubdirectory("takt-client").FullName;
        try
        {
            await File.WriteAllTextAsync(Path.Combine(folder, "MLmodel"), "flavors: {}\n");
            Directory.CreateDirectory(Path.Combine(folder, "data"));
            await File.WriteAllTextAsync(Path.Combine(folder, "data", "weights ä.bin"), "w");
            Assert.Equal("churn@1", await ClientSnippets.RegisterAModel(server.Client.BaseAddress!.ToString(), folder));
            Assert.Equal("churn@2", await ClientSnippets.RegisterAModel(server.Client.BaseAddress!.ToString(), folder));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task An_endpoint_answers_and_takes_labels()
    {
        await using var served = await ServedModel.Start();
        var probability = await ClientSnippets.ScoreAnEndpoint(served.Server.Address.ToString());
        Assert.True(probability[0] < 0.5 && probability[1] > 0.5, string.Join(" ", probability));
        using var takt = new TaktClient(served.Server.Address.ToString());
        var rows = System.Text.Json.Nodes.JsonNode.Parse(await served.Http.GetStringAsync("/api/v1/deployments/m/predictions"))!["predictions"]!.AsArray();
        Assert.Equal([0.0, 1.0, 0.0, 1.0], rows.OrderBy(r => r!["id"]!.GetValue<string>(), StringComparer.Ordinal).Select(r => r!["label"]!.GetValue<double>())); // by id, by key
        var missing = await Assert.ThrowsAsync<TaktClientException>(() => takt.Score("nosuch", new Dictionary<string, Array> { ["x"] = new[] { 1.0 } }));
        Assert.Equal(HttpStatusCode.NotFound, missing.Status);
        Assert.Contains("nosuch", missing.Message);
        var odd = await Assert.ThrowsAsync<ArgumentException>(() => takt.Score("m", new Dictionary<string, Array> { ["x"] = new[] { 1.0 }, ["c"] = new[] { "a", "b" } }));
        Assert.Contains("'c' has 2 rows, others 1", odd.Message);
    }

    [Fact]
    public async Task A_call_that_the_server_puts_off_is_repeated()
    {
        await using var server = await MlflowServer.Start();
        var (takt, network) = Flaky(server);
        network.Decide = (_, before) => before % 3 == 0 ? FlakyHandler.Fault.TryLater : before % 3 == 1 ? FlakyHandler.Fault.Refused : FlakyHandler.Fault.None;
        await using var run = await takt.StartRun("e", "r");
        await run.LogParam("a", "1");
        for (var i = 0; i < 2500; i++) await run.LogMetric("m", i, i);
        await run.Upload("dir/f.bin", new MemoryStream(new byte[100_000]));
        await run.End();
        network.Decide = (_, _) => FlakyHandler.Fault.None;
        Assert.Equal("FINISHED", (await takt.GetRun(run.Id)).Status);
        Assert.Equal(2500, (await takt.History(run.Id, "m")).Count);
        Assert.Equal(100_000, Assert.Single(await run.List("dir")).Size);
    }

    [Fact]
    public async Task An_answer_that_was_lost_makes_nothing_twice()
    {
        await using var server = await MlflowServer.Start();
        var (takt, network) = Flaky(server);
        network.Decide = (request, before) => request.Method != HttpMethod.Get && before == 0 ? FlakyHandler.Fault.AnswerLost : FlakyHandler.Fault.None;
        await using var run = await takt.StartRun("e", "r");
        for (var i = 0; i < 10; i++) await run.LogMetric("m", i, i);
        await run.Flush();
        var version = await takt.Register("model", $"runs:/{run.Id}/model", run.Id);
        await run.End();

        Assert.Equal(1, version.Version);
        var runs = new List<RunInfo>();
        await foreach (var found in takt.SearchRuns("e")) runs.Add(found);
        Assert.Equal(run.Id, Assert.Single(runs).Id);
        Assert.Equal(10, (await takt.History(run.Id, "m")).Count);
        Assert.Equal(HttpStatusCode.NotFound, (await Assert.ThrowsAsync<TaktClientException>(() => takt.GetVersion("model@2"))).Status);
        Assert.Contains("POST /api/2.0/mlflow/runs/search", network.Seen); // it looked before it repeated
    }

    [Fact]
    public async Task What_repetition_can_not_heal_is_told_at_once_with_the_servers_words()
    {
        await using var server = await MlflowServer.Start();
        var (takt, network) = Flaky(server);
        var missing = await Assert.ThrowsAsync<TaktClientException>(() => takt.GetRun(new string('0', 32)));
        Assert.Equal((HttpStatusCode.NotFound, "RESOURCE_DOES_NOT_EXIST"), (missing.Status, missing.Code));
        Assert.Single(network.Seen);
        network.Decide = (_, _) => FlakyHandler.Fault.Broken;
        Assert.Equal("a bug", (await Assert.ThrowsAsync<TaktClientException>(() => takt.GetRun("x"))).Message);
        network.Decide = (_, _) => FlakyHandler.Fault.Refused;
        var gone = await Assert.ThrowsAsync<TaktClientException>(() => takt.GetRun("x"));
        Assert.Null(gone.Status);
        Assert.Contains("in 6 tries", gone.Message);
    }

    [Fact]
    public async Task Points_that_can_not_be_delivered_are_never_dropped_in_silence()
    {
        await using var server = await MlflowServer.Start();
        var (takt, network) = Flaky(server);
        await using var run = await takt.StartRun("e", "r");
        network.Decide = (request, _) => request.RequestUri!.AbsolutePath.EndsWith("log-batch", StringComparison.Ordinal) ? FlakyHandler.Fault.Broken : FlakyHandler.Fault.None;
        await run.LogMetric("m", 1);
        var lost = await Assert.ThrowsAsync<TaktClientException>(() => run.Flush());
        Assert.Contains("1 points of run", lost.Message);
        await Assert.ThrowsAsync<TaktClientException>(() => run.LogMetric("m", 2).AsTask());
        await Assert.ThrowsAsync<TaktClientException>(() => run.End());
    }

    [Fact]
    public async Task A_full_queue_makes_the_caller_wait_and_loses_nothing()
    {
        await using var server = await MlflowServer.Start();
        var (takt, _) = Flaky(server, Quick with { MetricQueue = 8 });
        await using var run = await takt.StartRun("e", "r");
        await Task.WhenAll(Enumerable.Range(0, 4).Select(t => Task.Run(async () =>
        {
            for (var i = 0; i < 500; i++) await run.LogMetric($"m{t}", i, i);
        })));
        await run.End();
        for (var t = 0; t < 4; t++) Assert.Equal(500, (await takt.History(run.Id, $"m{t}")).Count);
    }

    [Fact]
    public async Task A_run_that_an_exception_left_has_failed()
    {
        await using var server = await MlflowServer.Start();
        var (takt, _) = Flaky(server);
        var id = "";
        await Assert.ThrowsAsync<InvalidOperationException>(async () =>
        {
            await using var run = await takt.StartRun("e");
            id = run.Id;
            await run.LogMetric("m", double.NaN);
            throw new InvalidOperationException("training diverged");
        });
        var ended = await takt.GetRun(id);
        Assert.Equal("FAILED", ended.Status);
        Assert.True(double.IsNaN(ended.Metrics["m"]));
    }

    [Theory]
    [InlineData("../x")]
    [InlineData("a//b")]
    [InlineData("/a")]
    [InlineData("")]
    public async Task A_path_that_leaves_the_run_is_refused_before_it_is_sent(string path)
    {
        await using var server = await MlflowServer.Start();
        var (takt, _) = Flaky(server);
        await using var run = await takt.StartRun("e");
        await Assert.ThrowsAsync<ArgumentException>(() => run.Upload(path, new MemoryStream()));
    }

    [Fact]
    public async Task The_code_in_the_documentation_is_the_code_that_is_tested()
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(root!.FullName, "Takt.slnx"))) root = root.Parent;
        var docs = await File.ReadAllTextAsync(Path.Combine(root.FullName, "docs", "client.md"));
        var code = await File.ReadAllTextAsync(Path.Combine(root.FullName, "tests", "Takt.Protocols.Tests", "Client", "ClientSnippets.cs"));
        var snippets = Regex.Matches(code, @"// begin: (\w+)\n(.*?)\n\s*// end: \1", RegexOptions.Singleline).Select(m => Regex.Replace(m.Groups[2].Value, "^        ", "", RegexOptions.Multiline)).ToList();
        Assert.Equal(5, snippets.Count);
        Assert.All(snippets, snippet => Assert.Contains("```csharp\n" + snippet + "\n```", docs));
    }
}
