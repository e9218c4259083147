using System.IO.Enumeration;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Takt.Server.Protocols;

/// <summary>
/// The names that this server answers to. A page of another site may let its own name point here and is then, to the browser, a page of this server, which may read and write everything (DNS rebinding);
/// only the <c>Host</c> that the browser sends gives it away. Addresses can't be made to point elsewhere, and names of loopback are nobody's.
/// </summary>
static class KnownHosts
{
    /// <param name="allowed">Further names, <c>*</c> standing for any characters, with commas between; <c>*</c> alone: any name.</param>
    /// <param name="loopback">The server listens on loopback only, where no other name leads by right. Elsewhere any name is let through, unless <paramref name="allowed"/> says which.</param>
    public static void RefuseUnknownHosts(this IApplicationBuilder web, string? allowed, bool loopback)
    {
        var names = allowed?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [];
        if (names.Contains("*") || (names.Length == 0 && !loopback)) return;
        web.Use(next => http => IsKnown(http, names) ? next(http) : throw new TaktException(TaktError.Denied,
            $"this server is not known as '{http.Request.Host.Host}': a page of another site may have sent this. If the name leads here by right, start the server with --allowed-hosts {http.Request.Host.Host}"));
    }

    // browsers speak HTTP/2, which is gRPC's here, over TLS only; and they can't open the folder's Unix socket, which has no address
    static bool IsKnown(HttpContext http, string[] names) =>
        http.Connection.LocalIpAddress is null || !http.Request.Protocol.StartsWith("HTTP/1", StringComparison.Ordinal) || IsOfNobody(http.Request.Host.Host)
        || Array.Exists(names, name => FileSystemName.MatchesSimpleExpression(name, http.Request.Host.Host) || FileSystemName.MatchesSimpleExpression(name, http.Request.Host.Value))
        || http.Request.Path.Value is "/health" or "/version"; // says nothing, and load balancers ask under any name

    static bool IsOfNobody(string host) => host.Length == 0 || host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || host.EndsWith(".localhost", StringComparison.OrdinalIgnoreCase)
        || IPAddress.TryParse(host.Trim('[', ']'), out _);
}
