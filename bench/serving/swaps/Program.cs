using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Takt;
using Takt.Data;
using Takt.Deployments;
using Takt.ML.Trainers;
using Takt.Models;
using Takt.Server;

// swaps [N]            N rollouts through the rows, each swapping the served revision, while 16 connections ask: counts answers that are not 200
// cycles [N]           N times Triton's unload and load of a model over HTTP, a request between: RSS must stay flat
// overload [SECONDS]   a model of some milliseconds a request: 4 connections, then 40 and 400, in turns, from a process of their own
// load ADDRESS CONNECTIONS PAUSE_MS SECONDS   that process: prints what its requests took, how many were refused as they should, and others
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var mode = args.Length > 0 ? args[0] : "swaps";
if (mode == "load")
{
    await Load(args[1], int.Parse(args[2]), TimeSpan.FromMilliseconds(int.Parse(args[3])), int.Parse(args[4]));
    return;
}
var count = args.Length > 1 ? int.Parse(args[1]) : mode == "swaps" ? 10_000 : mode == "cycles" ? 100 : 6;
var folder = Directory.CreateTempSubdirectory("takt-swaps").FullName;
try
{
    await using var app = TaktApp.Open(TaktFolder.At(folder));
    await using var web = TaktHost.Build(app, builder => builder.WebHost.UseKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0)));
    await web.StartAsync();
    var address = web.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
    if (mode == "swaps") await Swaps(app, address);
    else if (mode == "cycles") await Cycles(app, address);
    else await Overload(app, address);
    await web.StopAsync();
}
finally
{
    Directory.Delete(folder, recursive: true);
}

async Task Swaps(TaktApp app, string address)
{
    for (var version = 1; version <= 2; version++) await Register(app, version, trees: 100, leaves: 31, features: 12);
    var spec = new DeploymentSpec("m", [1], TimeSpan.Zero, 0, [], "champion", true, null, Strategy: "all-at-once");
    async Task Deploy(int version)
    {
        var rollout = await app.Deployments.Deploy(spec, $"m@{version}");
        while (app.Deployments.Find("m")!.Rollout is { Active: true }) await app.Rollouts.Tick();
        if (app.Deployments.Find("m")!.Live!.Number != rollout.Revision) throw new InvalidOperationException(app.Deployments.Find("m")!.Rollout!.Evidence);
    }
    await Deploy(1);
    using var stop = new CancellationTokenSource();
    var body = Body(rows: 1, features: 12);
    var clients = Enumerable.Range(0, 16).Select(_ => Task.Run(() => Client(address, body, stop.Token))).ToArray();
    for (var swap = 0; swap < 100; swap++) await Deploy(1 + (swap % 2)); // warm
    var (rss, clock, most) = (Rss(), Stopwatch.StartNew(), 0L);
    for (var swap = 0; swap < count; swap++)
    {
        await Deploy(1 + (swap % 2));
        if (swap % 100 == 99) most = Math.Max(most, Rss());
        if (swap % 1000 == 999) Console.Error.WriteLine($"{swap + 1} swaps, RSS {Rss()} MB, {clock.Elapsed.TotalSeconds:0} s");
    }
    var seconds = clock.Elapsed.TotalSeconds;
    await stop.CancelAsync();
    var all = await Task.WhenAll(clients);
    Console.WriteLine($"{count:N0} swaps in {seconds:0} s ({count / seconds:0}/s) while {all.Sum(a => a.Answered + a.Other):N0} requests were asked by 16 connections");
    Console.WriteLine($"answers that were not 200: {all.Sum(a => a.Other):N0}   (bar 0)");
    Console.WriteLine($"RSS {rss} MB after 100 swaps, {Rss()} MB at the end, {most} MB at most");
}

async Task Cycles(TaktApp app, string address)
{
    await Register(app, 1, trees: 1000, leaves: 63, features: 30);
    await app.Deployments.Deploy(new DeploymentSpec("m", [1], TimeSpan.Zero, 0, [], null, true, null), "m@1");
    using var stop = new CancellationTokenSource();
    var ticks = Task.Run(async () =>
    {
        while (!stop.IsCancellationRequested)
        {
            await app.Rollouts.Tick();
            await Task.Delay(5);
        }
    });
    while (app.Router.Find("m") is null) await Task.Delay(5);
    using var http = new HttpClient { BaseAddress = new Uri(address) };
    var body = Body(rows: 1, features: 30);
    var rss = new List<long>();
    for (var cycle = 0; cycle < count + 10; cycle++)
    {
        foreach (var path in (string[])["/v2/models/m/infer", "/v2/repository/models/m/unload", "/v2/repository/models/m/load"])
        {
            using var answer = await http.PostAsync(path, path.EndsWith("infer", StringComparison.Ordinal) ? new ByteArrayContent(body) : null);
            answer.EnsureSuccessStatusCode();
        }
        rss.Add(Rss());
    }
    await stop.CancelAsync();
    await ticks;
    Console.WriteLine($"{count} cycles of unload and load: RSS {rss[9]} MB after ten, {rss[^1]} MB at the end, {rss.Skip(9).Max()} MB at most");
}

async Task Overload(TaktApp app, string address)
{
    await Register(app, 1, trees: 3000, leaves: 63, features: 30);
    await app.Deployments.Deploy(new DeploymentSpec("m", [1], TimeSpan.Zero, 0, [], null, true, null), "m@1");
    while (app.Router.Find("m") is null) await app.Rollouts.Tick();
    var usual = Environment.ProcessorCount * 2;
    await Run("warm", usual, 0, 8);
    foreach (var (name, times, pause) in new[] { ("x10", 10, 5), ("x100", 100, 50), ("x10, asking again at once", 10, 0) })
    {
        var before = await Run("usual", usual, 0, count);
        var over = await Run(name, usual * times, pause, count);
        var after = await Run("usual", usual, 0, count);
        var (p50, p99, rate) = ((before.P50 + after.P50) / 2, (before.P99 + after.P99) / 2, (before.Rate + after.Rate) / 2);
        Console.WriteLine($"  {name}: p50 {over.P50 / p50:0.00} and p99 {over.P99 / p99:0.00} of usual   (bar 2.00), {over.Rate / rate:0.00} of its answers a second");
    }

    async Task<(double P50, double P99, double Rate)> Run(string name, int connections, int pause, int seconds)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, ["load", address, $"{connections}", $"{pause}", $"{seconds}"]) { RedirectStandardOutput = true };
        using var process = Process.Start(start)!;
        var numbers = (await process.StandardOutput.ReadToEndAsync()).Split(' ').Select(double.Parse).ToArray();
        await process.WaitForExitAsync();
        Console.WriteLine($"{name}: {connections} connections, {numbers[0] / seconds:N0} answers/s, p50 {numbers[1]:0.0} ms, p99 {numbers[2]:0.0} ms, {numbers[3]:N0} refused with 503 and Retry-After, {numbers[4]:N0} other, RSS {Rss()} MB");
        return (numbers[1], numbers[2], numbers[0] / seconds);
    }
}

static async Task Load(string address, int connections, TimeSpan pause, int seconds)
{
    ThreadPool.SetMinThreads(16, 16);
    using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
    var body = Body(rows: 100, features: 30);
    var keepFrom = Stopwatch.GetTimestamp() + (seconds * Stopwatch.Frequency / 5); // the first fifth of a run is a burst that may wait
    var all = await Task.WhenAll(Enumerable.Range(0, connections).Select(_ => Task.Run(() => Client(address, body, stop.Token, pause, keepFrom))));
    var took = all.SelectMany(a => a.Took).Order().ToArray();
    Console.Write($"{all.Sum(a => a.Answered)} {took[took.Length / 2]} {took[(int)(took.Length * 0.99)]} {all.Sum(a => a.Refused)} {all.Sum(a => a.Other - a.Refused)}");
}

// keepFrom: since when it is noted what each took, 8 bytes a request. Bytes over a socket: a client that costs more than the server would measure itself.
static async Task<(List<double> Took, long Answered, long Refused, long Other)> Client(string address, byte[] body, CancellationToken stop, TimeSpan pause = default, long keepFrom = long.MaxValue)
{
    var uri = new Uri(address);
    byte[] request = [.. System.Text.Encoding.ASCII.GetBytes($"POST /v2/models/m/infer HTTP/1.1\r\nHost: {uri.Authority}\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n"), .. body];
    var (took, answered, refused, other) = (new List<double>(), 0L, 0L, 0L);
    var buffer = new byte[64 << 10];
    while (!stop.IsCancellationRequested)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(uri.Host, uri.Port);
        while (!stop.IsCancellationRequested)
        {
            var start = Stopwatch.GetTimestamp();
            var (length, whole) = (0, false);
            try
            {
                for (var sent = 0; sent < request.Length;) sent += await socket.SendAsync(request.AsMemory(sent));
                while (!(whole = IsWhole(buffer.AsSpan(0, length))) && await socket.ReceiveAsync(buffer.AsMemory(length)) is > 0 and var read) length += read;
            }
            catch (SocketException)
            {
                // counted below
            }
            var answer = buffer.AsSpan(0, length);
            if (whole && answer.StartsWith("HTTP/1.1 200 "u8) && answer.IndexOf("\"outputs\""u8) > 0)
            {
                answered++;
                if (start >= keepFrom) took.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
                continue;
            }
            other++;
            if (whole && (answer.StartsWith("HTTP/1.1 503 "u8) || answer.StartsWith("HTTP/1.1 429 "u8)) && answer.IndexOf("\r\nRetry-After: "u8) > 0) refused++;
            if (!whole) break; // it closed: another connection
            if (pause > TimeSpan.Zero) await Task.Delay(pause);
        }
    }
    return (took, answered, refused, other);
}

static bool IsWhole(ReadOnlySpan<byte> answer)
{
    var end = answer.IndexOf("\r\n\r\n"u8);
    if (end < 0) return false;
    var rest = answer[(end + 4)..];
    var at = answer[..end].IndexOf("Content-Length: "u8);
    if (at < 0) return rest.EndsWith("0\r\n\r\n"u8); // chunks
    _ = System.Buffers.Text.Utf8Parser.TryParse(answer[(at + 16)..], out int length, out _);
    return rest.Length >= length;
}

static byte[] Body(int rows, int features)
{
    var random = new Random(3);
    var inputs = Enumerable.Range(0, features).Select(f => $"{{\"name\":\"f{f}\",\"shape\":[{rows}],\"datatype\":\"FP64\",\"data\":[{string.Join(',', Enumerable.Range(0, rows).Select(_ => random.NextDouble().ToString("0.####")))}]}}");
    return System.Text.Encoding.UTF8.GetBytes($"{{\"inputs\":[{string.Join(',', inputs)}]}}");
}

async Task Register(TaktApp app, int seed, int trees, int leaves, int features)
{
    var random = new Random(seed);
    const int Rows = 8000;
    var columns = Enumerable.Range(0, features).Select(f => Column.Of($"f{f}", Enumerable.Range(0, Rows).Select(_ => random.NextDouble()).ToArray())).ToList();
    columns.Add(Column.Of("y", Enumerable.Range(0, Rows).Select(i => columns[0].Numbers[i] + (columns[1].Numbers[i] * columns[2].Numbers[i]) + (random.NextDouble() * 0.3) > 0.9 ? 1L : 0L).ToArray()));
    var package = Directory.CreateDirectory(Path.Combine(folder, $"model-{seed}")).FullName;
    new LightGbmTrainer().Train(new TrainingRequest("binary", "y", null, [], new Dictionary<string, double> { ["trees"] = trees, ["leaves"] = leaves }, seed), new Table(columns), package, TextWriter.Null, default);
    await app.Models.Register(new RegisterModel("m", package, null, null, [], new Dictionary<string, string>(), new Dictionary<string, double>()));
}

static long Rss() => Process.GetCurrentProcess().WorkingSet64 >> 20;
