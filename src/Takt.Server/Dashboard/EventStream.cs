using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Takt.Server.Dashboard;

/// <summary>Server-sent events for a page that follows something.</summary>
static class EventStream
{
    /// <returns>Cancelled when the page is closed or the server stops: a page left open in some tab would hold up the stop for as long as requests are waited for.</returns>
    public static CancellationTokenSource Begin(HttpContext http)
    {
        http.Response.ContentType = "text/event-stream";
        http.Response.Headers.CacheControl = "no-cache";
        return CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, http.RequestServices.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping);
    }
}
