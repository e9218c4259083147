using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Takt.Server.Protocols;

static class Smuggling
{
    /// <summary>Where Kestrel puts a length that it passes over because the body comes in chunks.</summary>
    const string PassedOver = "X-Content-Length";

    /// <summary>
    /// Refuses a request that gives its length twice, as a number and as chunks: whoever stands in front may have believed the other one, so that the rest of it would be somebody else's request (RFC 9112,
    /// section 6.1). The connection is closed.
    /// </summary>
    public static void RefuseSmuggling(this IApplicationBuilder web) => web.Use(next => http =>
        http.Request.Headers.TransferEncoding.Count > 0 && http.Request.Headers.ContainsKey(PassedOver) ? Refuse(http) : next(http));

    static Task Refuse(HttpContext http)
    {
        http.Response.StatusCode = StatusCodes.Status400BadRequest;
        http.Response.Headers.Connection = "close";
        http.Response.ContentType = "application/json";
        return http.Response.WriteAsync("""{"error":"the request has both Content-Length and Transfer-Encoding; send one of them"}""");
    }
}
