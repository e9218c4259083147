using Microsoft.Playwright;

namespace Takt.Dashboard.Tests;

/// <summary>Every page of the line in a real browser, on the rows of a real run of the flights sample.</summary>
public sealed class DashboardTests(FlightsLine line, Chromium chromium) : IClassFixture<FlightsLine>
{
    public static TheoryData<string, string> Pages => new()
    {
        { "/", "flights" }, { "/data", "flights" }, { "/data/flights", "origin" }, { "/pipelines", "gates.quality" }, { "/runs", "finished" }, { "/runs/RUN", "auc >= 0.6" }, { "/experiments", "flights" },
        { "/models", "flights@1" }, { "/models/flights", "candidate" }, { "/models/flights/1", "probability" }, { "/deployments", "flights@1" }, { "/deployments/flights", "the first revision" }, { "/monitors", "No window has passed yet" },
    };

    [Theory]
    [InlineData(ColorScheme.Light)]
    [InlineData(ColorScheme.Dark)]
    public async Task Every_page_shows_real_rows_is_accessible_and_asks_nobody_else(ColorScheme scheme)
    {
        var faults = new List<string>();
        await using var context = await chromium.Browser.NewContextAsync(new() { ColorScheme = scheme, ViewportSize = new() { Width = 1280, Height = 900 } });
        foreach (var row in Pages)
        {
            var page = await PageCheck.Open(context, line.Address, row.Data.Item1.Replace("RUN", line.Run, StringComparison.Ordinal), row.Data.Item2, faults);
            await PageCheck.Axe(page, faults, onlyColours: scheme == ColorScheme.Dark);
            await page.CloseAsync();
        }
        Assert.Equal([], faults);
    }

    [Fact]
    public async Task The_live_chart_is_drawn_from_events_and_pauses()
    {
        var page = await chromium.Browser.NewPageAsync(new() { BaseURL = line.Address });
        await page.GotoAsync("/monitors", new() { WaitUntil = WaitUntilState.DOMContentLoaded });
        await page.WaitForSelectorAsync("#live[data-samples] canvas");
        Assert.Contains("flights: ", await page.TextContentAsync("#live-now"));
        await page.ClickAsync("#pause");
        Assert.Equal("true", await page.GetAttributeAsync("#pause", "aria-pressed"));
    }

    [Fact]
    public async Task Lineage_is_drawn_on_the_pages_of_a_version_a_run_and_a_dataset_with_links_and_a_table()
    {
        using var http = new HttpClient { BaseAddress = new Uri(line.Address) };
        foreach (var path in (string[])["/models/flights/1", "/runs/" + line.Run, "/data/flights"])
        {
            var html = await http.GetStringAsync(path);
            Assert.Contains("aria-label=\"Lineage\"", html);
            Assert.Contains("As a table", html);
        }
        var version = await http.GetStringAsync("/models/flights/1");
        Assert.Contains("<a href=\"/data/flights\"><g", version);
        Assert.Contains("<a href=\"/deployments/flights\"><g", version);
        Assert.Contains("auc &gt;= 0.6", version); // the gate that it passed
    }

    [Fact]
    public async Task On_a_narrow_screen_no_page_is_wider_than_the_screen()
    {
        var page = await chromium.Browser.NewPageAsync(new() { BaseURL = line.Address, ViewportSize = new() { Width = 390, Height = 800 } });
        foreach (var path in (string[])["/", "/data/flights", "/pipelines", "/runs", "/runs/" + line.Run, "/models/flights", "/models/flights/1", "/deployments/flights", "/monitors", "/experiments"])
        {
            await page.GotoAsync(path, new() { WaitUntil = WaitUntilState.DOMContentLoaded });
            Assert.True(await page.EvaluateAsync<int>("document.documentElement.scrollWidth") <= 390, path);
        }
    }

    [Fact]
    public async Task What_is_not_there_is_a_page_that_says_so()
    {
        using var http = new HttpClient { BaseAddress = new Uri(line.Address) };
        using var answer = await http.GetAsync("/models/none");
        Assert.Equal(404, (int)answer.StatusCode);
        Assert.Contains("Registered Model with name=none not found", System.Net.WebUtility.HtmlDecode(await answer.Content.ReadAsStringAsync()));
    }
}
