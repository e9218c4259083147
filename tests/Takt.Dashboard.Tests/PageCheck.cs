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

    /// <param name="onlyColours">What the other theme can have wrong; the rest is the same in both.</param>
    public static async Task Axe(IPage page, List<string> faults, bool onlyColours = false)
    {
        var axe = await page.RunAxe(onlyColours ? new AxeRunOptions { RunOnly = new RunOnlyOptions { Type = "rule", Values = ["color-contrast"] } } : null);
        faults.AddRange(axe.Violations.Where(v => v.Impact is "serious" or "critical").Select(v => $"{page.Url}: {v.Id}: {v.Help}: {v.Nodes[0].Html}"));
    }
}
