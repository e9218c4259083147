using System.Net;
using Microsoft.Playwright;
using Takt.Server;

namespace Takt.Dashboard.Tests;

/// <summary>A server that has just been started, on a folder with nothing in it.</summary>
public sealed class EmptyServerTests(Chromium chromium) : IAsyncLifetime
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-dash-empty").FullName;
    TaktServer _server = null!;

    string Address => _server.Address.ToString().TrimEnd('/');

    public async ValueTask InitializeAsync() => _server = await TaktServer.Start(TaktFolder.At(_folder), "127.0.0.1", 0);

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Each_page_says_what_it_is_for_and_which_command_fills_it()
    {
        (string, string, bool)[] pages =
        [
            ("/", $"export MLFLOW_TRACKING_URI={Address}", true), ("/data", "takt data add data/", false), ("/pipelines", "takt init --data FILE --target COLUMN", true), ("/runs", $"mlflow.set_tracking_uri(\"{Address}\")", true), ("/experiments", "mlflow.set_experiment", false),
            ("/compare", "2 to 300 runs", false), ("/models", "mlflow.register_model", false), ("/traces", $"{Address}/v1/traces OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf OTEL_EXPORTER_OTLP_HEADERS=x-mlflow-experiment-id=0", true), ("/deployments", "deploy: in takt.yaml", false), ("/monitors", "monitor: in takt.yaml", false),
        ];
        Assert.Equal([], await PageCheck.All(chromium.Browser, Address, pages));
    }

    [Fact]
    public async Task What_is_not_there_leads_to_the_list_of_what_is()
    {
        using var http = new HttpClient { BaseAddress = _server.Address };
        foreach (var (path, list) in ((string, string)[])[("/runs/none", "/runs"), ("/data/none", "/data"), ("/deployments/none", "/deployments"), ("/traces/none", "/traces"), ("/models/none/3", "/models")])
        {
            using var answer = await http.GetAsync(path);
            Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
            Assert.Contains($"<p>Go to <a href=\"{list}\">", await answer.Content.ReadAsStringAsync());
        }
    }

    [Fact]
    public async Task A_command_is_copied_by_its_button()
    {
        await using var context = await chromium.Browser.NewContextAsync(new() { BaseURL = Address, Permissions = ["clipboard-read", "clipboard-write"] });
        var page = await context.NewPageAsync();
        await page.GotoAsync("/pipelines");
        await page.ClickAsync("text=Copy >> nth=0");
        await page.WaitForSelectorAsync("text=Copied");
        Assert.Equal("takt init --data FILE --target COLUMN", await page.EvaluateAsync<string>("navigator.clipboard.readText()"));
    }
}
