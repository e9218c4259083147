using System.Net;
using System.Text.Json;
using Microsoft.Playwright;

namespace Takt.Dashboard.Tests;

/// <summary>Charts of a run and of a comparison, and the values behind them.</summary>
public sealed class ChartsTests(RunsServer server, Chromium chromium)
{
    [Fact]
    public async Task Charts_are_drawn_when_they_come_into_view_and_keep_the_extreme()
    {
        var series = JsonDocument.Parse(await server.Http.GetStringAsync($"/runs/series?run={server.Odd}&key=loss")).RootElement;
        var line = series.GetProperty("lines")[0];
        Assert.False(series.GetProperty("exact").GetBoolean());
        Assert.InRange(series.GetProperty("x").GetArrayLength(), 500, 1000);
        Assert.Equal(99, line.GetProperty("y").EnumerateArray().Where(y => y.ValueKind == JsonValueKind.Number).Max(y => y.GetDouble()));
        Assert.Equal((5000, 1), (line.GetProperty("points").GetInt32(), line.GetProperty("gaps").GetInt32()));
        var near = JsonDocument.Parse(await server.Http.GetStringAsync($"/runs/series?run={server.Odd}&key=loss&from=3200&to=3220")).RootElement;
        Assert.True(near.GetProperty("exact").GetBoolean());
        Assert.Equal(Enumerable.Range(3200, 21), near.GetProperty("x").EnumerateArray().Select(x => x.GetInt32()));

        var page = await chromium.Browser.NewPageAsync(new() { BaseURL = server.Address, ViewportSize = new() { Width = 1000, Height = 500 } });
        await page.GotoAsync($"/runs/{server.Odd}?log=1");
        await page.Locator(".plot").ScrollIntoViewIfNeededAsync();
        await page.WaitForSelectorAsync(".plot[data-drawn='5000'] canvas");
        await page.SelectOptionAsync("#chart-axis", "relative");
        await PageCheck.Arrived(page, "**x=relative**");
        Assert.Contains("log=1", page.Url);
        await page.CloseAsync();
    }

    [Fact]
    public async Task Charts_tell_the_values_under_the_pointer_hide_runs_leave_out_outliers_and_give_every_point()
    {
        var page = await chromium.Browser.NewPageAsync(new() { BaseURL = server.Address, ViewportSize = new() { Width = 1000, Height = 700 } });
        await page.GotoAsync($"/compare?run={server.Sweep[5]},{server.Sweep[50]},{server.Sweep[90]}");
        var plot = page.Locator(".plot[data-key=acc]");
        await plot.ScrollIntoViewIfNeededAsync();
        await page.WaitForSelectorAsync(".plot[data-key=acc][data-drawn='18'] canvas");
        await plot.Locator(".u-over").HoverAsync();
        await Assertions.Expect(plot.Locator(".values-here")).ToContainTextAsync("run-90");
        Assert.Equal(4, await plot.Locator(".values-here div").CountAsync()); // the place, and three runs
        var series = page.WaitForRequestAsync("**/runs/series?**");
        await page.SelectOptionAsync("#chart-axis", "time");
        Assert.Equal(3, (await series).Url.Split("run=")[1].Split(',').Length);
        await page.SelectOptionAsync("#chart-axis", "step");
        await page.WaitForSelectorAsync(".plot[data-key=acc][data-drawn='18'] canvas");
        await page.ClickAsync($"#chart-runs li[data-run='{server.Sweep[90]}'] .mark");
        await Assertions.Expect(plot.Locator("figcaption")).ToHaveTextAsync("acc · 1 hidden");
        await plot.Locator(".u-over").HoverAsync(new() { Position = new() { X = 40, Y = 40 } });
        await Assertions.Expect(plot.Locator(".values-here")).ToContainTextAsync("run-50");
        Assert.DoesNotContain("run-90", await plot.Locator(".values-here").TextContentAsync());

        await page.GotoAsync($"/runs/{server.Odd}?outliers=0");
        await page.Locator(".plot").ScrollIntoViewIfNeededAsync();
        await Assertions.Expect(page.Locator(".plot figcaption")).ToContainTextAsync("outside");
        var download = await page.RunAndWaitForDownloadAsync(() => page.ClickAsync("[data-png]"));
        Assert.Equal("loss.png", download.SuggestedFilename);
        await page.CloseAsync();

        var lines = (await server.Http.GetStringAsync($"/runs/series.csv?key=loss&run={server.Odd}")).TrimEnd().Split("\r\n");
        Assert.Equal("run_id,run_name,step,time,value", lines[0]);
        Assert.Equal(5001, lines.Length);
        Assert.Contains(lines, l => l.EndsWith(",3210,2026-09-21T15:06:50.0000000Z,99", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.EndsWith(",NaN", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_metric_tells_the_least_and_the_greatest_it_ever_had_and_when()
    {
        var html = WebUtility.HtmlDecode(await server.Http.GetStringAsync($"/runs/{server.Odd}"));
        Assert.Contains("least <b>0.00387022</b> at 4999, greatest <b>99</b> at 3210", html); // one value is NaN
    }
}
