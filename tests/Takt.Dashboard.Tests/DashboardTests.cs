using Deque.AxeCore.Playwright;
using Microsoft.Playwright;
using Takt.Runs;
using Takt.Server;

namespace Takt.Dashboard.Tests;

/// <summary>Every page in a real browser, on the rows of a real run of the flights sample.</summary>
public sealed class DashboardTests : IAsyncLifetime
{
    const string Chromium = "/usr/bin/chromium";

    readonly string _folder = Directory.CreateTempSubdirectory("takt-dash").FullName;
    TaktServer _server = null!;
    IPlaywright _playwright = null!;
    IBrowser _browser = null!;
    string _run = "";

    public static TheoryData<string, string> Pages => new()
    {
        { "/", "flights" }, { "/data", "flights" }, { "/data/flights", "origin" }, { "/pipelines", "gates.quality" }, { "/runs", "finished" }, { "/runs/RUN", "auc >= 0.6" },
        { "/models", "flights@1" }, { "/models/flights", "candidate" }, { "/deployments", "flights@1" }, { "/deployments/flights", "the first revision" }, { "/monitors", "No window has passed yet" },
    };

    public async ValueTask InitializeAsync()
    {
        Assert.True(File.Exists(Chromium), $"{Chromium} is missing: apt-get install chromium (test.sh does)");
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(root!.FullName, "Takt.slnx"))) root = root.Parent;
        var sample = Path.Combine(root.FullName, "samples", "flights");
        Directory.CreateDirectory(Path.Combine(_folder, "sql"));
        Directory.CreateDirectory(Path.Combine(_folder, "incoming"));
        foreach (var file in (string[])["takt.yaml", "params.yaml", "sql/train-set.sql", "sql/test-set.sql"]) File.Copy(Path.Combine(sample, file), Path.Combine(_folder, file));
        foreach (var week in (string[])["01", "02", "03", "04"]) File.Copy(Path.Combine(sample, "weeks", $"2001-W{week}.parquet"), Path.Combine(_folder, "incoming", $"2001-W{week}.parquet"));

        _server = await TaktServer.Start(TaktFolder.At(_folder), "127.0.0.1", 0);
        var result = await _server.App.Pipelines.Run(new PipelineRequest([]));
        Assert.True(result.Succeeded, string.Join('\n', result.Stages));
        _run = result.Run.Value;
        while (_server.App.Router.Find("flights") is null) await Task.Delay(20);
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
        {
            ExecutablePath = Chromium,
            Args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
        });
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null) await _browser.DisposeAsync();
        _playwright?.Dispose();
        if (_server is not null) await _server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Every_page_shows_real_rows_is_accessible_and_asks_nobody_else()
    {
        var faults = new List<string>();
        foreach (var scheme in new[] { ColorScheme.Light, ColorScheme.Dark })
        {
            await using var context = await _browser.NewContextAsync(new BrowserNewContextOptions { ColorScheme = scheme, BaseURL = _server.Address.ToString(), ViewportSize = new() { Width = 1280, Height = 900 } });
            foreach (var row in Pages)
            {
                var (path, text) = (row.Data.Item1.Replace("RUN", _run, StringComparison.Ordinal), row.Data.Item2);
                var page = await context.NewPageAsync();
                page.Console += (_, message) => { if (message.Type == "error") faults.Add($"{path}: console: {message.Text}"); };
                page.PageError += (_, error) => faults.Add($"{path}: {error}");
                page.Request += (_, request) => { if (!request.Url.StartsWith(_server.Address.ToString(), StringComparison.Ordinal) && !request.Url.StartsWith("data:", StringComparison.Ordinal)) faults.Add($"{path} asks {request.Url}"); };
                await page.GotoAsync(path, new() { WaitUntil = WaitUntilState.DOMContentLoaded });
                await page.WaitForSelectorAsync("h1");
                if (!(await page.TextContentAsync("main"))!.Contains(text, StringComparison.Ordinal)) faults.Add($"{path} ({scheme}) lacks '{text}'");
                var axe = await page.RunAxe();
                faults.AddRange(axe.Violations.Where(v => v.Impact is "serious" or "critical").Select(v => $"{path} ({scheme}): {v.Id}: {v.Help}: {v.Nodes[0].Html}"));
                if (Environment.GetEnvironmentVariable("TAKT_SHOTS") is { Length: > 0 } shots)
                    await page.ScreenshotAsync(new() { Path = Path.Combine(shots, $"{path.Trim('/').Replace('/', '-')}-{scheme}.png"), FullPage = true });
                await page.CloseAsync();
            }
        }
        Assert.Equal([], faults);
    }

    [Fact]
    public async Task The_live_chart_is_drawn_from_events_and_pauses()
    {
        var page = await _browser.NewPageAsync(new() { BaseURL = _server.Address.ToString() });
        await page.GotoAsync("/monitors", new() { WaitUntil = WaitUntilState.DOMContentLoaded });
        await page.WaitForSelectorAsync("#live[data-samples] canvas");
        Assert.Contains("flights: ", await page.TextContentAsync("#live-now"));
        await page.ClickAsync("#pause");
        Assert.Equal("true", await page.GetAttributeAsync("#pause", "aria-pressed"));
    }

    [Fact]
    public async Task On_a_narrow_screen_no_page_is_wider_than_the_screen()
    {
        var page = await _browser.NewPageAsync(new() { BaseURL = _server.Address.ToString(), ViewportSize = new() { Width = 400, Height = 800 } });
        foreach (var path in (string[])["/", "/pipelines", "/runs", "/models/flights"])
        {
            await page.GotoAsync(path, new() { WaitUntil = WaitUntilState.DOMContentLoaded });
            Assert.True(await page.EvaluateAsync<int>("document.documentElement.scrollWidth") <= 400, path);
        }
    }

    [Fact]
    public async Task What_is_not_there_is_a_page_that_says_so()
    {
        using var http = new HttpClient { BaseAddress = _server.Address };
        using var answer = await http.GetAsync("/models/none");
        Assert.Equal(404, (int)answer.StatusCode);
        Assert.Contains("no model version", System.Net.WebUtility.HtmlDecode(await answer.Content.ReadAsStringAsync()));
    }
}
