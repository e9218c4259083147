using Microsoft.AspNetCore.Http;

namespace Takt.Server.Dashboard;

/// <summary>What a browser may do with what the dashboard sends: its own scripts and styles only, in no frame, and nothing from elsewhere.</summary>
static class SecurityHeaders
{
    const string Page = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

    /// <summary>A file that a run made is not ours: it runs nothing and loads nothing, even when it is opened by itself.</summary>
    const string Foreign = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'none'";

    public static void ForPage(HttpResponse response) => Set(response, Page);

    public static void ForFile(HttpResponse response) => Set(response, Foreign);

    static void Set(HttpResponse response, string policy)
    {
        response.Headers.ContentSecurityPolicy = policy;
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers.XFrameOptions = "DENY";
        response.Headers["Referrer-Policy"] = "same-origin";
        response.Headers["Cross-Origin-Opener-Policy"] = "same-origin";
        response.Headers["Cross-Origin-Resource-Policy"] = "same-origin";
        response.Headers.CacheControl = "no-store";
    }
}
