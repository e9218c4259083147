using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;

namespace Takt.Server;

/// <summary>Clients that ask and don't read their answers are given up by the system.</summary>
/// <remarks>
/// Kestrel's slowest pace of answers does not do it: it allows 240 bytes a second for all that a connection was ever given, and the system's buffers take megabytes for a client that reads none of them, so that it
/// would wait for hours. TCP_USER_TIMEOUT (tcp(7), RFC 5482) ends a connection that has acknowledged nothing, or had no room, for a time; a client that reads now and then, however slowly, stays. Until then such a connection
/// holds the system's buffers and one answer at most, since no further request of it is begun. Linux only: elsewhere Kestrel's pace is all that there is.
/// </remarks>
static class StalledClients
{
    const int Tcp = 6, UserTimeout = 18;

    public static void GiveUpAfter(this IWebHostBuilder web, TimeSpan patience)
    {
        if (!OperatingSystem.IsLinux()) return;
        web.ConfigureServices(services => services.Configure<SocketTransportOptions>(sockets => sockets.CreateBoundListenSocket = endpoint =>
        {
            var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint);
            if (endpoint is IPEndPoint) Set(socket, patience); // connections have it from the socket that took them
            return socket;
        }));
    }

    static void Set(Socket socket, TimeSpan patience)
    {
        Span<byte> milliseconds = stackalloc byte[sizeof(int)];
        BitConverter.TryWriteBytes(milliseconds, (int)patience.TotalMilliseconds);
        socket.SetRawSocketOption(Tcp, UserTimeout, milliseconds);
    }
}
