using System.Net;

namespace Takt.Storage;

/// <summary>Ends requests to peers that hang or are gone without a word: the next bytes of an answer, or its beginning, have to come within <see cref="Longest"/>.</summary>
/// <remarks>The time counts from the last bytes that moved, so that what is large takes as long as it takes. DVC waits as long for a read, git-lfs half as long, restic five times.</remarks>
public sealed class SilenceLimit(HttpMessageHandler inner, TimeProvider time) : DelegatingHandler(inner)
{
    public static readonly TimeSpan Longest = TimeSpan.FromSeconds(60);

    /// <summary>Until an answer begins for which the peer has work to do first, such as making durable what it was sent.</summary>
    public static readonly TimeSpan LongestWork = TimeSpan.FromMinutes(5);

    /// <summary>Until the answer to a request begins that sends nothing.</summary>
    public TimeSpan LongestAsked { get; init; } = Longest;

    /// <summary>Whether it was silence that ended a request, or the wait for a connection: asking again most often ends likewise.</summary>
    public static bool Ended(Exception? e)
    {
        for (; e is not null; e = e.InnerException)
            if (e is TimeoutException) return true;
        return false;
    }

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancel)
    {
        var longest = request.Content is null ? LongestAsked : LongestWork;
        using var silence = new CancellationTokenSource(longest, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, silence.Token);
        if (request.Content is { } content) request.Content = new Sent(content, () => silence.CancelAfter(longest));
        try
        {
            var answer = await base.SendAsync(request, either.Token);
            var body = new StreamContent(new Received(await answer.Content.ReadAsStreamAsync(either.Token), time));
            foreach (var header in answer.Content.Headers) body.Headers.TryAddWithoutValidation(header.Key, header.Value);
            answer.Content = body;
            return answer;
        }
        catch (OperationCanceledException e) when (silence.IsCancellationRequested && !cancel.IsCancellationRequested)
        {
            throw new HttpRequestException(Words(longest), new TimeoutException(Words(longest), e));
        }
    }

    static string Words(TimeSpan longest) => $"nothing came for {longest.TotalSeconds:0} s; it hangs, or something on the way to it does";

    /// <summary>Tells of each part that went out.</summary>
    sealed class Sent : HttpContent
    {
        readonly HttpContent _content;
        readonly Action _moved;

        public Sent(HttpContent content, Action moved)
        {
            (_content, _moved) = (content, moved);
            foreach (var header in content.Headers) Headers.TryAddWithoutValidation(header.Key, header.Value);
        }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            await using var content = await _content.ReadAsStreamAsync(cancellationToken);
            var buffer = new byte[1 << 16];
            for (int read; (read = await content.ReadAsync(buffer, cancellationToken)) > 0;)
            {
                await stream.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
                _moved();
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = _content.Headers.ContentLength ?? 0;
            return _content.Headers.ContentLength is not null;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing) _content.Dispose();
            base.Dispose(disposing);
        }
    }

    /// <summary>A body each read of which has its time.</summary>
    sealed class Received(Stream body, TimeProvider time) : Stream
    {
        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            using var silence = new CancellationTokenSource(Longest, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, silence.Token);
            try
            {
                return await body.ReadAsync(buffer, either.Token);
            }
            catch (OperationCanceledException e) when (silence.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
                throw new IOException(Words(Longest), new TimeoutException(Words(Longest), e));
            }
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override int Read(byte[] buffer, int offset, int count) => ReadAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing) body.Dispose();
            base.Dispose(disposing);
        }
    }
}
