using Microsoft.Playwright;
using Takt.Deployments;
using Takt.Server.Dashboard;

namespace Takt.Dashboard.Tests;

/// <summary>Every page of the line in a real browser, on the rows of a real run of the flights sample.</summary>
public sealed class DashboardTests(FlightsLine line, Chromium chromium) : IClassFixture<FlightsLine>
{
    static readonly (string Path, string Text)[] Pages =
    [
        ("/", "flights"), ("/data", "flights"), ("/data/flights", "origin"), ("/pipelines", "gates.quality"), ("/runs", "finished"), ("/runs/RUN", "auc >= 0.6"), ("/experiments", "flights"),
        ("/models", "version 1"), ("/models/flights", "candidate"), ("/models/flights/1", "probability"), ("/deployments", "flights@1"), ("/deployments/flights", "the first revision"), ("/deployments/moved", "harm shown"), ("/deployments/moving", "this page follows"), ("/monitors", "No window has passed yet"),
    ];

    [Fact]
    public async Task Every_page_shows_real_rows_is_accessible_in_light_and_dark_and_asks_nobody_else() =>
        Assert.Equal([], await PageCheck.All(chromium.Browser, line.Address, Pages.Select(p => (p.Path.Replace("RUN", line.Run, StringComparison.Ordinal), p.Text, true))));

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
    public async Task What_was_taken_for_what_stands_on_the_pages_of_a_version_and_of_its_evaluation_and_a_link_to_the_stage_opens_it()
    {
        var page = await chromium.Browser.NewPageAsync(new() { BaseURL = line.Address });
        await page.GotoAsync("/models/flights/1", new() { WaitUntil = WaitUntilState.DOMContentLoaded });
        var cells = (await page.Locator(".confusion td").AllTextContentsAsync()).Select(c => int.Parse(c, System.Globalization.NumberStyles.AllowThousands, System.Globalization.CultureInfo.InvariantCulture)).ToList();
        Assert.Equal((cells[0] + cells[1], cells[3] + cells[4]), (cells[2], cells[5])); // a true class a row, its sum at the end
        Assert.Equal(line.Server.App.Models.Resolve("flights@1").Metrics["rows"], cells[2] + cells[5]);
        await page.GotoAsync($"/runs/{line.Run}#evaluate", new() { WaitUntil = WaitUntilState.DOMContentLoaded });
        await page.WaitForSelectorAsync("#evaluate[open] .confusion");
        await page.CloseAsync();
    }

    [Fact]
    public async Task On_a_narrow_screen_no_page_is_wider_than_the_screen()
    {
        var page = await chromium.Browser.NewPageAsync(new() { BaseURL = line.Address, ViewportSize = new() { Width = 390, Height = 800 } });
        foreach (var path in (string[])["/", "/data/flights", "/pipelines", "/runs", "/runs/" + line.Run, "/models/flights", "/models/flights/1", "/deployments/flights", "/deployments/moved", "/deployments/moving", "/monitors", "/experiments"])
        {
            await page.GotoAsync(path, new() { WaitUntil = WaitUntilState.DOMContentLoaded });
            Assert.True(await page.EvaluateAsync<int>("document.documentElement.scrollWidth") <= 390, path);
        }
    }

    [Fact]
    public async Task A_rule_that_refused_a_run_leaves_room_for_its_metrics()
    {
        var page = await chromium.Browser.NewPageAsync(new() { BaseURL = line.Address, ViewportSize = new() { Width = 1440, Height = 900 } });
        await page.GotoAsync("/runs", new() { WaitUntil = WaitUntilState.DOMContentLoaded });
        var status = (await page.Locator("td:has(.why)").First.BoundingBoxAsync())!;
        Assert.InRange(status.Width, 100, 460);
    }

    [Fact]
    public async Task A_rollout_is_followed_by_its_page_and_paused_and_aborted_from_it()
    {
        await using var context = await chromium.Browser.NewContextAsync(new() { BaseURL = line.Address });
        var page = await context.NewPageAsync();
        await page.GotoAsync("/deployments/moving");
        await page.WaitForSelectorAsync("#live-part[data-news]");
        await page.ClickAsync("[data-dialog=do-pause]");
        await page.ClickAsync("#do-pause .primary");
        await page.WaitForSelectorAsync(".note .badge >> text=paused");
        await page.ClickAsync("[data-dialog=do-resume]");
        await page.ClickAsync("#do-resume .primary");
        await page.WaitForSelectorAsync("[data-dialog=do-pause]");
        Assert.Equal(RolloutState.Rolling, line.Server.App.Deployments.Get("moving").Rollout!.State);
    }

    [Fact]
    public async Task Evidence_is_told_in_figures_and_why_a_rollout_was_taken_back_stands_above_it()
    {
        using var http = new HttpClient { BaseAddress = new Uri(line.Address) };
        var html = System.Net.WebUtility.HtmlDecode(await http.GetStringAsync("/deployments/moved"));
        Assert.Contains("outcome bad", html);
        Assert.Contains("Failed requests <span class=\"badge bad\">harm shown</span>", html);
        Assert.Contains("+30 pt", html);
        Assert.Contains("<svg class=\"band\"", html);
    }

    [Fact]
    public async Task A_request_to_an_endpoint_is_a_waterfall_from_the_router_to_the_model()
    {
        const string Sender = "0af7651916cd43dd8448eb211c80319c";
        using var http = new HttpClient { BaseAddress = new Uri(line.Address) };
        using var ask = new HttpRequestMessage(HttpMethod.Post, "/v2/models/traced/infer") { Content = new StringContent("""
            {"inputs": [{"name": "hour", "shape": [1], "datatype": "INT64", "data": [18]}, {"name": "weekday", "shape": [1], "datatype": "INT64", "data": [5]}, {"name": "distance", "shape": [1], "datatype": "INT64", "data": [640]},
             {"name": "origin", "shape": [1], "datatype": "BYTES", "data": ["ORD"]}, {"name": "destination", "shape": [1], "datatype": "BYTES", "data": ["LGA"]}]}
            """, System.Text.Encoding.UTF8, "application/json") };
        ask.Headers.Add("traceparent", $"00-{Sender}-b7ad6b7169203331-01");
        using var answer = await http.SendAsync(ask);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        while (line.Server.App.Traces.WithSpans(["tr-" + Sender]) is not [{ Spans.Count: > 1 }]) await Task.Delay(50);

        var page = await chromium.Browser.NewPageAsync(new() { BaseURL = line.Address });
        await page.GotoAsync("/traces/tr-" + Sender);
        var names = await page.Locator(".span .label b").AllTextContentsAsync();
        Assert.Equal("POST /v2/models/{model}/infer", names[0]);
        Assert.Contains("compute", names);
        Assert.Equal("0", await page.GetAttributeAsync(".span >> nth=0", "data-depth"));
        Assert.Equal("1", await page.Locator(".span:has(b:text-is('compute'))").GetAttributeAsync("data-depth"));
        await page.ClickAsync(".span >> nth=0 >> summary");
        Assert.Contains("takt.endpoint", await page.TextContentAsync(".span >> nth=0"));
        await page.CloseAsync();
    }

    [Fact]
    public async Task A_run_that_a_gate_refused_says_so_and_by_which_rule_on_every_page_and_looks_like_no_crash()
    {
        using var http = new HttpClient { BaseAddress = new Uri(line.Address) };
        var rule = new System.Text.RegularExpressions.Regex(@"(?i)refused by (<b>)?gates\.quality: auc >= 0\.99: 0\.\d+ < 0\.99");
        foreach (var path in (string[])["/", "/runs", "/runs/" + line.Refused, "/pipelines"])
        {
            var html = System.Net.WebUtility.HtmlDecode(await http.GetStringAsync(path));
            Assert.Matches(rule, html);
            Assert.Contains("<span class=\"badge warn\"", html);
            Assert.DoesNotContain("<span class=\"badge bad\">failed", html.Split("Rules of the gate")[0]);
        }
    }

    [Fact]
    public void Names_of_any_length_and_width_stay_inside_the_boxes_of_the_lineage()
    {
        foreach (var name in (string[])["short", "flights@c3bd02cc", "ein-sehr-langer-Name-der-nicht-passt@12", "机器学习模型注册表机器学习模型", "🦊🦊🦊🦊🦊🦊🦊🦊🦊🦊🦊🦊", "", "iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii"])
            Assert.True(SvgText.Width(SvgText.Fit(name, 120, 13), 13) <= 120, name);
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
