using Takt.Deployments;
using Takt.Runs;
using Takt.Server;

namespace Takt.Dashboard.Tests;

/// <summary>A server on a folder where the flights sample has run once.</summary>
public sealed class FlightsLine : IAsyncLifetime
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-dash").FullName;

    public TaktServer Server { get; private set; } = null!;

    public string Run { get; private set; } = "";

    /// <summary>A run that its gate stopped.</summary>
    public string Refused { get; private set; } = "";

    public string Address => Server.Address.ToString().TrimEnd('/');

    public async ValueTask InitializeAsync()
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(root!.FullName, "Takt.slnx"))) root = root.Parent;
        var sample = Path.Combine(root.FullName, "samples", "flights");
        Directory.CreateDirectory(Path.Combine(_folder, "sql"));
        Directory.CreateDirectory(Path.Combine(_folder, "incoming"));
        foreach (var file in (string[])["takt.yaml", "params.yaml", "sql/train-set.sql", "sql/test-set.sql"]) File.Copy(Path.Combine(sample, file), Path.Combine(_folder, file));
        // the pages look the same after a quarter of the trees
        var settings = Path.Combine(_folder, "params.yaml");
        File.WriteAllText(settings, File.ReadAllText(settings).Replace("trees: 100", "trees: 25", StringComparison.Ordinal));
        foreach (var week in (string[])["01", "02", "03", "04"]) File.Copy(Path.Combine(sample, "weeks", $"2001-W{week}.parquet"), Path.Combine(_folder, "incoming", $"2001-W{week}.parquet"));

        Server = await TaktServer.Start(TaktFolder.At(_folder), "127.0.0.1", 0);
        var result = await Server.App.Pipelines.Run(new PipelineRequest([]));
        Assert.True(result.Succeeded, string.Join('\n', result.Stages));
        Run = result.Run.Value;
        Refused = await RunWithAnImpossibleGate();
        while (Server.App.Router.Find("flights") is null) await Task.Delay(20);
        await Rolling("moving");
        await RolledBack("moved");
        await Server.App.Deployments.Deploy(new DeploymentSpec("traced", [1], TimeSpan.Zero, 0, [], null, true, null, Strategy: "all-at-once", Traces: new TraceSpec(1)), "flights@1");
        await Until("traced", RolloutState.Succeeded);
    }

    /// <summary>Nothing before the gate has to run again.</summary>
    async Task<string> RunWithAnImpossibleGate()
    {
        var file = Path.Combine(_folder, "takt.yaml");
        var usual = File.ReadAllText(file);
        File.WriteAllText(file, usual.Replace("auc >= 0.6,", "auc >= 0.99,", StringComparison.Ordinal));
        var result = await Server.App.Pipelines.Run(new PipelineRequest([]));
        Assert.True(result.StoppedByGate, string.Join('\n', result.Stages));
        File.WriteAllText(file, usual);
        return result.Run.Value;
    }

    /// <summary>An endpoint on the way to its second revision, in a step that no test lives to see the end of.</summary>
    async Task<Rollout> Rolling(string endpoint)
    {
        var spec = new DeploymentSpec(endpoint, [1], TimeSpan.Zero, 0, [], null, true, null, Strategy: "all-at-once");
        await Server.App.Deployments.Deploy(spec, "flights@1");
        await Until(endpoint, RolloutState.Succeeded);
        await Server.App.Deployments.Deploy(spec with { Canary = [0.2, 1], StepTime = TimeSpan.FromHours(1), StepRequests = 10_000, Strategy = "canary", Analysis = AnalysisSpec.Default }, "flights@1");
        return await Until(endpoint, RolloutState.Rolling);
    }

    /// <summary>One that was taken back on evidence, seen twice.</summary>
    async Task RolledBack(string endpoint)
    {
        var rollout = await Rolling(endpoint);
        RolloutLook Look(double difference, EvidenceVerdict verdict) => new(rollout.Number, 0, "look", 0.2, 40, 160,
            [new Evidence("errors", 40, difference, 0, difference, difference - 0.2, difference + 0.2, 0.01, 0.05, verdict == EvidenceVerdict.Harm ? 5.3 : 1, -0.7, verdict)], TimeProvider.System.GetUtcNow());
        Assert.True(await Server.App.Deployments.Move(rollout, rollout, "look", look: Look(0.1, EvidenceVerdict.Open)));
        Assert.True(await Server.App.Deployments.Move(rollout, rollout with { State = RolloutState.RolledBack, Evidence = "failed requests: 30 % against 0 %" }, "rolled-back", look: Look(0.3, EvidenceVerdict.Harm)));
    }

    async Task<Rollout> Until(string endpoint, RolloutState state)
    {
        while (Server.App.Deployments.Get(endpoint).Rollout is not { } rollout || rollout.State != state) await Task.Delay(20);
        return Server.App.Deployments.Get(endpoint).Rollout!;
    }

    public async ValueTask DisposeAsync()
    {
        if (Server is not null) await Server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
