using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Takt.Tests.Data;

/// <summary>Answers whatever it is told to, then hangs up.</summary>
sealed class RawServer : IDisposable
{
    readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    readonly Func<string, int, string> _answer;
    int _requests = -1;

    public RawServer(Func<string, int, string> answer)
    {
        _answer = answer;
        _listener.Start();
        _ = Serve();
    }

    public string Url => $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    async Task Serve()
    {
        try
        {
            while (true)
            {
                using var client = await _listener.AcceptTcpClientAsync();
                await using var stream = client.GetStream();
                var (buffer, text) = (new byte[8192], "");
                while (!text.Contains("\r\n\r\n"))
                {
                    var read = await stream.ReadAsync(buffer);
                    if (read == 0) break;
                    text += Encoding.ASCII.GetString(buffer, 0, read);
                }
                if (text.Length == 0) continue;
                var answer = _answer(text, ++_requests).Replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
                await stream.WriteAsync(Encoding.ASCII.GetBytes(answer));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or IOException)
        {
            // the test is over
        }
    }

    public void Dispose() => _listener.Stop();
}
