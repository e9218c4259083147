using System.Text.RegularExpressions;
using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;

namespace Takt.Dashboard.Tests;

/// <summary>What every page must be: without errors, accessible, and content with this server.</summary>
static class PageCheck
{
    /// <summary>Opens the page and collects what is wrong with it.</summary>
    /// <param name="text">What it must show.</param>
    public static async Task<IPage> Open(IBrowserContext context, string address, string path, string text, List<string> faults, string ready = "h1", int status = 200)
    {
        var page = await context.NewPageAsync();
        page.Console += (_, message) => { if (message.Type == "error" && status == 200) faults.Add($"{path}: console: {message.Text}"); };
        page.PageError += (_, error) => faults.Add($"{path}: {error}");
        page.Dialog += (_, dialog) => { faults.Add($"{path}: a script ran: {dialog.Message}"); _ = dialog.DismissAsync(); };
        page.Request += (_, request) => { if (!request.Url.StartsWith(address, StringComparison.Ordinal) && !request.Url.StartsWith("data:", StringComparison.Ordinal)) faults.Add($"{path} asks {request.Url}"); };
        var answer = await page.GotoAsync(address + path, new() { WaitUntil = WaitUntilState.DOMContentLoaded });
        if (answer!.Status != status) faults.Add($"{path}: {answer.Status}");
        await page.WaitForSelectorAsync(ready, new() { Timeout = 10_000, State = WaitForSelectorState.Attached });
        if (!(await page.TextContentAsync("main"))!.Contains(text, StringComparison.Ordinal)) faults.Add($"{path} lacks '{text}'");
        if (Environment.GetEnvironmentVariable("TAKT_SHOTS") is { Length: > 0 } shots)
            await page.ScreenshotAsync(new() { Path = Path.Combine(shots, $"{string.Concat(path.Trim('/').Select(c => char.IsAsciiLetterOrDigit(c) ? c : '-')).PadRight(1, '-')[..Math.Max(1, Math.Min(60, path.Length - 1))]}-{await page.EvaluateAsync<string>("matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'")}.png"), FullPage = true });
        return page;
    }

    /// <summary>More pages at once than this only wait for the browser.</summary>
    const int AtOnce = 3;

    /// <summary>Rows of a table beyond these are made of the same parts; axe takes milliseconds for each cell.</summary>
    const int RowsLookedAt = 12;

    /// <summary>Every page, several at once: opened, looked at by axe in the light, and its colours in the dark.</summary>
    /// <returns>What is wrong.</returns>
    public static async Task<List<string>> All(IBrowser browser, string address, IEnumerable<(string Path, string Text, bool Axe)> pages)
    {
        await using var context = await browser.NewContextAsync(new() { ColorScheme = ColorScheme.Light, ReducedMotion = ReducedMotion.Reduce, ViewportSize = new() { Width = 1280, Height = 900 } });
        var faults = new List<string>();
        await Parallel.ForEachAsync(pages, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (one, _) =>
        {
            var found = new List<string>();
            var page = await Open(context, address, one.Path, one.Text, found);
            if (one.Axe) await Axe(page, found);
            await page.CloseAsync();
            lock (faults) faults.AddRange(found);
        });
        return faults;
    }

    /// <summary>Once as it is, and once for what another theme can have wrong: the colours.</summary>
    static async Task Axe(IPage page, List<string> faults)
    {
        await page.EvaluateAsync("most => { for (const body of document.querySelectorAll('tbody')) for (const row of [...body.rows].slice(most)) row.remove(); }", RowsLookedAt);
        // in the page itself, for there are no frames: axe's way through frames opens a page more each time. Violations only: to describe every node that is well takes longer than to find those that are not
#pragma warning disable CS0618 // "will be removed": for pages with frames, which these are not
        var light = await page.Locator("html").RunAxeLegacy(new AxeRunOptions { ResultTypes = [ResultType.Violations] });
#pragma warning restore CS0618
        faults.AddRange(light.Violations.Where(v => v.Impact is "serious" or "critical").Select(v => $"{page.Url}: {v.Id}: {v.Help}: {v.Nodes[0].Html}"));
        await page.EmulateMediaAsync(new() { ColorScheme = ColorScheme.Dark });
        var dark = await page.EvaluateAsync<string[]>("() => axe.run(document, { resultTypes: ['violations'], runOnly: { type: 'rule', values: ['color-contrast'] } }).then(r => r.violations.flatMap(v => v.nodes.map(n => v.help + ': ' + n.html)))");
        faults.AddRange(dark.Select(fault => $"{page.Url} (dark): {fault}"));
    }

    /// <summary>At another page, its scripts run. It asks where the page is: an event (load, commit) can have passed on a machine that is busy.</summary>
    public static async Task Arrived(IPage page, string url)
    {
        await Assertions.Expect(page).ToHaveURLAsync(new Regex(Regex.Escape(url).Replace("\\*\\*", ".*", StringComparison.Ordinal) + "$"), new() { Timeout = 30_000 });
        await page.WaitForFunctionAsync("document.readyState === 'complete'");
    }
}
