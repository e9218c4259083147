using Takt.Storage;

namespace Takt.Data.Remotes;

/// <summary>An object from some byte on, read range by range straight from where it lies: nothing of it is cached, and each range is asked for anew when the line fails between them.</summary>
sealed class RangeStream(IObjectStore objects, string name, long from, long length) : Stream
{
    const int Range = 8 << 20;

    byte[] _range = [];
    int _at;
    long _next = from;

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => length;
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_at == _range.Length)
        {
            if (_next >= length) return 0;
            var range = new byte[Math.Min(Range, length - _next)];
            await objects.Read(name, _next, range, cancellationToken);
            (_range, _at, _next) = (range, 0, _next + range.Length);
        }
        var count = Math.Min(buffer.Length, _range.Length - _at);
        _range.AsSpan(_at, count).CopyTo(buffer.Span);
        _at += count;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => ReadAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
