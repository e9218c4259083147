using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Takt.Tests.Services;

/// <summary>Takes every request, answers what it is told to, and then says nothing more; nor does it hang up.</summary>
sealed class StalledServer : IDisposable
{
    readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    readonly Func<string, string> _answer;
    readonly CancellationTokenSource _over = new();

    /// <param name="answer">The head of the request → all that comes of the answer.</param>
    public StalledServer(Func<string, string> answer)
    {
        _answer = answer;
        _listener.Start();
        _ = Listen();
    }

    public string Url => $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    async Task Listen()
    {
        try
        {
            while (true) _ = Serve(await _listener.AcceptTcpClientAsync(_over.Token));
        }
        catch (OperationCanceledException)
        {
            // the test is over
        }
    }

    async Task Serve(TcpClient client)
    {
        try
        {
            using (client)
            {
                var (buffer, text) = (new byte[8192], "");
                while (await client.GetStream().ReadAsync(buffer, _over.Token) is > 0 and var read)
                {
                    text += Encoding.ASCII.GetString(buffer, 0, read);
                    if (!text.Contains("\r\n\r\n", StringComparison.Ordinal)) continue;
                    await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(_answer(text)), _over.Token);
                    text = "";
                }
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // the client has hung up, or the test is over
        }
    }

    public void Dispose()
    {
        _over.Cancel();
        _listener.Dispose();
    }
}
