using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Playwright;

namespace Takt.Dashboard.Tests;

/// <summary>Registered models and prompts: found, read and told apart.</summary>
public sealed class ModelPagesTests(RunsServer server, Chromium chromium)
{
    [Fact]
    public async Task A_model_whose_name_has_a_slash_has_pages_and_is_found_by_a_part_of_it()
    {
        const string Name = "team/ranker v2";
        await server.Call("registered-models/create", new { name = Name, description = "# Card\n\nPicks **the best** ten." });
        await server.Call("model-versions/create", new { name = Name, source = $"mlflow-artifacts:/{server.Experiment}/{server.Odd}/artifacts/folder", run_id = server.Odd });
        var page = await chromium.Browser.NewPageAsync(new() { BaseURL = server.Address });
        await page.GotoAsync("/models");
        await page.Keyboard.PressAsync("/");
        await page.Keyboard.TypeAsync("RANKER");
        await page.Keyboard.PressAsync("Enter");
        await PageCheck.Arrived(page, "/models?find=RANKER");
        Assert.Equal(1, await page.Locator("tbody tr").CountAsync());
        Assert.Contains("Picks the best ten.", await page.TextContentAsync("tbody"));
        await page.ClickAsync("tbody a >> nth=1");
        await PageCheck.Arrived(page, "/models/team%2Franker%20v2/1");
        Assert.Equal(Name + "@1", await page.TextContentAsync("h1"));
        await page.ClickAsync($".above a >> text={Name}");
        await PageCheck.Arrived(page, "/models/team%2Franker%20v2");
        Assert.Equal(Name, await page.TextContentAsync("h1"));
        await page.CloseAsync();
    }

    [Fact]
    public async Task A_prompt_is_shown_as_it_was_written_with_what_is_filled_in_and_what_changed()
    {
        KeyValuePair<string, string> of = new("mlflow.prompt.is_prompt", "true");
        object[] Tags(string text) => [new { key = of.Key, value = of.Value }, new { key = "mlflow.prompt.text", value = text }];
        await server.Call("registered-models/create", new { name = "summarize", tags = new[] { new { key = of.Key, value = of.Value } } });
        foreach (var text in (string[])["Be kind.\nSum up {{ text }}.", "Be brief.\nSum up {{ text }}\nfor {{reader}}: <script>alert('prompt')</script>"])
            await server.Call("model-versions/create", new { name = "summarize", source = "prompt-template", tags = Tags(text) });
        Assert.Equal([], await PageCheck.All(chromium.Browser, server.Address, [("/prompts", "summarize", true), ("/models/summarize", "Be brief. Sum up", false), ("/models/summarize/2", "<script>alert('prompt')</script>", true)]));

        var html = WebUtility.HtmlDecode(await server.Http.GetStringAsync("/models/summarize/2"));
        Assert.Contains("filled in: <code>text</code> <code>reader</code>", html);
        Assert.Contains("<del>- Be kind.</del>", html);
        Assert.Contains("<ins>+ Be brief.</ins>", html);
        Assert.DoesNotContain("Move to stage", html);
        Assert.DoesNotContain("summarize", await server.Http.GetStringAsync("/models")); // a prompt is no model
        var page = await chromium.Browser.NewPageAsync(new() { BaseURL = server.Address });
        await page.GotoAsync("/#/prompts/summarize");
        await PageCheck.Arrived(page, "/models/summarize");
        await page.CloseAsync();
    }

    [Fact]
    public async Task A_logged_model_tells_its_run_and_how_good_it_is_on_which_data_and_is_found_by_its_metrics()
    {
        using var made = await server.Http.PostAsJsonAsync("/api/2.0/mlflow/logged-models", new { experiment_id = server.Experiment, name = "ckpt <b>", source_run_id = server.Odd, @params = new[] { new { key = "depth", value = "3" } } });
        var id = (await made.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("model").GetProperty("info").GetProperty("model_id").GetString()!;
        await server.Call("runs/log-batch", new { run_id = server.Odd, metrics = new[] { new { key = "held_out", value = 0.875, timestamp = 1_790_000_000_000, step = 3, model_id = id, dataset_name = "holdout", dataset_digest = "d1" } } });
        Assert.Equal([], await PageCheck.All(chromium.Browser, server.Address, [($"/logged-models/{id}", "holdout", true), ("/logged-models?filter=metrics.held_out %3E 0.8", "ckpt <b>", true), ("/logged-models?filter=metrics.held_out %3E 0.9", "No logged model matches", false)]));
        var page = await chromium.Browser.NewPageAsync(new() { BaseURL = server.Address });
        await page.GotoAsync($"/#/experiments/{server.Experiment}/models/{id}");
        await PageCheck.Arrived(page, $"/logged-models/{id}");
        Assert.Contains("0.875", await page.TextContentAsync("main"));
        await page.CloseAsync();
    }

    [Fact]
    public async Task A_long_run_leads_to_each_of_its_parts_and_an_infinite_value_does_not_flatten_its_chart()
    {
        var run = await server.Start("long", 1_789_500_000_000);
        await server.Call("runs/log-batch", new { run_id = run, metrics = Enumerable.Range(0, 40).Select(s => new { key = "norm", value = s == 7 ? (object)"Infinity" : s / 10.0, timestamp = 1_790_000_000_000 + s, step = s }), @params = new[] { new { key = "lr", value = "0.1" } } });
        await server.Call("runs/set-tag", new { run_id = run, key = "team", value = "a" });
        var page = await chromium.Browser.NewPageAsync(new() { BaseURL = server.Address, ViewportSize = new() { Width = 1000, Height = 700 } });
        await page.GotoAsync("/runs/" + run);
        Assert.Equal(["Charts 1", "Metrics 1", "Params 1", "Tags 1"], await page.Locator(".jump a").AllTextContentsAsync());
        await page.ClickAsync(".jump a >> text=Charts");
        await page.WaitForSelectorAsync(".plot[data-drawn='40'] canvas");
        await Assertions.Expect(page.Locator(".plot figcaption")).ToHaveTextAsync("norm · 1 NaN or ∞");
        Assert.EndsWith("from 0 to 3.9", await page.GetAttributeAsync(".plot .canvas", "aria-label"));
        Assert.Contains("greatest <b>∞</b> at 7", WebUtility.HtmlDecode(await server.Http.GetStringAsync("/runs/" + run)));
        await page.CloseAsync();
        await server.Server.App.RunLog.Update(run, Takt.Runs.RunStatus.FINISHED, 1_789_500_100_000, null);
        await server.Call("runs/delete", new { run_id = run }); // others count this server's runs
    }
}
