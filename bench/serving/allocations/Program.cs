using System.Text;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Takt;
using Takt.Data;
using Takt.Deployments;
using Takt.ML.Trainers;
using Takt.Models;
using Takt.Server;
using Takt.Server.Protocols.OpenInference;
using Takt.Server.Protocols.Prometheus;

BenchmarkRunner.Run<Tabular>(DefaultConfig.Instance.AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance)).WithArtifactsPath(Path.Combine(Path.GetTempPath(), "takt-allocations")));

/// <summary>One request of 12 numbers to 100 trees, from the bytes of its body to those of its answer: the way that serving takes, with the prediction log and the metrics, and the long way beside it.</summary>
[MemoryDiagnoser]
public class Tabular
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-allocations").FullName;
    TaktApp _app = null!;
    byte[] _body = null!;

    [GlobalSetup]
    public void Setup() => SetupAsync().GetAwaiter().GetResult();

    async Task SetupAsync()
    {
        _app = TaktApp.Open(TaktFolder.At(_folder));
        var random = new Random(1);
        var columns = Enumerable.Range(0, 12).Select(f => Column.Of($"f{f}", Enumerable.Range(0, 8000).Select(_ => random.NextDouble()).ToArray())).ToList();
        columns.Add(Column.Of("y", Enumerable.Range(0, 8000).Select(i => columns[0].Numbers[i] + columns[1].Numbers[i] > 1 ? 1L : 0L).ToArray()));
        var package = Directory.CreateDirectory(Path.Combine(_folder, "model")).FullName;
        new LightGbmTrainer().Train(new TrainingRequest("binary", "y", null, [], new Dictionary<string, double> { ["trees"] = 100, ["leaves"] = 31 }, 1), new Table(columns), package, TextWriter.Null, default);
        await _app.Models.Register(new RegisterModel("m", package, null, null, [], new Dictionary<string, string>(), new Dictionary<string, double>()));
        await _app.Deployments.Deploy(new DeploymentSpec("logged", [1], TimeSpan.Zero, 0, [], null, true, null), "m@1");
        await _app.Deployments.Deploy(new DeploymentSpec("unlogged", [1], TimeSpan.Zero, 0, [], null, true, null, LogSample: 0), "m@1");
        while (_app.Router.Endpoints.Count < 2) await _app.Rollouts.Tick();
        _body = Encoding.UTF8.GetBytes($"{{\"inputs\":[{string.Join(',', Enumerable.Range(0, 12).Select(f => $"{{\"name\":\"f{f}\",\"shape\":[1],\"datatype\":\"FP64\",\"data\":[{random.NextDouble():0.####}]}}"))}]}}");
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _app.DisposeAsync().AsTask().GetAwaiter().GetResult();
        Directory.Delete(_folder, recursive: true);
    }

    [Benchmark(Baseline = true)]
    public ValueTask<int> Unlogged() => Short("unlogged");

    [Benchmark]
    public ValueTask<int> Logged() => Short("logged");

    async ValueTask<int> Short(string endpoint)
    {
        var slot = _app.Router.Enter(endpoint);
        var batch = RowBatch.Take();
        try
        {
            if (!TabularRequest.TryRead(_body, slot.Model!.Rows!, batch, out var id)) throw new InvalidOperationException("it took the long way");
            var prediction = await _app.Router.Score(slot, batch, default);
            var length = TabularAnswer.Of(slot).Write(prediction, _body.AsSpan()[id], batch.Scores).Length;
            _app.Durations.Count(new("POST", "/v2/models/{model}/infer", 200, slot.Revision.Endpoint, slot.Revision.Number), TimeSpan.FromTicks(300));
            return length;
        }
        finally
        {
            batch.GiveBack();
            slot.Leave();
        }
    }

    [Benchmark]
    public async Task<int> LongWay()
    {
        var request = InferRequest.Parse(_body);
        var answer = await _app.Router.Ask("unlogged", slot => request.ToTable(_body, slot.Model!.Signature), null, default);
        var head = new System.Buffers.ArrayBufferWriter<byte>(512);
        using (var json = new System.Text.Json.Utf8JsonWriter(head)) OpenInferenceApi.Write(json, "unlogged", request, answer);
        return head.WrittenCount;
    }
}
