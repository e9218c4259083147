using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using Takt.Runs;
using Takt.Runs.Traces;
using Takt.Server;

[assembly: AssemblyFixture(typeof(Takt.Dashboard.Tests.RunsServer))]

namespace Takt.Dashboard.Tests;

/// <summary>A server that an MLflow client has logged runs to, some of them with names that nobody should choose.</summary>
public sealed class RunsServer : IAsyncLifetime
{
    public const string Evil = "<script>alert('run')</script> \u202Eevil\u202C 🦊 עברית";
    const string Protocol = "/api/2.0/mlflow/";

    readonly string _folder = Directory.CreateTempSubdirectory("takt-dash-runs").FullName;

    public TaktServer Server { get; private set; } = null!;

    /// <summary>Four spans, two of them failed.</summary>
    public string Trace => "tr-0102030405060708090a0b0c0d0e0f10";

    public HttpClient Http { get; private set; } = null!;

    public string Address => Server.Address.ToString().TrimEnd('/');

    public string Experiment { get; private set; } = "";

    /// <summary>120 of them, acc rising from 0 to 119/120, the first the oldest.</summary>
    public List<string> Sweep { get; } = [];

    /// <summary>5,000 points, one of them far out; a hostile name, params and tags; one artifact of each kind.</summary>
    public string Odd { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        Server = await TaktServer.Start(TaktFolder.At(_folder), "127.0.0.1", 0);
        Http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = Server.Address };
        Experiment = (await Call("experiments/create", new { name = "sweep" })).GetProperty("experiment_id").GetString()!;
        await Parallel.ForAsync(0, 120, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, _) =>
        {
            var run = await Start($"run-{i}", 1_790_000_000_000 + (i * 60_000));
            lock (Sweep) Sweep.Add(run);
            await Call("runs/log-batch", new
            {
                run_id = run,
                metrics = Enumerable.Range(0, 60).Select(m => new { key = m == 0 ? "acc" : $"m/{m:00}", value = m == 0 ? i / 120.0 : i * m, timestamp = 1, step = 0 })
                    .Concat(Enumerable.Range(1, 5).Select(s => new { key = "acc", value = i / 120.0, timestamp = 1 + s, step = s })),
                @params = new[] { new { key = "lr", value = Math.Pow(10, -i % 5).ToString(CultureInfo.InvariantCulture) }, new { key = "model", value = i % 3 == 0 ? "vit" : "mlp" }, new { key = "n", value = i.ToString() } },
            });
            await Call("runs/update", new { run_id = run, status = i == 7 ? "FAILED" : "FINISHED", end_time = 1_790_000_000_000 + (i * 61_000) });
        });
        Sweep.Sort((a, b) => Name(a).CompareTo(Name(b)));

        Odd = await Start(Evil, 1_789_000_000_000);
        await Call("runs/log-batch", new
        {
            run_id = Odd,
            @params = new[] { new { key = "evil", value = "\"><img src=x onerror=alert(1)>" }, new { key = "long", value = new string('p', 5000) } },
            tags = new[] { new { key = "big", value = string.Concat(Enumerable.Repeat("<b>🦊 ", 1600)) }, new { key = "mlflow.note.content", value = "# Note\n<script>alert(2)</script> [x](javascript:alert(3)) [ok](https://example.org)\n\n```\n<i>code</i>\n```" } },
        });
        for (var part = 0; part < 5; part++)
            await Call("runs/log-batch", new { run_id = Odd, metrics = Enumerable.Range(part * 1000, 1000).Select(s => new { key = "loss", value = s == 3210 ? (object)"99" : s == 17 ? "NaN" : Math.Exp(-s / 900.0), timestamp = 1_790_000_000_000 + (s * 1000), step = s }) });
        foreach (var (path, bytes) in ((string, byte[])[])
        [
            ("notes.md", "# Model card\n\n<script>alert(4)</script>\n\n| a | b |\n|---|---|\n| 1 | 2 |"u8.ToArray()), ("config.json", "{\"b\":[1,2,{\"x\":\"</pre><script>alert(5)</script>\"}]}"u8.ToArray()), ("broken.json", "{\"a\":"u8.ToArray()),
            ("rows.csv", "name,score\n<script>alert(6)</script>,0.5\nb,1.5\n"u8.ToArray()), ("ragged.csv", "a,b\n1\n1,2,3\n"u8.ToArray()), ("folder/page.html", "<script>alert(7)</script>"u8.ToArray()), ("empty.txt", []), ("weights.bin", [0, 1, 2, 0]),
            ("table.json", "{\"columns\":[\"q\",\"a\"],\"data\":[[\"why\",\"because\"]]}"u8.ToArray()), ("dot.png", Convert.FromBase64String("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")),
            ("drawing.svg", "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><script>alert(8)</script><circle r='4' cx='4' cy='4'/></svg>"u8.ToArray()),
        ])
        {
            using var put = await Http.PutAsync($"/api/2.0/mlflow-artifacts/artifacts/{Experiment}/{Odd}/artifacts/{path}", new ByteArrayContent(bytes));
            put.EnsureSuccessStatusCode();
        }
        await Server.App.RunLog.Update(Odd, RunStatus.FINISHED, 1_789_000_100_000, null);
        static NewSpan Span(byte id, byte parent, string name, int status, ulong from, ulong to) => new(
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], [0, 0, 0, 0, 0, 0, 0, id], parent == 0 ? [] : [0, 0, 0, 0, 0, 0, 0, parent], name,
            1_790_000_000_000_000_000 + (from * 1_000_000), 1_790_000_000_000_000_000 + (to * 1_000_000), status, "",
            [new("mlflow.spanInputs", $"{{\"q\": \"<script>alert('span {id}')</script>\"}}"), new("mlflow.spanType", "\"LLM\"")], [new("<b>event</b>", 1_790_000_000_000_000_000, [])]);
        await Server.App.Traces.AddSpans(long.Parse(Experiment), [Span(1, 0, "<script>alert('root')</script>", 1, 0, 200), Span(2, 1, "retrieve", 1, 10, 60), Span(3, 1, "generate", 2, 70, 190), Span(4, 3, "call", 2, 80, 180)]);
        await Call("registered-models/create", new { name = "scorer" });
        for (var v = 0; v < 2; v++) await Call("model-versions/create", new { name = "scorer", source = $"mlflow-artifacts:/{Experiment}/{Odd}/artifacts/folder", run_id = Odd });
    }

    int Name(string run) => int.Parse(Server.App.RunLog.Get(run).Name.Split('-')[1]);

    public async Task<string> Start(string name, long time, string? parent = null) => (await Call("runs/create", new { experiment_id = Experiment, run_name = name, start_time = time, tags = parent is null ? [] : new[] { new { key = "mlflow.parentRunId", value = parent } } })).GetProperty("run").GetProperty("info").GetProperty("run_id").GetString()!;

    public async Task<JsonElement> Call(string path, object body)
    {
        using var answer = await Http.PostAsJsonAsync(Protocol + path, body);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, text);
        return JsonDocument.Parse(text.Length == 0 ? "{}" : text).RootElement;
    }

    public async ValueTask DisposeAsync()
    {
        Http?.Dispose();
        if (Server is not null) await Server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
