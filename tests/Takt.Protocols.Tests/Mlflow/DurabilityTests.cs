using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Takt.Server;
using Takt.Tests.Services;

namespace Takt.Protocols.Tests.Mlflow;

/// <summary>A server is killed while clients log. <c>TAKT_KILL_ROUNDS</c> says how often; twice when it is not set.</summary>
public sealed class DurabilityTests(PostgreSqlServer postgreSql) : IDisposable
{
    const string ChildFolder = "TAKT_TEST_CHILD_FOLDER";

    static readonly int Rounds = int.TryParse(Environment.GetEnvironmentVariable("TAKT_KILL_ROUNDS"), CultureInfo.InvariantCulture, out var rounds) ? rounds : 2;

    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;
    int _children;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Every_metric_that_was_acknowledged_is_there_after_kill_9(bool onPostgreSql)
    {
        var database = onPostgreSql ? await postgreSql.NewSchema() : null;
        var random = new Random(11);
        var acknowledged = 0;
        for (var round = 0; round < Rounds; round++)
        {
            using var server = await Child.Start(_folder, ++_children, database);
            var run = await server.Run();
            var begun = new TaskCompletionSource();
            var clients = Enumerable.Range(0, 4).Select(i => Task.Run(() => LogUntilItFails([server], run, i, begun: begun))).ToList();
            await Task.WhenAny(begun.Task, Task.WhenAll(clients)); // a slow machine may take its time
            await Task.Delay(random.Next(100, 600), TestContext.Current.CancellationToken);
            server.Kill();
            var logged = await Task.WhenAll(clients);
            acknowledged += logged.Sum(l => l.Steps.Count);
            await AllThere(database, run, logged);
        }
        Assert.True(acknowledged > Rounds, "nothing was logged");
    }

    [Fact]
    public async Task Of_two_servers_on_one_PostgreSQL_one_is_killed_and_clients_lose_only_the_open_request()
    {
        var database = await postgreSql.NewSchema();
        for (var round = 0; round < Rounds; round++)
        {
            using var first = await Child.Start(_folder, ++_children, database);
            using var second = await Child.Start(_folder, ++_children, database);
            var run = await first.Run();
            using var stop = new CancellationTokenSource();
            var clients = Enumerable.Range(0, 4).Select(i => Task.Run(() => LogUntilItFails(i % 2 == 0 ? [first, second] : [second], run, i, stop.Token))).ToList();
            await Task.Delay(300, TestContext.Current.CancellationToken);
            first.Kill();
            await Task.Delay(500, TestContext.Current.CancellationToken);
            await stop.CancelAsync();
            var logged = await Task.WhenAll(clients);
            Assert.All(logged, l => Assert.True(l.Failed <= (l.Worker % 2 == 0 ? 1 : 0), $"client {l.Worker} lost {l.Failed} requests"));
            await AllThere(database, run, logged);
        }
    }

    /// <summary>Logs points one by one, every tenth call a batch of 50, until the last of the servers is gone.</summary>
    /// <param name="begun">Told when the first call was answered.</param>
    static async Task<Logged> LogUntilItFails(Child[] servers, string run, int worker, CancellationToken stop = default, TaskCompletionSource? begun = null)
    {
        var logged = new Logged(worker, [], 0);
        var at = 0;
        for (var step = 0; !stop.IsCancellationRequested; step += 50)
        {
            var points = Enumerable.Range(step, step % 500 == 0 ? 50 : 1).ToList();
            try
            {
                var body = string.Join(',', points.Select(p => $$"""{"key":"w{{worker}}","value":{{p}}.5,"timestamp":{{p}},"step":{{p}}}"""));
                using var content = new StringContent($$"""{"run_id":"{{run}}","metrics":[{{body}}]}""", Encoding.UTF8, "application/json");
                using var answer = await servers[at].Http.PostAsync("/api/2.0/mlflow/runs/log-batch", content, CancellationToken.None);
                if (!answer.IsSuccessStatusCode) throw new HttpRequestException($"{answer.StatusCode}: {await answer.Content.ReadAsStringAsync(CancellationToken.None)}");
                logged.Steps.AddRange(points.Select(p => (long)p));
                begun?.TrySetResult();
            }
            catch (HttpRequestException)
            {
                logged.Failed++;
                if (++at == servers.Length) break;
            }
        }
        return logged;
    }

    async Task AllThere(string? database, string run, Logged[] logged)
    {
        var folder = new TaktFolder(_folder, Path.Combine(_folder, ".takt"));
        await using var app = TaktApp.Open(folder, options: TaktOptions.Read(folder, database, null));
        foreach (var client in logged)
        {
            var there = app.MetricHistory.Of(run, $"w{client.Worker}", 1_000_000, null).Items.Select(p => p.Step).ToHashSet();
            Assert.Equal([], client.Steps.Except(there));
            // the open request was written whole or not at all
            Assert.True(there.Count - client.Steps.Count is 0 or 1 or 50, $"{there.Count} are there, {client.Steps.Count} were acknowledged");
        }
    }

    [Fact(Explicit = true)]
    public async Task The_server_that_is_killed()
    {
        if (Environment.GetEnvironmentVariable(ChildFolder) is not { } place) return;
        var (root, file) = (Path.GetDirectoryName(place)!, place);
        var folder = new TaktFolder(root, Path.Combine(root, ".takt"));
        await using var app = TaktApp.Open(folder);
        await using var web = TaktHost.Build(app, builder => builder.WebHost.UseKestrel(kestrel => kestrel.Listen(System.Net.IPAddress.Loopback, 0)));
        await web.StartAsync(TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(file + ".tmp", web.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First(), TestContext.Current.CancellationToken);
        File.Move(file + ".tmp", file);
        await Task.Delay(Timeout.Infinite, TestContext.Current.CancellationToken);
    }

    sealed class Logged(int worker, List<long> steps, int failed)
    {
        public int Worker { get; } = worker;
        public List<long> Steps { get; } = steps;
        public int Failed { get; set; } = failed;
    }

    /// <summary>A server in a process of its own.</summary>
    sealed class Child : IDisposable
    {
        readonly Process _process;

        Child(Process process, string address)
        {
            _process = process;
            Http = new HttpClient { BaseAddress = new Uri(address) };
        }

        public HttpClient Http { get; }

        public static async Task<Child> Start(string folder, int number, string? database)
        {
            var file = Path.Combine(folder, $"address{number}");
            var start = new ProcessStartInfo("dotnet", ["exec", Path.Combine(AppContext.BaseDirectory, "Takt.Protocols.Tests.dll"), "-explicit", "only", "-method", "*.The_server_that_is_killed"])
            {
                Environment = { [ChildFolder] = file, ["TMPDIR"] = folder, ["TAKT__DATABASE"] = database ?? "" }, // the second: what it leaves behind goes with the folder
                RedirectStandardOutput = true,
            };
            var process = Process.Start(start)!;
            var patience = Stopwatch.StartNew();
            while (!File.Exists(file))
            {
                Assert.False(process.HasExited, process.HasExited ? $"the server ended with {process.ExitCode}: {await process.StandardOutput.ReadToEndAsync()}" : "");
                Assert.True(patience.Elapsed < TimeSpan.FromMinutes(5), "the server did not start");
                await Task.Delay(10, TestContext.Current.CancellationToken);
            }
            return new Child(process, await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken));
        }

        public async Task<string> Run()
        {
            using var answer = await Http.PostAsJsonAsync("/api/2.0/mlflow/runs/create", new { experiment_id = "0" });
            return (string)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["run"]!["info"]!["run_id"]!;
        }

        public void Kill() => _process.Kill(); // SIGKILL

        public void Dispose()
        {
            if (!_process.HasExited) _process.Kill();
            _process.WaitForExit();
            _process.Dispose();
            Http.Dispose();
        }
    }
}
