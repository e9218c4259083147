using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace Takt.Protocols.Tests.OpenInference;

/// <summary>HTTP/2 by its frames (RFC 9113), for what no well-behaved client does: it sends as slowly as it is told to and reads nothing that it is not asked to.</summary>
sealed class Http2Client : IDisposable
{
    public const byte DataFrame = 0, HeadersFrame = 1, ResetFrame = 3, SettingsFrame = 4, GoAwayFrame = 7, EndStream = 1, EndHeaders = 4;

    readonly TcpClient _tcp = new();

    /// <param name="window">Bytes of an answer that the server may send unasked.</param>
    public static async Task<Http2Client> Connect(Uri server, int window = 65535)
    {
        var client = new Http2Client();
        await client._tcp.ConnectAsync(server.Host, server.Port);
        await client._tcp.GetStream().WriteAsync("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray());
        var settings = new byte[6];
        BinaryPrimitives.WriteUInt16BigEndian(settings, 4); // INITIAL_WINDOW_SIZE
        BinaryPrimitives.WriteInt32BigEndian(settings.AsSpan(2), window);
        await client.Send(SettingsFrame, 0, 0, settings);
        await client.Send(SettingsFrame, 1, 0, []); // theirs are taken
        return client;
    }

    public async Task Send(byte type, byte flags, int stream, byte[] payload)
    {
        var frame = new byte[9 + payload.Length];
        (frame[0], frame[1], frame[2], frame[3], frame[4]) = ((byte)(payload.Length >> 16), (byte)(payload.Length >> 8), (byte)payload.Length, type, flags);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), stream);
        payload.CopyTo(frame, 9);
        await _tcp.GetStream().WriteAsync(frame);
    }

    /// <summary>HPACK without its tables: each header as it is (RFC 7541, section 6.2.2).</summary>
    public static byte[] Encode(params ReadOnlySpan<(string Name, string Value)> headers)
    {
        var block = new List<byte>();
        foreach (var (name, value) in headers)
        {
            block.Add(0);
            foreach (var text in (string[])[name, value])
            {
                block.Add((byte)text.Length); // under 127
                block.AddRange(Encoding.ASCII.GetBytes(text));
            }
        }
        return [.. block];
    }

    /// <summary>The types of all frames until the server ends the stream, or the connection.</summary>
    public async Task<List<byte>> Ended(int stream)
    {
        var types = new List<byte>();
        try
        {
            var head = new byte[9];
            while (true)
            {
                await _tcp.GetStream().ReadExactlyAsync(head);
                await _tcp.GetStream().ReadExactlyAsync(new byte[(head[0] << 16) | (head[1] << 8) | head[2]]);
                types.Add(head[3]);
                var of = BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(5));
                if (head[3] == GoAwayFrame || (of == stream && (head[3] == ResetFrame || (head[3] is DataFrame or HeadersFrame && (head[4] & EndStream) != 0)))) return types;
            }
        }
        catch (IOException)
        {
            return types; // closed
        }
    }

    public void Dispose() => _tcp.Dispose();
}
