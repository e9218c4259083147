using System.Buffers.Binary;
using System.IO.Compression;

namespace Takt.Data;

/// <summary>Whether a compressed file is whole: the reader of tables takes what is there of one that was cut off, and says nothing.</summary>
static class Gzip
{
    /// <exception cref="TaktException">Invalid: damaged or cut off.</exception>
    public static void Require(string shown, string file)
    {
        try
        {
            using var content = File.OpenRead(file);
            using var plain = new GZipStream(content, CompressionMode.Decompress);
            var (buffer, total) = (new byte[1 << 16], 0L);
            for (int read; (read = plain.Read(buffer)) > 0;) total += read;
            // the last four bytes are the size of the last member, modulo 2^32 (RFC 1952, 2.3.1): never more than came out
            Span<byte> size = stackalloc byte[4];
            using var end = File.OpenRead(file);
            if (end.Length < 18) throw new InvalidDataException("it is shorter than an empty one");
            end.Seek(-4, SeekOrigin.End);
            end.ReadExactly(size);
            if (BinaryPrimitives.ReadUInt32LittleEndian(size) > total) throw new InvalidDataException("it ends before its end");
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException)
        {
            throw new TaktException(TaktError.Invalid, $"'{shown}' is damaged or cut off: {e.Message}", e);
        }
    }
}
