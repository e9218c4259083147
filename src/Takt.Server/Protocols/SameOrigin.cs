using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Takt.Server.Protocols;

/// <summary>Pages of other sites must not write here with the reader's browser, which can reach servers that they can't (CSRF).</summary>
static class SameOrigin
{
    /// <summary>
    /// Refuses whatever a page of another site sends that may change something. Browsers ask before most of it, and nobody allows it; but JSON that says it is plain text, or a form, they send at once. Programs name no
    /// origin and are not asked.
    /// </summary>
    public static void RefuseForeignPages(this IApplicationBuilder web) => web.Use(next => http => IsForeign(http.Request) ? throw Denied(http.Request, http.Request.Headers.Origin.ToString()) : next(http));

    /// <summary>Lets a form through only from a page of this server; that the page is not another's under a name of its own, <see cref="KnownHosts"/> sees to.</summary>
    /// <exception cref="TaktException">Denied.</exception>
    public static void Require(HttpContext http)
    {
        var request = http.Request;
        if (request.Headers["Sec-Fetch-Site"].ToString() is { Length: > 0 } site and not "same-origin")
            throw new TaktException(TaktError.Denied, $"this form was sent by another site ({site}); open the page of this server and send it from there");
        if (request.Headers.Origin.ToString() is var origin && !IsOwn(request, origin)) throw Denied(request, origin.Length == 0 ? "none" : origin);
    }

    static bool IsForeign(HttpRequest request)
    {
        if (request.Headers.Origin.Count == 0 || HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method) || HttpMethods.IsOptions(request.Method)) return false;
        // the browser's own word, where it gives it: behind a proxy the host may have another name here
        return request.Headers["Sec-Fetch-Site"].ToString() is { Length: > 0 } site ? site is not ("same-origin" or "none") : !IsOwn(request, request.Headers.Origin.ToString());
    }

    static bool IsOwn(HttpRequest request, string origin) =>
        Uri.TryCreate(origin, UriKind.Absolute, out var from) && string.Equals(from.Authority, Authority(request), StringComparison.OrdinalIgnoreCase);

    static TaktException Denied(HttpRequest request, string origin) => new(TaktError.Denied,
        $"this was not sent from a page of this server (Origin: {origin}, Host: {request.Host}); use the API for programs, and let a proxy pass on the Host that it was asked for");

    // a Uri leaves out the port that its scheme implies; so does the comparison
    static string Authority(HttpRequest request) => new Uri($"{request.Scheme}://{request.Host.Value}").Authority;
}
