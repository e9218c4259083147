using Microsoft.Playwright;
using Takt.Runs.Traces;

namespace Takt.Dashboard.Tests;

/// <summary>The waterfall of a trace.</summary>
public sealed class TracePagesTests(RunsServer server, Chromium chromium)
{
    [Fact]
    public async Task A_trace_is_a_waterfall_whose_spans_open_to_what_they_were_given()
    {
        var page = await chromium.Browser.NewPageAsync(new() { BaseURL = server.Address });
        await page.GotoAsync($"/traces/{server.Trace}");
        Assert.Equal(["<script>alert('root')</script>", "retrieve", "generate", "call"], await page.Locator(".span .label b").AllTextContentsAsync());
        await page.ClickAsync(".span:nth-of-type(4) summary");
        Assert.Contains("<script>alert('span 4')</script>", await page.TextContentAsync(".span:nth-of-type(4) pre"));
        Assert.Equal(2, await page.Locator(".span.bad").CountAsync());
        await page.CloseAsync();
    }

    [Fact]
    public async Task A_trace_of_many_spans_begins_folded_and_is_searched()
    {
        static NewSpan Span(int id, int parent, int status) => new([9, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], [0, 0, 0, 0, 0, 0, (byte)(id >> 8), (byte)id], parent == 0 ? [] : [0, 0, 0, 0, 0, 0, (byte)(parent >> 8), (byte)parent],
            $"step {id}", 1_790_000_000_000_000_000 + ((ulong)id * 1_000_000), 1_790_000_001_000_000_000, status, "", [], []);
        // a chain of 150 below the root, and one beside it
        await server.Server.App.Traces.AddSpans(long.Parse(server.Experiment), [.. Enumerable.Range(1, 150).Select(i => Span(i, i - 1, i == 140 ? 2 : 1)), Span(200, 1, 1)]);
        var page = await chromium.Browser.NewPageAsync(new() { BaseURL = server.Address });
        await page.GotoAsync("/traces/tr-0902030405060708090a0b0c0d0e0f10");
        await Assertions.Expect(page.Locator(".span:not([hidden])")).ToHaveCountAsync(60); // 1 to 59 (folded), 200
        Assert.Contains("▸ 91", await page.TextContentAsync(".span:nth-of-type(59) .branch"));
        await page.FocusAsync(".span:nth-of-type(59) summary");
        await page.Keyboard.PressAsync("ArrowRight");
        await Assertions.Expect(page.Locator(".span:not([hidden])")).ToHaveCountAsync(61);
        await page.CheckAsync("#span-errors");
        await Assertions.Expect(page.Locator("#span-note")).ToHaveTextAsync("1 of 151");
        await Assertions.Expect(page.Locator(".span:not([hidden])")).ToHaveCountAsync(140); // the way to it
        await page.UncheckAsync("#span-errors");
        await page.FocusAsync(".span summary");
        await page.Keyboard.PressAsync("/");
        await page.Keyboard.TypeAsync("step 200");
        await Assertions.Expect(page.Locator(".span:not([hidden])")).ToHaveCountAsync(2);
        await page.CloseAsync();
    }
}
