using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Takt.Server.Protocols;

namespace Takt.Server.Api;

/// <summary>Takt's own wire error: <c>{"error": {"code": "NotFound", "message": "…", "faults": ["…"]}}</c>.</summary>
public static class ApiErrors
{
    public static int Status(TaktError error) => error switch
    {
        TaktError.Invalid => 400,
        TaktError.NotFound => 404,
        TaktError.Conflict => 409,
        TaktError.Denied => 403,
        TaktError.Unavailable => 503,
        TaktError.TooLarge => 413,
        TaktError.Cancelled => 499,
        TaktError.NotSupported => 501,
        TaktError.TooMany => 429,
        TaktError.TimedOut => 504,
        _ => 500,
    };

    /// <summary>Catches what the façades let through. A façade with an error form of its own catches first.</summary>
    public static void UseTaktErrors(this IApplicationBuilder app) => app.Use(async (HttpContext http, RequestDelegate next) =>
    {
        try
        {
            await next(http);
        }
        catch (TaktException e) when (!http.Response.HasStarted)
        {
            await http.RetryAfter(e);
            await Write(http, Status(e.Error), e.Error.ToString(), e.Message, e.Faults);
        }
        catch (BadHttpRequestException e) when (!http.Response.HasStarted)
        {
            await Write(http, e.StatusCode, nameof(TaktError.Invalid), e.Message, [e.Message]);
        }
        catch (IOException e) when (!http.Response.HasStarted && e.InnerException is OverflowException) // what Kestrel makes of a chunk whose size is beyond every number
        {
            await Write(http, 400, nameof(TaktError.Invalid), e.Message, [e.Message]);
        }
        catch (Exception e) when (!http.Response.HasStarted && e is not OperationCanceledException && !http.RequestAborted.IsCancellationRequested) // nobody is there to hear of it
        {
            var log = http.RequestServices.GetRequiredService<ILoggerFactory>().CreateLogger("Takt.Server");
            log.LogError(e, "Request {Method} {Path} failed; trace id {TraceId}", http.Request.Method, http.Request.Path, http.TraceIdentifier);
            await Write(http, 500, "Internal", $"a bug in Takt; the log has it under trace id {http.TraceIdentifier}", []);
        }
    });

    static Task Write(HttpContext http, int status, string code, string message, IReadOnlyList<string> faults)
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/json";
        var list = new JsonArray();
        foreach (var fault in faults) list.Add(fault);
        return http.Response.WriteAsync(new JsonObject { ["error"] = new JsonObject { ["code"] = code, ["message"] = message, ["faults"] = list } }.ToPlainText());
    }
}
