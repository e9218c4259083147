using System.Net;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.TestHost;
using Takt.Server;

namespace Takt.Tests.Data;

public sealed class DatasetsApiTests : IAsyncDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;
    readonly TaktApp _app;
    readonly WebApplication _web;

    public DatasetsApiTests()
    {
        _app = TaktApp.Open(new TaktFolder(_folder, Path.Combine(_folder, ".takt")));
        _web = TaktHost.Build(_app, builder => builder.WebHost.UseTestServer());
    }

    public async ValueTask DisposeAsync()
    {
        await _web.DisposeAsync();
        await _app.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    async Task<(HttpStatusCode Status, JsonNode Body)> Get(string path)
    {
        using var answer = await _web.GetTestClient().GetAsync(path);
        return (answer.StatusCode, JsonNode.Parse(await answer.Content.ReadAsStringAsync())!);
    }

    [Fact]
    public async Task The_list_the_log_and_a_version_tell_what_was_collected()
    {
        File.WriteAllText(Path.Combine(_folder, "a.csv"), "x\n1\n2\n");
        await _web.StartAsync();
        var commit = (await _app.Datasets.Collect("sales", _folder, ["*.csv"])).Commit;

        var list = (await Get("/api/v1/datasets")).Body["datasets"]!.AsArray();
        Assert.Equal("sales", (string?)list[0]!["name"]);
        Assert.Equal(commit.Id.ToString(), (string?)list[0]!["refs"]!["main"]);
        var log = (await Get("/api/v1/datasets/sales/commits")).Body["commits"]!.AsArray();
        Assert.Equal(commit.Id.ToString(), (string?)Assert.Single(log)!["id"]);
        var version = (await Get($"/api/v1/datasets/sales/commits/{commit.Id}")).Body;
        Assert.Equal("a.csv", (string?)version["files"]![0]!["path"]);
        Assert.Equal(2, (long?)version["commit"]!["rows"]);
        Assert.Equal(1.5, (double?)version["profile"]!["columns"]![0]!["mean"]);
    }

    [Fact]
    public async Task What_is_not_there_is_404_with_words()
    {
        await _web.StartAsync();
        var (status, body) = await Get("/api/v1/datasets/sales/commits/main");
        Assert.Equal(HttpStatusCode.NotFound, status);
        Assert.Contains("no dataset 'sales'", (string?)body["error"]!["message"]);
    }
}
