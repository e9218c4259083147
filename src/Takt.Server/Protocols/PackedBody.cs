using System.IO.Compression;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Takt.Server.Protocols;

/// <summary>A request's body that may be packed: gzip, or deflate in zlib's form and in the bare one.</summary>
static class PackedBody
{
    /// <param name="most">Bytes, as they come and unpacked.</param>
    /// <exception cref="InvalidDataException">It is not packed as it says.</exception>
    /// <exception cref="BadHttpRequestException">415: it is packed in a way that is not known.</exception>
    /// <exception cref="TaktException">TooLarge.</exception>
    public static async Task<MemoryStream> Read(HttpContext http, long most, Func<TaktException> tooLarge)
    {
        if (http.Request.ContentLength > most) throw tooLarge();
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = most; // chunked bodies too
        var sent = new MemoryStream((int)Math.Min(http.Request.ContentLength ?? 4096, 1 << 20)); // a length is only what a client says
        await http.Request.Body.CopyToAsync(sent, http.RequestAborted);
        sent.Position = 0;
        switch (http.Request.Headers.ContentEncoding.ToString().ToLowerInvariant())
        {
            case "" or "identity": return sent;
            case "gzip": return await Unpacked(new GZipStream(sent, CompressionMode.Decompress), most, tooLarge, http.RequestAborted);
            case "deflate":
                var zlib = sent.Length > 1 && (sent.GetBuffer()[0] & 15) == 8 && ((sent.GetBuffer()[0] << 8) | sent.GetBuffer()[1]) % 31 == 0;
                return await Unpacked(zlib ? new ZLibStream(sent, CompressionMode.Decompress) : new DeflateStream(sent, CompressionMode.Decompress), most, tooLarge, http.RequestAborted);
            case var other: throw new BadHttpRequestException($"Unsupported Content-Encoding: {other}; gzip and deflate are known", 415);
        }
    }

    static async Task<MemoryStream> Unpacked(Stream packed, long most, Func<TaktException> tooLarge, CancellationToken cancel)
    {
        var all = new MemoryStream();
        await using (packed)
        {
            var buffer = new byte[16 << 10];
            for (int n; (n = await packed.ReadAsync(buffer, cancel)) > 0;)
            {
                if (all.Length + n > most) throw tooLarge();
                all.Write(buffer, 0, n);
            }
        }
        return all;
    }
}
