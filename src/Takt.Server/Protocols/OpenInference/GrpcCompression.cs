using System.IO.Compression;
using Grpc.Core;
using Grpc.Net.Compression;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>gzip or deflate of requests, with the same bound as those that are not compressed: the library bounds a message before it is unpacked, not after.</summary>
sealed class GrpcCompression(string encoding, int mostBytes) : ICompressionProvider
{
    public string EncodingName => encoding;

    public Stream CreateCompressionStream(Stream stream, CompressionLevel? compressionLevel) => encoding == "gzip"
        ? new GZipStream(stream, compressionLevel ?? CompressionLevel.Fastest, leaveOpen: true) : new ZLibStream(stream, compressionLevel ?? CompressionLevel.Fastest, leaveOpen: true);

    public Stream CreateDecompressionStream(Stream stream) => new Bounded(encoding == "gzip" ? new GZipStream(stream, CompressionMode.Decompress) : new ZLibStream(stream, CompressionMode.Decompress), mostBytes);

    sealed class Bounded(Stream inner, int mostBytes) : Stream
    {
        long _read;

        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => _read; set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            int read;
            try
            {
                read = inner.Read(buffer);
            }
            catch (InvalidDataException e)
            {
                throw new RpcException(new Status(StatusCode.InvalidArgument, "the message is not compressed as its header says", e));
            }
            _read += read;
            return _read <= mostBytes ? read : throw new RpcException(new Status(StatusCode.ResourceExhausted, $"the message unpacks to over {mostBytes} bytes"));
        }

        public override void Flush() => throw new NotSupportedException();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing) inner.Dispose();
            base.Dispose(disposing);
        }
    }
}
