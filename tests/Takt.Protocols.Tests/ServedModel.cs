using Takt.Data;
using Takt.Deployments;
using Takt.ML.Trainers;
using Takt.Models;
using Takt.Server;

namespace Takt.Protocols.Tests;

/// <summary>A real server on a free port with one small model behind the endpoint <c>m</c>: inputs <c>x</c> (FP64) and <c>c</c> (BYTES).</summary>
sealed class ServedModel : IAsyncDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-served").FullName;

    public required TaktServer Server { get; init; }

    public required HttpClient Http { get; init; }

    /// <param name="grpc">It listens for gRPC too, at <see cref="TaktServer.GrpcAddress"/>.</param>
    /// <param name="patience">With clients that do not read; null: the default.</param>
    public static async Task<ServedModel> Start(bool grpc = false, TimeSpan? patience = null)
    {
        var folder = Directory.CreateTempSubdirectory("takt-served").FullName;
        var project = TaktFolder.At(folder);
        var options = TaktOptions.Read(project);
        var server = await TaktServer.Start(project, "127.0.0.1", 0, options with { GrpcPort = grpc ? 0 : null, ClientPatience = patience ?? options.ClientPatience });
        var served = new ServedModel { Server = server, Http = new HttpClient { BaseAddress = server.Address } };
        await served.Register("model", seed: 1, extra: false);
        await server.App.Deployments.Deploy(new DeploymentSpec("m", [1], TimeSpan.Zero, 0, [], null, true, null), "m@1");
        await served.Ready("m");
        return served;
    }

    /// <summary>Another version of <c>m</c>; with an extra feature it refuses requests for the first.</summary>
    public async Task Register(string name, int seed, bool extra, string task = "binary")
    {
        var random = new Random(seed);
        var x = Enumerable.Range(0, 300).Select(_ => random.NextDouble()).ToArray();
        List<Column> columns = [Column.Of("x", x), Column.Of("c", x.Select((_, i) => (string?)(i % 2 == 0 ? "a" : "b")).ToArray()), Column.Of("y", x.Select(v => v > 0.5 ? 1L : 0L).ToArray())];
        if (extra) columns.Add(Column.Of("extra", x));
        var package = Directory.CreateDirectory(Path.Combine(_folder, name)).FullName;
        new LightGbmTrainer().Train(new TrainingRequest(task, "y", null, [], new Dictionary<string, double> { ["trees"] = 5 }, seed), new Table(columns), package, TextWriter.Null, default);
        await Server.App.Models.Register(new RegisterModel("m", package, null, null, [], new Dictionary<string, string>(), new Dictionary<string, double>()));
    }

    /// <summary>A model of these inputs (FP64), served as an endpoint of its own name.</summary>
    public async Task Train(string name, string[] inputs)
    {
        var random = new Random(1);
        var columns = inputs.Append("y").Select(input => input == "y" ? Column.Of("y", Enumerable.Range(0, 300).Select(i => i % 2L).ToArray()) : Column.Of(input, Enumerable.Range(0, 300).Select(i => (i % 2) + random.NextDouble()).ToArray())).ToList();
        var package = Directory.CreateDirectory(Path.Combine(_folder, name)).FullName;
        new LightGbmTrainer().Train(new TrainingRequest("binary", "y", null, [], new Dictionary<string, double> { ["trees"] = 5 }, 1), new Table(columns), package, TextWriter.Null, default);
        await Server.App.Models.Register(new RegisterModel(name, package, null, null, [], new Dictionary<string, string>(), new Dictionary<string, double>()));
        await Server.App.Deployments.Deploy(new DeploymentSpec(name, [1], TimeSpan.Zero, 0, [], null, true, null), $"{name}@1");
        await Ready(name);
    }

    public async Task Ready(string endpoint)
    {
        while (Server.App.Router.Find(endpoint) is null) await Task.Delay(20);
    }

    public async Task<(int Status, string Body)> Post(string path, string body)
    {
        using var answer = await Http.PostAsync(path, new StringContent(body, System.Text.Encoding.UTF8, "application/json"));
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await Server.DisposeAsync();
        Directory.Delete(Server.App.Folder.Root, recursive: true);
        Directory.Delete(_folder, recursive: true);
    }
}
