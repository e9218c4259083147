using Takt.Deployments;
using Takt.Runs;
using Takt.Server;

namespace Takt.Tests.Deployments;

/// <summary><c>limits:</c> as takt.yaml has it.</summary>
public sealed class LimitsTests : IAsyncLifetime
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-limits").FullName;
    TaktApp _app = null!;

    public ValueTask InitializeAsync()
    {
        _app = TaktApp.Open(TaktFolder.At(_folder));
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    void Write(string deploy) => File.WriteAllText(Path.Combine(_folder, "takt.yaml"), $"takt: 1\nproject: p\ndeploy:\n{deploy}\n");

    IReadOnlyList<string> Faults(string limits, string of = "model: m@1")
    {
        Write($"  e: {{ {of}, limits: {limits} }}");
        return Assert.Throws<TaktException>(() => _app.Pipelines.LoadProject()).Faults;
    }

    [Fact]
    public async Task Limits_are_kept_with_the_revision()
    {
        Write("  chat: { upstream: { url: \"http://127.0.0.1:9/v1\", model: x }, limits: { rate: 2.5, by: header X-Api-Key, timeout: 1500ms, body: 64KiB } }");
        Assert.True((await _app.Pipelines.Run(new PipelineRequest([]))).Succeeded);
        var limits = _app.Deployments.Get("chat").Challenger!.Spec.Limits!;
        Assert.Equal(new LimitSpec(2.5, 3, "header X-Api-Key", TimeSpan.FromSeconds(1.5), 64 << 10), limits);
    }

    [Fact]
    public void Every_fault_is_told_with_its_place()
    {
        var faults = Faults("{ rate: 0, burst: 0, by: cookie, timeout: soon, body: 1TB, rows: 0, waiting: -1, at-once: 0, what: 1 }");
        foreach (var words in (string[])["rate must be above 0", "burst must be 1", "'cookie' must be client, all, or header NAME", "timeout is 'soon'", "body is '1TB'", "rows must be 1", "waiting must be 0", "at-once must be 1", "what"])
            Assert.Contains(faults, f => f.Contains(words, StringComparison.Ordinal) && f.StartsWith("takt.yaml:4:", StringComparison.Ordinal));
        Assert.Equal(9, faults.Count);
    }

    [Fact]
    public void What_says_nothing_is_refused()
    {
        Assert.Contains(Faults("{ burst: 5, by: all }"), f => f.Contains("burst: is of rate:", StringComparison.Ordinal));
        Assert.Contains(Faults("{ rows: 5 }", "upstream: { url: \"http://127.0.0.1:9/v1\", model: x }"), f => f.Contains("an LLM deployment has no rows", StringComparison.Ordinal));
    }
}
