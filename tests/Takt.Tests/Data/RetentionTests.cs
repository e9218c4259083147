using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.Logging.Abstractions;
using Takt.Data;
using Takt.Pipelines;
using Takt.Runs;
using Takt.Server;

namespace Takt.Tests.Data;

/// <summary>Rules over HTTP and in the project file, and a server that acts on them by itself.</summary>
public sealed class RetentionTests : IAsyncDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;
    readonly TaktApp _app;
    readonly WebApplication _web;

    public RetentionTests()
    {
        var folder = new TaktFolder(_folder, Path.Combine(_folder, ".takt"));
        _app = TaktApp.Open(folder, options: TaktOptions.Read(folder) with { CollectGarbage = new("collect-garbage", "1ms", "test") });
        _web = TaktHost.Build(_app, builder => builder.WebHost.UseTestServer());
    }

    public async ValueTask DisposeAsync()
    {
        await _web.DisposeAsync();
        await _app.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    async Task Versions(int count)
    {
        for (var i = 0; i < count; i++)
        {
            File.WriteAllText(Path.Combine(_folder, "a.csv"), $"x\n{i}\n");
            await _app.Datasets.Collect("sales", _folder, ["a.csv"]);
        }
    }

    [Fact]
    public async Task A_rule_is_set_read_and_removed_over_HTTP()
    {
        await _web.StartAsync();
        await Versions(1);
        using var client = _web.GetTestClient();
        const string Rule = "/api/v1/datasets/sales/retention";
        Assert.Equal(HttpStatusCode.NotFound, (await client.GetAsync(Rule)).StatusCode);
        using (var set = await client.PutAsJsonAsync(Rule, new { keepLast = 3, keepForSeconds = 86400 })) Assert.Equal(HttpStatusCode.OK, set.StatusCode);
        Assert.Equal(new RetentionRule("sales", 3, TimeSpan.FromDays(1)), Assert.Single(_app.DatasetRetention.List()));
        Assert.Equal(3, (int?)JsonNode.Parse(await client.GetStringAsync("/api/v1/retention"))!["rules"]![0]!["keepLast"]);
        Assert.Equal(86400, (double?)JsonNode.Parse(await client.GetStringAsync(Rule))!["keepForSeconds"]);
        Assert.Contains("keeps the newest 3 and those of the last 1 days", await client.GetStringAsync("/data/sales"));
        foreach (var bad in (string[])["{}", "[]", "{\"keepLast\":0}", "{\"keepLast\":\"x\"}", "{\"keepForSeconds\":-1}", "{\"keep\":1}", "{"])
            using (var refused = await client.PutAsync(Rule, new StringContent(bad))) Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        using (var none = await client.PutAsJsonAsync("/api/v1/datasets/none/retention", new { keepLast = 3 })) Assert.Equal(HttpStatusCode.NotFound, none.StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await client.DeleteAsync(Rule)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await client.DeleteAsync(Rule)).StatusCode);
        Assert.Empty(_app.DatasetRetention.List());
    }

    [Fact]
    public async Task The_project_file_sets_a_rule_and_takes_back_its_own_only()
    {
        await Versions(1);
        async Task Run(string keep)
        {
            File.WriteAllText(Path.Combine(_folder, "takt.yaml"), $"takt: 1\nproject: p\ndata:\n  sales: {{ source: a.csv, path: data/sales/{keep} }}\n");
            Assert.True((await _app.Pipelines.Run(new PipelineRequest([]))).Succeeded);
        }
        await Run(", keep: { last: 10, for: 30d }");
        Assert.Equal(new RetentionRule("sales", 10, TimeSpan.FromDays(30)) { IsOfProject = true }, Assert.Single(_app.DatasetRetention.List()));
        await Run(", keep: { last: 4 }");
        Assert.Equal(4, Assert.Single(_app.DatasetRetention.List()).KeepLast);
        await Run("");
        Assert.Empty(_app.DatasetRetention.List());
        await _app.DatasetRetention.Set(new RetentionRule("sales", 2, null));
        await Versions(3);
        await Run("");
        Assert.Equal(2, Assert.Single(_app.DatasetRetention.List()).KeepLast);
        File.WriteAllText(Path.Combine(_folder, "takt.yaml"), "takt: 1\nproject: p\ndata:\n  a: { source: a.csv, path: data/a/, keep: { last: 0 } }\n  b: { source: a.csv, path: data/b/, keep: { lst: 3 } }\n  c: { source: a.csv, path: data/c/, keep: { for: soon } }\n");
        var faults = Assert.Throws<TaktException>(() => Project.Load(_app.Folder, _app.Steps)).Faults;
        foreach (var part in (string[])["the least is 1", "keep says how many versions stay", "not a duration"]) Assert.Contains(faults, fault => fault.Contains(part, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_server_with_the_setting_drops_what_rules_say_and_quarantines_garbage_but_nothing_that_pointers_name()
    {
        await Versions(4);
        await _app.DatasetRetention.Set(new RetentionRule("sales", 1, null));
        Directory.CreateDirectory(Path.Combine(_folder, "data"));
        DatasetPointer.Of(_app.Datasets.Show("sales@v2")).Write(Path.Combine(_folder, "data/sales.takt"));
        using var worker = new GarbageWorker(_app, NullLogger<GarbageWorker>.Instance);
        await worker.StartAsync(default);
        for (var i = 0; i < 1200 && _app.Datasets.Log("sales").Count(version => version.Dropped is not null) < 2; i++) await Task.Delay(50);
        await worker.StopAsync(default);
        Assert.Equal([true, false, true, false], _app.Datasets.Log("sales").Reverse().Select(version => version.Dropped is not null));
        Assert.Equal(4, await _app.Blobs.Length(Digest.Of("x\n1\n"u8)));
    }
}
