using System.Security.Cryptography;
using System.Text;
using Amazon.Runtime;
using Takt.Data;
using Takt.Data.Dvc;
using Takt.Data.Remotes;
using Takt.Data.WorkTrees;
using Takt.Storage.S3;
using Takt.Tests.Services;

namespace Takt.Storage.Tests;

/// <summary>Peers that take a request and say nothing, or stop in the middle of what they say. Without an end to the silence each of these tests would hang.</summary>
public sealed class StalledServerTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-stalled").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>A minute of it is a fifth of a second.</summary>
    sealed class Hurried : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => new Timer(base.CreateTimer(callback, state, Sooner(dueTime), period));

        static TimeSpan Sooner(TimeSpan time) => time > TimeSpan.Zero ? time / 300 : time;

        sealed class Timer(ITimer timer) : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => timer.Change(Sooner(dueTime), period);

            public void Dispose() => timer.Dispose();

            public ValueTask DisposeAsync() => timer.DisposeAsync();
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"refs\": [")]
    [InlineData("HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\n{")]
    public async Task A_server_that_takes_a_question_and_says_no_more_is_named_with_what_to_do(string answer)
    {
        using var server = new StalledServer(_ => answer);
        await using var remote = new ServerRemote(new Uri(server.Url), _folder, new Hurried());
        var e = await Assert.ThrowsAsync<TaktException>(() => remote.Refs(null, default));
        Assert.Equal(TaktError.Unavailable, e.Error);
        Assert.Contains($"{server.Url} can't be reached: nothing came for 60 s", e.Message);
        Assert.Contains("try again", e.Message);
    }

    [Fact]
    public async Task A_whole_file_whose_server_stalls_goes_on_behind_what_came()
    {
        var (content, ranges) = (Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, 200_000).Select(i => $"{i}\n"))), new List<string>());
        using var server = new StalledServer(request =>
        {
            if (request.StartsWith("POST", StringComparison.Ordinal)) return $"HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\n{new string('\0', 32)}\x2\0\0\0[]"; // it is in no pack
            var from = request.Contains("Range: bytes=", StringComparison.Ordinal) ? int.Parse(request.Split("Range: bytes=")[1].Split('-')[0], null) : 0;
            lock (ranges) ranges.Add($"{from}");
            var part = Encoding.ASCII.GetString(content, from, Math.Min(content.Length - from, 600_000));
            return (from == 0 ? "HTTP/1.1 200 OK\r\n" : $"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{content.Length - 1}/{content.Length}\r\n") + $"Content-Length: {content.Length - from}\r\n\r\n{part}";
        });
        await using var machine = new RemoteMachine(_folder);
        await using var remote = new ServerRemote(new Uri(server.Url), _folder, new Hurried());
        var id = Digest.FromHash(SHA256.HashData(content));
        await new Fetch(machine.Database, machine.Store, TimeProvider.System).Files(remote, [(id, "model.onnx")], null, default);
        Assert.Equal(["0", "600000", "1200000"], ranges);
        Assert.Equal(content.Length, await machine.Store.Length(id));
    }

    [Fact]
    public async Task A_file_of_the_web_that_stalls_is_told_with_its_address()
    {
        using var server = new StalledServer(_ => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx\n1\n");
        using var source = new HttpSource(new Hurried());
        var e = await Assert.ThrowsAsync<TaktException>(() => source.Fetch(new SourceRequest($"{server.Url}/x.csv", _folder, _folder), default));
        Assert.Equal((TaktError.Unavailable, $"{server.Url}/x.csv can't be fetched: nothing came for 60 s; it hangs, or something on the way to it does; it was tried 4 times"), (e.Error, e.Message));
    }

    [Fact]
    public async Task A_bucket_whose_service_stalls_in_the_middle_of_an_object_is_named()
    {
        using var server = new StalledServer(request => request.Contains("list-type=2", StringComparison.Ordinal)
            ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n12\r\n<ListBucketResult>\r\n13\r\n</ListBucketResult>\r\n0\r\n\r\n"
            : "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-99/100\r\nContent-Length: 100\r\n\r\nhalf");
        using var bucket = S3BlobStore.Open($"s3://b/p?endpoint={server.Url}", _folder, new BasicAWSCredentials("a", "b"), new Hurried(), passing: true);
        var e = await Assert.ThrowsAsync<TaktException>(() => bucket.Read("packs/x", 0, new byte[100]));
        Assert.Equal(TaktError.Unavailable, e.Error);
        Assert.Contains($"endpoint={server.Url} can't be reached (nothing came for 60 s", e.Message);
    }

    [Fact]
    public async Task A_remote_of_DVCs_that_stalls_is_named_and_not_asked_again()
    {
        using var server = new StalledServer(_ => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        await using var machine = new RemoteMachine(_folder);
        machine.Write(".dvc/config", Encoding.ASCII.GetBytes($"['remote \"web\"']\n    url = {server.Url}\n"));
        foreach (var name in (string[])["a", "b"])
            machine.Write($"{name}.dvc", Encoding.ASCII.GetBytes($"outs:\n- md5: {Convert.ToHexStringLower(MD5.HashData(Encoding.ASCII.GetBytes(name)))}\n  hash: md5\n  path: {name}\n"));
        using var dvc = new DvcImport(machine.Tree, machine.Database, machine.Store, new Hurried(), (_, _, _, _) => Task.FromResult<Stream?>(null));
        Assert.Single((await dvc.Run(dvc.Find())).Faults, fault => fault.Contains("can't be asked: nothing came for 60 s", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_upload_that_moves_takes_as_long_as_it_takes()
    {
        var clock = new Clock();
        using var slow = new HttpClient(new SilenceLimit(new Draining(), clock));
        using var content = new StreamContent(new Dripping(parts: 8, () => clock.Pass(SilenceLimit.LongestWork * 0.9)));
        using var answer = await slow.PutAsync("http://slow/", content);
        Assert.Equal("8", await answer.Content.ReadAsStringAsync());
    }

    /// <summary>Answers how much it was sent.</summary>
    sealed class Draining : HttpMessageHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            new() { Content = new StringContent($"{(await request.Content!.ReadAsByteArrayAsync(cancellationToken)).Length}") };
    }

    sealed class Dripping(int parts, Action wait) : MemoryStream(new byte[parts])
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            wait();
            cancellationToken.ThrowIfCancellationRequested();
            return new(Read(buffer.Span[..1]));
        }
    }

    /// <summary>Goes on when it is told to; of the one who asked last.</summary>
    sealed class Clock : TimeProvider, ITimer
    {
        (Action Ring, TimeSpan Left) _timer;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            _timer = (() => callback(state), dueTime);
            return this;
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            _timer.Left = dueTime;
            return true;
        }

        public void Pass(TimeSpan time)
        {
            if ((_timer.Left -= time) <= TimeSpan.Zero) _timer.Ring();
        }

        public void Dispose()
        {
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
