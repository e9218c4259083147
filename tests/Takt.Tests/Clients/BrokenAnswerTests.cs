using System.Net;
using System.Text;
using Takt.Client;

namespace Takt.Tests.Clients;

/// <summary>A server that goes away in the middle of its answer, as one does that is killed.</summary>
public sealed class BrokenAnswerTests
{
    [Fact]
    public async Task An_answer_that_broke_off_is_asked_for_again()
    {
        using var client = Client(path => path.EndsWith("get-by-name", StringComparison.Ordinal), times: 2);
        Assert.Equal("7", await client.Experiment("e", TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Who_waits_for_points_to_be_durable_hears_that_they_are_not()
    {
        using var client = Client(path => path.EndsWith("log-batch", StringComparison.Ordinal), times: int.MaxValue);
        await using var run = await client.StartRun("e", cancel: TestContext.Current.CancellationToken);
        await run.LogMetric("loss", 1);
        var fault = await Assert.ThrowsAsync<TaktClientException>(() => run.Flush(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromMinutes(2), TestContext.Current.CancellationToken));
        Assert.Contains("broke off", fault.Message);
    }

    [Fact]
    public async Task A_run_can_be_disposed_of_twice()
    {
        using var client = Client(_ => false, 0);
        var run = await client.StartRun("e", cancel: TestContext.Current.CancellationToken);
        await run.DisposeAsync();
        await run.DisposeAsync();
    }

    static TaktClient Client(Func<string, bool> breaks, int times) => new(new HttpClient(new Server(breaks, times)) { BaseAddress = new Uri("http://takt/") },
        new TaktClientOptions { Attempts = 3, FirstWait = TimeSpan.FromMilliseconds(1), MetricDelay = TimeSpan.FromMilliseconds(1) });

    sealed class Server(Func<string, bool> breaks, int times) : HttpMessageHandler
    {
        int _broken;

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancel)
        {
            var path = request.RequestUri!.AbsolutePath;
            HttpContent content = breaks(path) && _broken++ < times ? new StreamContent(new Broken())
                : new StringContent(path.EndsWith("get-by-name", StringComparison.Ordinal) ? """{"experiment": {"experiment_id": "7"}}""" : """{"run": {"info": {"run_id": "r", "artifact_uri": "mlflow-artifacts:/7/r/artifacts"}}}""", Encoding.UTF8, "application/json");
            return Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK) { Content = content });
        }
    }

    sealed class Broken : Stream
    {
        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => 0; set => throw new NotSupportedException(); }
        public override int Read(byte[] buffer, int offset, int count) => throw new IOException("the connection was reset");
        public override void Flush() { }
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
