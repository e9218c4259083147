using Microsoft.AspNetCore.Http;

namespace Takt.Server.Protocols;

static class RequestOrigin
{
    /// <summary>Scheme, host and base path as the client knows this server, so that an address that is made of it can be reached by the client; behind a TLS proxy too.</summary>
    public static string Origin(this HttpContext http) =>
        $"{(http.Request.Headers["X-Forwarded-Proto"].ToString() == "https" ? "https" : http.Request.Scheme)}://{http.Request.Host}{http.Request.PathBase}";
}
