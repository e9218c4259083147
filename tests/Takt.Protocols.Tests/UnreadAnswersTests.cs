using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;
using Takt.Deployments;

namespace Takt.Protocols.Tests;

/// <summary>Clients that send request after request and read no answer.</summary>
public sealed class UnreadAnswersTests : IAsyncLifetime
{
    const int Rows = 20_000;

    /// <summary>More than the system's buffers and Kestrel's hold of requests and answers together.</summary>
    const long Most = 64 << 20;

    ServedModel _model = null!;

    public async ValueTask InitializeAsync()
    {
        _model = await ServedModel.Start(patience: TimeSpan.FromSeconds(0.5));
        await _model.Server.App.Deployments.Deploy(new DeploymentSpec("unlogged", [1], TimeSpan.Zero, 0, [], null, true, null, LogSample: 0), "m@1");
        await _model.Ready("unlogged");
    }

    public ValueTask DisposeAsync() => _model.DisposeAsync();

    [Fact]
    public async Task Whoever_asks_and_never_reads_is_given_up_and_others_are_answered()
    {
        if (!OperatingSystem.IsLinux()) Assert.Skip("the system gives such clients up on Linux only");
        await Task.WhenAll(new[] { "v2 JSON", "binary tensors", "invocations" }.Select(AskUntilCut));
        Assert.Equal(200, (await _model.Post("/v2/models/m/infer", """{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[0.1]},{"name":"c","shape":[1],"datatype":"BYTES","data":["a"]}]}""")).Status);
    }

    [Fact]
    public void Each_that_is_given_up_is_one_line_of_the_log_and_all_else_is_as_ever()
    {
        using var services = new ServiceCollection().AddLogging(log => log.AddConsole().AddConsoleFormatter<Takt.Server.ServerLogFormatter, ConsoleFormatterOptions>()).BuildServiceProvider();
        var formatter = services.GetServices<ConsoleFormatter>().Single(f => f.Name == Takt.Server.ServerLogFormatter.FormatterName);
        string Written(LogLevel level, Exception why)
        {
            using var text = new StringWriter();
            formatter.Write(new LogEntry<string>(level, "Microsoft.AspNetCore.Server.Kestrel", 0, "Unexpected exception", why, (state, _) => state), null, text);
            return text.ToString();
        }
        var gone = new SocketException((int)SocketError.TimedOut);
        Assert.Contains("was given up", Written(LogLevel.Error, gone));
        Assert.DoesNotContain(nameof(SocketException), Written(LogLevel.Error, gone));
        Assert.Empty(Written(LogLevel.Warning, gone));
        Assert.Contains(nameof(InvalidOperationException), Written(LogLevel.Error, new InvalidOperationException("a bug")));
    }

    async Task AskUntilCut(string protocol)
    {
        var (path, body, header) = Request(protocol);
        byte[] request = [.. Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n{header}\r\n")), .. body];
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        await client.ConnectAsync(_model.Server.Address.Host, _model.Server.Address.Port);
        var sent = 0L;
        var cut = await Assert.ThrowsAsync<SocketException>(async () =>
        {
            // it takes in no more once its answers have no room
            for (var at = 0; sent < Most; at %= request.Length)
            {
                var part = await client.SendAsync(request.AsMemory(at)).AsTask().WaitAsync(TimeSpan.FromMinutes(2));
                (at, sent) = (at + part, sent + part);
            }
        });
        Assert.True(cut.SocketErrorCode is SocketError.ConnectionReset or SocketError.Shutdown or SocketError.TimedOut && sent > body.Length, $"{protocol}: {cut.SocketErrorCode} after {sent} bytes");
    }

    static (string Path, byte[] Body, string Header) Request(string protocol)
    {
        var (x, c) = (string.Join(',', Enumerable.Range(0, Rows).Select(i => (i / (double)Rows).ToString("R", CultureInfo.InvariantCulture))), string.Join(',', Enumerable.Repeat("\"a\"", Rows)));
        switch (protocol)
        {
            case "v2 JSON":
                return ("/v2/models/unlogged/infer", Encoding.ASCII.GetBytes($$$"""{"inputs":[{"name":"x","shape":[{{{Rows}}}],"datatype":"FP64","data":[{{{x}}}]},{"name":"c","shape":[{{{Rows}}}],"datatype":"BYTES","data":[{{{c}}}]}]}"""), "");
            case "binary tensors":
                var head = Encoding.ASCII.GetBytes($$$"""{"parameters":{"binary_data_output":true},"inputs":[{"name":"x","shape":[{{{Rows}}}],"datatype":"FP64","parameters":{"binary_data_size":{{{8 * Rows}}}}},{"name":"c","shape":[{{{Rows}}}],"datatype":"BYTES","parameters":{"binary_data_size":{{{5 * Rows}}}}}]}""");
                return ("/v2/models/unlogged/infer", [.. head, .. new byte[8 * Rows], .. Enumerable.Repeat<byte[]>([1, 0, 0, 0, (byte)'a'], Rows).SelectMany(b => b)], $"Inference-Header-Content-Length: {head.Length}\r\n");
            default:
                return ("/endpoints/unlogged/invocations", Encoding.ASCII.GetBytes($$$"""{"inputs":{"x":[{{{x}}}],"c":[{{{c}}}]}}"""), "");
        }
    }
}
