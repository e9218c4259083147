using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Playwright;
using Takt.Runs.Traces;

namespace Takt.Dashboard.Tests;

/// <summary>The runs table, a run, a comparison, artifacts and the registry, on runs that an MLflow client logged.</summary>
public sealed class RunsPagesTests(RunsServer server, Chromium chromium)
{
    string Table => $"/runs?experiment={server.Experiment}";

    [Fact]
    public async Task Hostile_names_and_values_are_shown_as_they_are_typed_and_every_page_is_accessible()
    {
        var pages = ((string, string)[])
        [
            (Table + "&sort=start_time&dir=asc&show=5", "<script>alert('run')</script>"), (Table + "&cols=params.*,tags.*,metrics.m/5*&show=3", "m/59"), (Table + "&group=params.model", "vit"),
            (Table + "&filter=metrics.acc %3E 2", "No run matches"), ($"/runs/{server.Odd}", "<script>alert(2)</script>"), ($"/compare?run={server.Odd},{server.Sweep[0]},{server.Sweep[1]}", "onerror"), (Table.Replace("/runs", "/compare"), "121 runs"),
            ($"/runs/{server.Odd}/artifacts/", "folder/"), ($"/runs/{server.Odd}/artifacts/notes.md", "<script>alert(4)</script>"), ($"/runs/{server.Odd}/artifacts/config.json", "<script>alert(5)</script>"), ($"/runs/{server.Odd}/artifacts/broken.json", "not valid JSON"),
            ($"/runs/{server.Odd}/artifacts/rows.csv", "<script>alert(6)</script>"), ($"/runs/{server.Odd}/artifacts/ragged.csv", "ragged.csv"), ($"/runs/{server.Odd}/artifacts/folder/page.html", "<script>alert(7)</script>"), ($"/runs/{server.Odd}/artifacts/empty.txt", "empty"),
            ($"/runs/{server.Odd}/artifacts/weights.bin", "binary"), ($"/runs/{server.Odd}/artifacts/table.json", "because"), ($"/runs/{server.Odd}/artifacts/dot.png", "dot.png"), ($"/runs/{server.Odd}/artifacts/drawing.svg", "drawing.svg"), ("/models/scorer", "scorer@2"), ("/models/scorer/2", "mlflow-artifacts:/"),
            ("/traces", "<script>alert('root')"), ("/traces?filter=nonsense", "nvalid"), ($"/traces/{server.Trace}", "generate"),
        ];
        // one page of each kind: other files' previews are made of the same parts
        static bool Looked(string path, string text) => !text.Contains("runs") && (!path.Contains("/artifacts/") || path.EndsWith('/') || path.EndsWith(".md") || path.EndsWith("rows.csv") || path.EndsWith(".png"));
        Assert.Equal([], await PageCheck.All(chromium.Browser, server.Address, pages.Select(p => (p.Item1, p.Item2, Looked(p.Item1, p.Item2)))));
    }

    [Fact]
    public async Task The_table_pages_forth_and_back_through_every_run_once_whatever_it_is_sorted_by()
    {
        foreach (var sort in (string[])["", "&sort=metrics.acc", "&sort=metrics.acc&dir=asc", "&sort=params.n&dir=asc", "&sort=params.lr", "&sort=duration", "&sort=run_name&dir=asc", "&sort=tags.big", "&sort=status", "&sort=metrics.none"])
        {
            var seen = new List<string>();
            var pages = new List<List<string>>();
            for (var url = $"{Table}&show=50{sort}"; url is not null;)
            {
                var html = await server.Http.GetStringAsync(url);
                pages.Add(RunsIn(html));
                seen.AddRange(pages[^1]);
                url = Link(html, "next");
                if (url is null && pages.Count == 3)
                    for (var back = Link(html, "prev"); back is not null; back = Link(html, "prev"))
                    {
                        html = await server.Http.GetStringAsync(back);
                        pages.Add(RunsIn(html));
                    }
            }
            Assert.Equal(121, seen.Distinct().Count());
            Assert.Equal(121, seen.Count);
            Assert.Equal(pages[1], pages[3]);
            Assert.Equal(pages[0], pages[4]);
        }
        // numbers that were logged as text are in the order of numbers
        Assert.Equal(server.Sweep.Take(12), RunsIn(await server.Http.GetStringAsync($"{Table}&show=12&sort=params.n&dir=asc")));
    }

    [Fact]
    public async Task A_wrong_filter_is_told_beside_it_and_stays_to_be_corrected()
    {
        var html = await server.Http.GetStringAsync(Table + "&filter=" + Uri.EscapeDataString("metrics.acc > 'x' OR <b>"));
        Assert.Contains("role=\"alert\"", html);
        Assert.Contains("Invalid clause(s) in filter string", html);
        Assert.Contains("value=\"metrics.acc &gt; &#39;x&#39; OR &lt;b&gt;\"", html);
    }

    [Fact]
    public async Task A_column_that_is_none_is_told_on_the_table_and_what_was_typed_stays()
    {
        foreach (var asked in (string[])["group=zzz", "sort=x.y", "cols=foo.bar"])
        {
            using var answer = await server.Http.GetAsync($"{Table}&{asked}");
            var html = WebUtility.HtmlDecode(await answer.Content.ReadAsStringAsync());
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Contains("is no column: write metrics.KEY", html);
            Assert.Contains("id=\"filter\"", html);
            if (asked[0] is 'g' or 'c') Assert.Contains($"value=\"{asked.Split('=')[1]}\"", html);
        }
    }

    [Fact]
    public async Task The_filter_completes_keys_columns_are_chosen_and_runs_are_selected_by_keyboard_and_compared()
    {
        var page = await chromium.Browser.NewPageAsync(new() { BaseURL = server.Address });
        await page.GotoAsync(Table, new() { WaitUntil = WaitUntilState.Load });
        await page.Keyboard.PressAsync("/");
        await page.WaitForSelectorAsync(".runs[data-keys]");
        await page.FillAsync("#filter", "params.n > '1' AND par");
        await page.WaitForSelectorAsync("#keys option[value=\"params.n > '1' AND params.model \"]", new() { State = WaitForSelectorState.Attached });

        await page.FillAsync("#filter", "");
        await page.ClickAsync("#choose-columns");
        await page.WaitForSelectorAsync("#columns[data-ready]");
        await page.FillAsync("#find-column", "m/59");
        await page.CheckAsync("#column-list input");
        await page.ClickAsync("#columns .primary");
        await PageCheck.Arrived(page, "**cols=metrics.m%2F59**");
        Assert.Contains("m/59", await page.TextContentAsync("thead"));

        await page.FocusAsync("main a");
        foreach (var key in (string[])["j", "x", "j", "x"]) await page.Keyboard.PressAsync(key);
        Assert.Equal("2 selected", await page.TextContentAsync("#selected"));
        await page.ClickAsync("a[rel=next]");
        await page.WaitForSelectorAsync("a[rel=prev]");
        Assert.Equal("2 selected", await page.TextContentAsync("#selected"));
        await page.ClickAsync("#compare");
        await page.WaitForSelectorAsync(".parallel");
        Assert.Equal("2 runs", await page.TextContentAsync("h1"));
        await page.CloseAsync();
    }

    [Fact]
    public async Task Parts_of_a_run_open_below_it_level_by_level_and_stay_open()
    {
        var study = await server.Start("study", 1_788_000_000_000);
        var trial = await server.Start("trial", 1_788_000_001_000, study);
        var fold = await server.Start("fold", 1_788_000_002_000, trial);
        await server.Call("runs/log-metric", new { run_id = fold, key = "acc", value = 0.875, timestamp = 1, step = 0 });
        var table = $"{Table}&sort=start_time&dir=asc&show=10";
        var html = await server.Http.GetStringAsync(table);
        Assert.Contains(study, RunsIn(html));
        Assert.DoesNotContain(trial, RunsIn(html));
        Assert.Contains(trial, RunsIn(await server.Http.GetStringAsync(table + "&nested=flat")));
        Assert.Contains(trial, RunsIn(await server.Http.GetStringAsync($"{Table}&filter=attributes.run_name = 'trial'")));

        await using var context = await chromium.Browser.NewContextAsync(new() { BaseURL = server.Address });
        var page = await context.NewPageAsync();
        await page.GotoAsync(table);
        await page.ClickAsync($"[data-run='{study}'] .toggle");
        await page.ClickAsync($"[data-run='{trial}'] .toggle");
        await page.WaitForSelectorAsync($"[data-run='{fold}'][data-depth='2'] >> text=0.875");
        await page.ReloadAsync();
        await page.WaitForSelectorAsync($"[data-run='{fold}'][data-depth='2']");
        await page.ClickAsync($"[data-run='{study}'] .toggle");
        Assert.Equal(0, await page.Locator("[data-depth]").CountAsync());

        // a parent in the bin does not hide its parts
        await server.Call("runs/delete", new { run_id = study });
        Assert.Contains(trial, RunsIn(await server.Http.GetStringAsync(table)));
        foreach (var run in (string[])[trial, fold]) await server.Call("runs/delete", new { run_id = run });
    }

    [Fact]
    public async Task Selected_runs_are_deleted_together_after_a_question_and_an_undo_brings_exactly_those_back()
    {
        var experiment = (await server.Call("experiments/create", new { name = "to delete" })).GetProperty("experiment_id").GetString()!;
        var runs = new List<string>();
        for (var i = 0; i < 4; i++) runs.Add((await server.Call("runs/create", new { experiment_id = experiment, run_name = $"r{i}", start_time = 1_700_000_000_000 + i, tags = i == 3 ? [new { key = "mlflow.parentRunId", value = runs[0] }] : Array.Empty<object>() })).GetProperty("run").GetProperty("info").GetProperty("run_id").GetString()!);
        await server.Call("runs/delete", new { run_id = runs[2] });

        await using var context = await chromium.Browser.NewContextAsync(new() { BaseURL = server.Address });
        var page = await context.NewPageAsync();
        await page.GotoAsync($"/runs?experiment={experiment}");
        Assert.True(await page.IsDisabledAsync("#delete-selected"));
        await page.CheckAsync($"[data-run='{runs[0]}'] input");
        await page.ClickAsync("#delete-selected");
        Assert.Equal("1 run", await page.TextContentAsync("#together-count"));
        await page.ClickAsync("#together .primary");
        await page.WaitForSelectorAsync(".notice >> text=2 runs are in the bin now.");
        Assert.Equal([runs[1]], RunsIn(await server.Http.GetStringAsync($"/runs?experiment={experiment}&nested=flat")));
        Assert.Equal("none selected", await page.TextContentAsync("#selected"));
        await page.ClickAsync(".notice button");
        await page.WaitForSelectorAsync(".notice >> text=2 runs are active again.");
        Assert.Equal(new[] { runs[3], runs[1], runs[0] }, RunsIn(await server.Http.GetStringAsync($"/runs?experiment={experiment}&nested=flat")));

        await page.GotoAsync($"/runs?experiment={experiment}&deleted=1");
        await page.CheckAsync("#pick-all");
        await page.ClickAsync("#restore-selected");
        await page.ClickAsync("#together .primary");
        await page.WaitForSelectorAsync(".notice >> text=1 run is active again.");
    }

    [Fact]
    public async Task A_bulk_deletion_that_names_a_run_that_is_not_there_deletes_none()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/runs") { Content = new FormUrlEncodedContent([new("do", "delete"), new("runs", $"{server.Sweep[5]},nobody"), new("back", "https://evil.example/")]) };
        request.Headers.Add("Origin", server.Address);
        using var answer = await server.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Contains("nobody", await answer.Content.ReadAsStringAsync());
        Assert.False(server.Server.App.RunLog.Get(server.Sweep[5]).Deleted);
    }

    [Fact]
    public async Task Chosen_columns_are_remembered_for_their_table()
    {
        await using var context = await chromium.Browser.NewContextAsync(new() { BaseURL = server.Address });
        var page = await context.NewPageAsync();
        await page.GotoAsync(Table);
        await page.ClickAsync("#choose-columns");
        await page.FillAsync("#cols", "metrics.m/07,params.n");
        await page.ClickAsync("#columns .primary");
        await PageCheck.Arrived(page, "**cols=metrics.m%2F07**");
        await page.GotoAsync(Table);
        await page.WaitForSelectorAsync("th[data-column='metrics.m/07']");
        await page.GotoAsync("/runs");
        Assert.Equal(0, await page.Locator("th[data-column='metrics.m/07']").CountAsync());
        await page.GotoAsync(Table);
        await page.ClickAsync("#choose-columns");
        await page.ClickAsync("#usual-columns");
        await page.WaitForSelectorAsync("th[data-column='metrics.acc']");
        Assert.DoesNotContain("cols=", page.Url);
    }

    [Fact]
    public async Task Only_what_differs_is_compared_until_the_switch_is_turned()
    {
        var page = await chromium.Browser.NewPageAsync(new() { BaseURL = server.Address });
        await page.GotoAsync($"/compare?run={server.Sweep[0]},{server.Sweep[3]}");
        Assert.Equal("true", await page.GetAttributeAsync("#only-differing", "aria-checked"));
        Assert.DoesNotContain("model", await page.Locator(".diff tbody th").AllTextContentsAsync()); // vit in both
        await page.FocusAsync("#only-differing");
        await page.Keyboard.PressAsync(" ");
        await page.WaitForSelectorAsync("#only-differing[aria-checked=false]");
        Assert.Contains("model", await page.Locator(".diff tbody th").AllTextContentsAsync());
        await page.CloseAsync();
    }

    [Fact]
    public async Task Groups_tell_the_mean_of_each_metric()
    {
        var html = await server.Http.GetStringAsync($"{Table}&group=params.model&cols=metrics.acc");
        Assert.Contains("<b>0.4875</b> <span class=\"dim\">0 – 0.975</span>", html); // vit: every third of 0/120 … 119/120
        Assert.Contains("<td class=\"n\">40</td>", html);
    }

    [Fact]
    public async Task A_running_run_is_followed_until_it_ends_and_can_be_paused()
    {
        var run = await server.Start("live", 1_700_000_000_000);
        await server.Call("runs/log-batch", new { run_id = run, metrics = new[] { new { key = "loss", value = 1.0, timestamp = 1, step = 1 }, new { key = "loss", value = 0.5, timestamp = 2, step = 2 } } });
        var page = await chromium.Browser.NewPageAsync(new() { BaseURL = server.Address });
        await page.GotoAsync($"/runs/{run}", new() { WaitUntil = WaitUntilState.DOMContentLoaded });
        await page.WaitForSelectorAsync("#about[data-news]");
        await page.WaitForSelectorAsync(".plot[data-drawn='2']");
        await server.Call("runs/log-metric", new { run_id = run, key = "loss", value = 0.25, timestamp = 3, step = 3 });
        await page.WaitForSelectorAsync("[data-metric=loss] >> text=0.25");
        await page.WaitForSelectorAsync(".plot[data-drawn='3']");
        Assert.Equal("least 0.25 at 3, greatest 1 at 1", await page.TextContentAsync("[data-range=loss]"));
        await page.ClickAsync("#pause");
        Assert.Equal("paused", await page.TextContentAsync("#news"));
        await page.ClickAsync("#pause");
        await server.Call("runs/update", new { run_id = run, status = "FINISHED", end_time = 1_700_000_009_000 });
        await page.WaitForSelectorAsync("#status >> text=finished");
        await page.CloseAsync();
        await server.Call("runs/delete", new { run_id = run });
    }

    [Fact]
    public async Task The_registry_is_changed_by_forms_that_ask_first_and_history_keeps_each_move()
    {
        var page = await chromium.Browser.NewPageAsync(new() { BaseURL = server.Address });
        await page.GotoAsync("/models/scorer/2");
        await page.ClickAsync("[data-dialog=set-alias]");
        await page.FillAsync("#set-alias [name=alias]", "champion");
        await page.ClickAsync("#set-alias .primary");
        await page.WaitForSelectorAsync("dd .badge >> text=champion");
        await page.ClickAsync("[data-dialog=move-stage]");
        await page.SelectOptionAsync("#move-stage select", "Production");
        await page.ClickAsync("#move-stage .primary");
        await page.WaitForSelectorAsync("dd .badge >> text=production");
        var history = await page.TextContentAsync("main");
        Assert.Contains("alias set", history);
        Assert.Contains("moved to stage", history);
        await page.CloseAsync();
        Assert.Equal(2, server.Server.App.Models.Resolve("scorer@champion").Version);
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData("https://evil.example", "cross-site")]
    [InlineData("https://evil.example", null)]
    [InlineData("null", null)]
    public async Task A_form_from_elsewhere_changes_nothing(string? origin, string? site)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/models/scorer/alias") { Content = new FormUrlEncodedContent([new("version", "1"), new("alias", "stolen")]) };
        if (origin is not null) request.Headers.Add("Origin", origin);
        if (site is not null) request.Headers.Add("Sec-Fetch-Site", site);
        using var answer = await server.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        Assert.Null(server.Server.App.Models.Find("scorer@stolen"));
    }

    [Fact]
    public async Task Pages_and_files_carry_policies_that_let_no_foreign_script_run()
    {
        using var page = await server.Http.GetAsync(Table);
        var policy = page.Headers.GetValues("Content-Security-Policy").Single();
        Assert.Contains("script-src 'self'", policy);
        Assert.DoesNotContain("unsafe", policy);
        Assert.Contains("frame-ancestors 'none'", policy);
        Assert.Equal("nosniff", page.Headers.GetValues("X-Content-Type-Options").Single());
        using var file = await server.Http.GetAsync($"/runs/{server.Odd}/download/folder/page.html");
        Assert.Contains("sandbox", file.Headers.GetValues("Content-Security-Policy").Single());
        Assert.Equal("attachment", file.Content.Headers.ContentDisposition!.DispositionType);
        using var image = await server.Http.GetAsync($"/runs/{server.Odd}/image/folder/page.html");
        Assert.Equal(HttpStatusCode.BadRequest, image.StatusCode);
        using var outside = await server.Http.GetAsync($"/runs/{server.Odd}/download/..%2F..%2Ftakt.db");
        Assert.Equal(HttpStatusCode.NotFound, outside.StatusCode);
    }

    [Fact]
    public async Task The_view_is_exported_whole()
    {
        var csv = await server.Http.GetStringAsync($"/runs/export.csv?experiment={server.Experiment}&cols=metrics.acc,params.n&filter=metrics.acc%20%3E%3D%200.5&sort=params.n&dir=asc");
        var lines = csv.TrimEnd().Split("\r\n");
        Assert.Equal("run_id,experiment,run_name,status,start_time,end_time,user_id,metrics.acc,params.n", lines[0]);
        Assert.Equal(61, lines.Length);
        Assert.EndsWith(",0.5,60", lines[1]);
        var json = JsonDocument.Parse(await server.Http.GetStringAsync($"/runs/export.json?experiment={server.Experiment}&cols=metrics.acc"));
        Assert.Equal(121, json.RootElement.GetArrayLength());
    }

    [Fact]
    public async Task A_workspace_is_chosen_in_the_head_and_shows_its_own_runs()
    {
        await server.Server.App.Workspaces.Create("research", null, null);
        using var made = new HttpRequestMessage(HttpMethod.Post, "/api/2.0/mlflow/experiments/create") { Content = new StringContent("{\"name\": \"secret plan\"}", Encoding.UTF8, "application/json") };
        made.Headers.Add("X-MLFLOW-WORKSPACE", "research");
        using var answer = await server.Http.SendAsync(made);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        await using var context = await chromium.Browser.NewContextAsync(new() { BaseURL = server.Address });
        var page = await context.NewPageAsync();
        await page.GotoAsync("/experiments");
        Assert.DoesNotContain("secret plan", await page.TextContentAsync("main"));
        await page.SelectOptionAsync("#workspace", "research");
        await page.WaitForSelectorAsync("main >> text=secret plan");
        Assert.DoesNotContain("sweep", await page.TextContentAsync("main"));
        Assert.Equal(404, (await page.GotoAsync($"/runs/{server.Odd}"))!.Status);
    }

    [Fact]
    public async Task The_addresses_that_MLflow_clients_print_lead_to_the_run()
    {
        var page = await chromium.Browser.NewPageAsync(new() { BaseURL = server.Address });
        await page.GotoAsync($"/#/experiments/{server.Experiment}/runs/{server.Sweep[3]}");
        await PageCheck.Arrived(page, $"**/runs/{server.Sweep[3]}");
        Assert.Equal("run-3", await page.TextContentAsync("h1"));
        await page.CloseAsync();
    }

    static List<string> RunsIn(string html) => html.Split("<tr data-run=\"").Skip(1).Select(part => part[..part.IndexOf('"')]).ToList();

    static string? Link(string html, string rel)
    {
        var at = html.IndexOf($"rel=\"{rel}\" href=\"", StringComparison.Ordinal);
        if (at < 0) return null;
        at += $"rel=\"{rel}\" href=\"".Length;
        return WebUtility.HtmlDecode(html[at..html.IndexOf('"', at)]);
    }
}
