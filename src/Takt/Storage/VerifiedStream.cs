using System.Security.Cryptography;

namespace Takt.Storage;

/// <summary>A stream that at its end is what its id says, or throws before it tells that it ended: who copies it to a file in flight keeps nothing wrong.</summary>
/// <param name="length">In bytes; null: any.</param>
sealed class VerifiedStream(Stream inner, Digest id, long? length) : Stream
{
    readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    long _read;
    bool _ended;

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <exception cref="TaktException">Invalid: it is other content.</exception>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var read = await inner.ReadAsync(buffer, cancellationToken);
        return Seen(buffer.Span, read);
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => Seen(buffer.AsSpan(offset, count), inner.Read(buffer, offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        _hash.Dispose();
        base.Dispose(disposing);
    }

    int Seen(ReadOnlySpan<byte> buffer, int read)
    {
        if (_ended || (read == 0 && buffer.Length == 0)) return 0;
        _read += read;
        if (_read > length) throw TaktException.Invalid($"more than the {length:N0} bytes of {id} came");
        _hash.AppendData(buffer[..read]);
        if (read > 0) return read;
        _ended = true;
        if (length is { } whole && _read < whole) throw TaktException.Invalid($"only {_read:N0} of the {whole:N0} bytes of {id} came");
        var got = Digest.FromHash(_hash.GetHashAndReset());
        return got == id ? 0 : throw TaktException.Invalid($"what came is {got}, not {id}; it was not kept");
    }
}
