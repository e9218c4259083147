// One C# client asks the same rows as JSON (HTTP/1.1) and over gRPC (HTTP/2, one channel), raw and typed; it builds each request and reads each answer as a user's program would. Single rows are asked for
// 32 at a time, larger requests 4 at a time: more would wait, and be refused. Refusals are counted, not taken for answers.
// Where other work shares the machine compare the CPU time of a request, not the rates.
// grpc SERVER-PID HTTP-URL GRPC-URL [ROUNDS] [SECONDS]
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Google.Protobuf;
using Grpc.Net.Client;
using Inference;

const int Features = 12;
var server = Process.GetProcessById(int.Parse(args[0], CultureInfo.InvariantCulture));
var rounds = args.Length > 3 ? int.Parse(args[3], CultureInfo.InvariantCulture) : 3;
var seconds = args.Length > 4 ? double.Parse(args[4], CultureInfo.InvariantCulture) : 3;
using var http = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = 32 }) { BaseAddress = new Uri(args[1]) };
using var channel = GrpcChannel.ForAddress(args[2], new GrpcChannelOptions { MaxReceiveMessageSize = null });
var grpc = new GRPCInferenceService.GRPCInferenceServiceClient(channel);
var random = new Random(1);
var table = Enumerable.Range(0, Features).Select(_ => Enumerable.Range(0, 1000).Select(_ => Math.Round(random.NextDouble(), 4)).ToArray()).ToArray();
var names = Enumerable.Range(0, Features).Select(f => $"f{f}").ToArray();

async Task<double[]?> AskJson(int rows)
{
    using var body = new MemoryStream();
    using (var json = new Utf8JsonWriter(body))
    {
        json.WriteStartObject();
        json.WriteStartArray("inputs");
        for (var f = 0; f < Features; f++)
        {
            json.WriteStartObject();
            json.WriteString("name", names[f]);
            json.WriteStartArray("shape");
            json.WriteNumberValue(rows);
            json.WriteEndArray();
            json.WriteString("datatype", "FP64");
            json.WriteStartArray("data");
            for (var row = 0; row < rows; row++) json.WriteNumberValue(table[f][row]);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }
    using var content = new ByteArrayContent(body.GetBuffer(), 0, (int)body.Length) { Headers = { ContentType = new("application/json") } };
    using var answer = await http.PostAsync("/v2/models/m/infer", content);
    if (answer.StatusCode == System.Net.HttpStatusCode.ServiceUnavailable) return null;
    answer.EnsureSuccessStatusCode();
    using var read = JsonDocument.Parse(await answer.Content.ReadAsByteArrayAsync());
    var data = read.RootElement.GetProperty("outputs")[0].GetProperty("data");
    var scores = new double[data.GetArrayLength()];
    for (var i = 0; i < scores.Length; i++) scores[i] = data[i].GetDouble();
    return scores;
}

async Task<double[]?> AskGrpc(int rows, bool raw)
{
    var request = new ModelInferRequest { ModelName = "m" };
    for (var f = 0; f < Features; f++)
    {
        var input = new ModelInferRequest.Types.InferInputTensor { Name = names[f], Datatype = "FP64", Shape = { rows } };
        if (raw) request.RawInputContents.Add(ByteString.CopyFrom(MemoryMarshal.AsBytes(table[f].AsSpan(0, rows))));
        else input.Contents = new InferTensorContents { Fp64Contents = { table[f].AsSpan(0, rows).ToArray() } };
        request.Inputs.Add(input);
    }
    ModelInferResponse answer;
    try
    {
        answer = await grpc.ModelInferAsync(request);
    }
    catch (Grpc.Core.RpcException e) when (e.StatusCode == Grpc.Core.StatusCode.Unavailable)
    {
        return null;
    }
    return MemoryMarshal.Cast<byte, double>(answer.RawOutputContents[0].Span).ToArray();
}

async Task<(double Rate, double P50, double P99, int Refused, double Server, double Client)> Load(Func<Task<double[]?>> ask, int atOnce, double time)
{
    var refused = 0;
    var end = Stopwatch.GetTimestamp() + (long)(time * Stopwatch.Frequency);
    var start = Stopwatch.GetTimestamp();
    var (served, asked) = (Cpu(server), Cpu(Process.GetCurrentProcess()));
    var all = await Task.WhenAll(Enumerable.Range(0, atOnce).Select(_ => Task.Run(async () =>
    {
        var mine = new List<double>();
        while (Stopwatch.GetTimestamp() is var from && from < end)
        {
            if (await ask() is null) Interlocked.Increment(ref refused);
            else mine.Add(Stopwatch.GetElapsedTime(from).TotalMilliseconds);
        }
        return mine;
    })));
    var elapsed = Stopwatch.GetElapsedTime(start).TotalSeconds;
    var times = all.SelectMany(t => t).Order().ToArray();
    return (times.Length / elapsed, times[times.Length / 2], times[times.Length * 99 / 100], refused, (Cpu(server) - served) / times.Length, (Cpu(Process.GetCurrentProcess()) - asked) / times.Length);
}

// microseconds
static double Cpu(Process process)
{
    process.Refresh();
    return process.TotalProcessorTime.TotalMicroseconds;
}

foreach (var rows in (int[])[1, 64, 1000])
{
    var atOnce = rows == 1 ? 32 : 4;
    (string Name, Func<Task<double[]?>> Ask)[] ways = [("JSON", () => AskJson(rows)), ("gRPC raw", () => AskGrpc(rows, true)), ("gRPC contents", () => AskGrpc(rows, false))];
    var expected = await ways[0].Ask();
    foreach (var (name, ask) in ways)
        if (!(await ask() ?? []).AsSpan().SequenceEqual(expected)) throw new InvalidOperationException($"{name} answers other scores than JSON");
    foreach (var (_, ask) in ways) await Load(ask, atOnce, 2);
    var seen = ways.ToDictionary(w => w.Name, _ => new List<(double Rate, double P50, double P99, int Refused, double Server, double Client)>());
    for (var round = 0; round < rounds; round++)
        foreach (var (name, ask) in ways) seen[name].Add(await Load(ask, atOnce, seconds));
    var json = Median(seen["JSON"].Select(r => r.Rate));
    var cpu = Median(seen["JSON"].Select(r => r.Server));
    Console.WriteLine($"{rows} row{(rows == 1 ? "" : "s")} a request, {atOnce} at a time (median of {rounds})");
    foreach (var (name, _) in ways)
    {
        var rate = Median(seen[name].Select(r => r.Rate));
        Console.WriteLine($"  {name,-14} {rate,8:N0} req/s   p50 {Median(seen[name].Select(r => r.P50)),7:N2} ms   p99 {Median(seen[name].Select(r => r.P99)),7:N2} ms   CPU {Median(seen[name].Select(r => r.Server)),6:N0} us (client's {Median(seen[name].Select(r => r.Client)):N0}){(name == "JSON" ? "" : $"   / JSON {rate / json:N2} (bar 0.90), CPU {Median(seen[name].Select(r => r.Server)) / cpu:N2}")}{(seen[name].Sum(r => r.Refused) is > 0 and var refused ? $"   {refused} refused" : "")}");
    }
}

static double Median(IEnumerable<double> values) => values.Order().ToArray() is var sorted ? sorted[sorted.Length / 2] : 0;
