using System.Net;
using Microsoft.AspNetCore.Http;

namespace Takt.Server.Dashboard;

/// <summary>
/// Lets a form through only from a page of this server: a foreign site must not write with the reader's browser. A server on loopback answers to the
/// names of loopback only, because a foreign name may be made to point here.
/// </summary>
static class SameOrigin
{
    /// <exception cref="TaktException">Denied.</exception>
    public static void Require(HttpContext http)
    {
        var request = http.Request;
        if (request.Headers["Sec-Fetch-Site"].ToString() is { Length: > 0 } site and not "same-origin")
            throw new TaktException(TaktError.Denied, $"this form was sent by another site ({site}); open the page of this server and send it from there");
        var origin = request.Headers.Origin.ToString();
        if (origin.Length == 0 || !Uri.TryCreate(origin, UriKind.Absolute, out var from) || !string.Equals(from.Authority, Authority(request), StringComparison.OrdinalIgnoreCase))
            throw new TaktException(TaktError.Denied, $"this form was not sent from a page of this server (Origin: {(origin.Length == 0 ? "none" : origin)}, Host: {request.Host}); use the API for programs");
        if (http.Connection.LocalIpAddress is { } here && IPAddress.IsLoopback(here) && !IsLoopbackName(request.Host.Host))
            throw new TaktException(TaktError.Denied, $"this server listens on loopback only and is not known as '{request.Host.Host}'; use http://127.0.0.1:{http.Connection.LocalPort}");
    }

    // a Uri leaves out the port that its scheme implies; so does the comparison
    static string Authority(HttpRequest request) => new Uri($"{request.Scheme}://{request.Host.Value}").Authority;

    static bool IsLoopbackName(string host) => host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || host.EndsWith(".localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address));
}
