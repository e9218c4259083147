using System.Diagnostics;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Takt.Data;
using Takt.Deployments;
using Takt.ML.Trainers;
using Takt.Models;
using Takt.Server;
using Takt.Tests.Services;

namespace Takt.Protocols.Tests;

/// <summary>Servers of different roles on one PostgreSQL and one store: control here, replicas that serve in processes of their own.</summary>
public sealed partial class ReplicaTests(PostgreSqlServer postgreSql) : IAsyncLifetime
{
    const string One = """{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[0.1]}]}""";

    readonly string _folder = Directory.CreateTempSubdirectory("takt-replicas").FullName;
    readonly List<Process> _processes = [];
    readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(30) };

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        foreach (var process in _processes)
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync();
            process.Dispose();
        }
        _http.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_revision_reaches_every_replica_and_each_role_does_its_part_only()
    {
        var (database, blobs) = (await postgreSql.NewSchema(), Directory.CreateDirectory(Path.Combine(_folder, "blobs")).FullName);
        await using var control = await TaktServer.Start(TaktFolder.At(Directory.CreateDirectory(Path.Combine(_folder, "control")).FullName), "127.0.0.1", 0,
            new TaktOptions { Database = new("database", database, "test"), Blobs = new("blobs", blobs, "test"), Roles = ServerRoles.Control });
        var replicas = await Task.WhenAll(Replica("a", database, blobs), Replica("b", database, blobs));
        for (var seed = 1; seed <= 2; seed++) await Register(control.App, seed);

        await control.App.Deployments.Deploy(new DeploymentSpec("m", [1], TimeSpan.Zero, 0, [], "champion", true, null, Strategy: "all-at-once"), "m@1");
        foreach (var replica in replicas) Assert.Equal("1", await Until(replica, "1"));
        Assert.Equal(1, control.App.Models.Resolve("m@champion").Version); // a replica drove the rollout: control loads nothing
        await control.App.Deployments.Deploy(new DeploymentSpec("m", [1], TimeSpan.Zero, 0, [], "champion", true, null, Strategy: "all-at-once"), "m@2");
        // it goes on by requests: twenty at least
        foreach (var replica in replicas) Assert.Equal("2", await Until(replica, "2"));
        while (control.App.Deployments.Get("m").Rollout!.Active) await Infer(replicas[0]);
        Assert.Equal((RolloutState.Succeeded, 2), (control.App.Deployments.Get("m").Rollout!.State, control.App.Models.Resolve("m@champion").Version));

        // who serves it stands where nothing is served as well
        var shown = JsonNode.Parse(await _http.GetStringAsync(new Uri(control.Address, "/api/v1/deployments/m")))!;
        var (live, names) = (shown["live"]!, control.App.Fleet!.View().Select(r => r.Name).ToList());
        Assert.Equal((2, 2, 2), (names.Count, live["readyOn"]!.GetValue<int>(), live["servers"]!.GetValue<int>()));
        Assert.All(shown["servers"]!.AsArray(), s => Assert.Equal("""[{"revision":2,"state":"ready","fault":null}]""", s!["revisions"]!.ToJsonString()));
        var told = await Takt(["deploy", "status", "m", "--server", control.Address.ToString()]);
        Assert.Contains("READY ON", told);
        Assert.Contains("2 of 2", told);
        Assert.All(names, name => Assert.Contains($"server {name}: revision 2 ready", told));
        Assert.Contains("2 of 2", await _http.GetStringAsync(new Uri(control.Address, "/deployments/m")));

        async Task<int> Status(Uri server, string path) => (int)(await _http.GetAsync(new Uri(server, path))).StatusCode;
        foreach (var path in (string[])["/api/2.0/mlflow/experiments/get?experiment_id=0", "/api/v1/runs", "/"])
            Assert.Equal((200, 404), (await Status(control.Address, path), await Status(replicas[0], path)));
        foreach (var path in (string[])["/v2/health/ready", "/v2/models/m", "/v1/models/m"])
            Assert.Equal((404, 200), (await Status(control.Address, path), await Status(replicas[0], path)));
        foreach (var path in (string[])["/health", "/metrics", "/api/v1/deployments/m"])
            Assert.Equal((200, 200), (await Status(control.Address, path), await Status(replicas[1], path)));

        _processes[0].Kill(entireProcessTree: true); // the other one goes on, and drives what comes
        Assert.Equal("2", await Infer(replicas[1]));
        await control.App.Deployments.Stop("m");
        while (await Status(replicas[1], "/v2/models/m/ready") != 404) await Task.Delay(50);
    }

    [Fact]
    public async Task What_replicas_answered_and_were_told_of_comes_together_at_control()
    {
        var (database, blobs) = (await postgreSql.NewSchema(), Directory.CreateDirectory(Path.Combine(_folder, "blobs")).FullName);
        await using var control = await TaktServer.Start(TaktFolder.At(Directory.CreateDirectory(Path.Combine(_folder, "control")).FullName), "127.0.0.1", 0,
            new TaktOptions { Database = new("database", database, "test"), Blobs = new("blobs", blobs, "test"), Roles = ServerRoles.Control });
        var replicas = await Task.WhenAll(Replica("a", database, blobs), Replica("b", database, blobs));
        await Register(control.App, 1);
        await control.App.Deployments.Deploy(new DeploymentSpec("m", [1], TimeSpan.Zero, 0, [], "champion", true, null, Strategy: "all-at-once"), "m@1");
        foreach (var replica in replicas) await Until(replica, "1");
        var ids = new List<string>();
        foreach (var replica in replicas)
        {
            using var answer = await _http.PostAsync(new Uri(replica, "/v2/models/m/infer"), new StringContent(One));
            ids.Add(JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["parameters"]!["prediction_id"]!.GetValue<string>());
        }
        async Task Label(Uri server, string id, int label) =>
            (await _http.PostAsync(new Uri(server, "/api/v1/deployments/m/labels"), new StringContent($$"""{"labels":[{"id":"{{id}}","label":{{label}}}]}"""))).EnsureSuccessStatusCode();
        await Label(replicas[1], ids[0], 1); // to one that did not answer it
        await Label(control.Address, ids[1], 0); // to one that answers nothing
        async Task<Dictionary<string, double?>> Labels(Uri server) => JsonNode.Parse(await _http.GetStringAsync(new Uri(server, "/api/v1/deployments/m/predictions?limit=1000")))!["predictions"]!.AsArray()
            .ToDictionary(p => p!["id"]!.GetValue<string>(), p => p!["label"]?.GetValue<double>());
        foreach (var server in (Uri[])[control.Address, .. replicas])
        {
            // seconds pass before the others can read a segment
            for (var known = await Labels(server); known.GetValueOrDefault(ids[0] + ":0") != 1 || known.GetValueOrDefault(ids[1] + ":0") != 0; known = await Labels(server)) await Task.Delay(500);
        }
        // the way back to the model, from the server that did not answer it, and data out of what the replicas answered
        var lineage = JsonNode.Parse(await _http.GetStringAsync(new Uri(control.Address, $"/api/v1/lineage?of={ids[0]}:0")))!;
        Assert.Contains("m@1", lineage.ToJsonString());
        var collected = await control.App.Collector.Collect(new CollectRequest("answers", ["predictions:m"], _folder));
        Assert.Equal(2, collected.Commit.Rows);
        var health = JsonNode.Parse(await _http.GetStringAsync(new Uri(replicas[0], "/v2/health")))!;
        Assert.Equal((true, false, 2, true), (health["ready"]!.GetValue<bool>(), health["degraded"]!.GetValue<bool>(), health["live_servers"]!.GetValue<int>(), health["database"]!["up"]!.GetValue<bool>()));
    }

    static async Task<string> Takt(string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(TaktProgram.Path, arguments) { RedirectStandardOutput = true })!;
        var text = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return text;
    }

    async Task<Uri> Replica(string name, string database, string blobs)
    {
        var start = new ProcessStartInfo(TaktProgram.Path, ["serve", "--roles", "serving", "--data", Path.Combine(_folder, name), "--port", "0", "--database", database, "--blobs", blobs])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        var process = Process.Start(start)!;
        lock (_processes) _processes.Add(process);
        var complaint = process.StandardError.ReadToEndAsync();
        var line = await process.StandardOutput.ReadLineAsync();
        var match = Address().Match(line ?? "");
        Assert.True(match.Success, line ?? await complaint);
        _ = process.StandardOutput.ReadToEndAsync();
        return new Uri(match.Value);
    }

    /// <summary>Asks until the revision answers.</summary>
    async Task<string> Until(Uri replica, string revision)
    {
        for (var patience = Stopwatch.StartNew(); patience.Elapsed < TimeSpan.FromMinutes(5);)
        {
            if (await Infer(replica) == revision) return revision;
            await Task.Delay(20);
        }
        return await Infer(replica) ?? "none";
    }

    async Task<string?> Infer(Uri replica)
    {
        using var answer = await _http.PostAsync(new Uri(replica, "/v2/models/m/infer"), new StringContent(One));
        return answer.IsSuccessStatusCode ? JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["model_version"]!.GetValue<string>() : null;
    }

    async Task Register(TaktApp app, int seed)
    {
        var random = new Random(seed);
        var x = Enumerable.Range(0, 300).Select(_ => random.NextDouble()).ToArray();
        var package = Directory.CreateDirectory(Path.Combine(_folder, $"model-{seed}")).FullName;
        new LightGbmTrainer().Train(new TrainingRequest("binary", "y", null, [], new Dictionary<string, double> { ["trees"] = 5 }, seed),
            new Table([Column.Of("x", x), Column.Of("y", x.Select(v => v > 0.5 ? 1L : 0L).ToArray())]), package, TextWriter.Null, default);
        await app.Models.Register(new RegisterModel("m", package, null, null, [], new Dictionary<string, string>(), new Dictionary<string, double>()));
    }

    [GeneratedRegex(@"http://[\d.:]+")]
    private static partial Regex Address();
}
