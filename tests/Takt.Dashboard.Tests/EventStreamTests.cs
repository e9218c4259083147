using System.Net.Http.Json;
using System.Text.Json;
using Takt.Server;

namespace Takt.Dashboard.Tests;

/// <summary>Pages that follow something, and a server that is told to stop.</summary>
public sealed class EventStreamTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-streams").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Pages_that_follow_end_with_the_server_instead_of_holding_it_up()
    {
        var cancel = TestContext.Current.CancellationToken;
        var server = await TaktServer.Start(TaktFolder.At(_folder), "127.0.0.1", 0, cancel: cancel);
        using var http = new HttpClient { BaseAddress = server.Address };
        using var made = await http.PostAsJsonAsync("/api/2.0/mlflow/runs/create", new { experiment_id = "0" }, cancel);
        var run = (await made.Content.ReadFromJsonAsync<JsonElement>(cancel)).GetProperty("run").GetProperty("info").GetProperty("run_id").GetString();
        var streams = new List<StreamReader>();
        foreach (var path in (string[])["/live", $"/runs/{run}/events"])
        {
            var answer = await http.GetAsync(path, HttpCompletionOption.ResponseHeadersRead, cancel);
            streams.Add(new StreamReader(await answer.Content.ReadAsStreamAsync(cancel)));
            Assert.StartsWith("data: ", await streams[^1].ReadLineAsync(cancel));
        }
        await server.DisposeAsync();
        foreach (var stream in streams) _ = await stream.ReadToEndAsync(cancel); // the end, and not a connection that was cut after all waiting
    }
}
