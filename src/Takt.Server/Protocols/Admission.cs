using Microsoft.AspNetCore.Http;
using Takt.Deployments;

namespace Takt.Server.Protocols;

/// <summary>What every protocol asks before a request is read: is it small enough, may its sender ask again already, and until when does it want its turn.</summary>
static class Admission
{
    /// <summary><c>X-Request-Timeout: 250ms</c>, or a number of seconds.</summary>
    public const string TimeoutHeader = "X-Request-Timeout";

    /// <exception cref="TaktException">TooMany, with when it may again; TooLarge; Invalid: the header.</exception>
    public static Deadline Admit(this HttpContext http, TaktApp app, ReadOnlySpan<char> endpoint)
    {
        var deadline = Deadline.None;
        if (http.Request.Headers.TryGetValue(TimeoutHeader, out var header))
            deadline = Limits.TryTime(header.ToString(), out var time) ? Deadline.In(time)
                : throw TaktException.Invalid($"{TimeoutHeader} is '{Shown(header.ToString())}', not a time such as 250ms, 2s or a number of seconds, an hour at most");
        if (app.Router.Find(endpoint) is not { } route) return deadline;
        if (route.Challenger is null) route.Champion.Turn.Require(route.Champion.Revision.Endpoint); // before its body is read, and before it costs its key anything
        if (route.Limits is not { } limits) return deadline;
        if (http.Request.ContentLength > limits.Body) throw TooLarge(limits.Body, http.Request.ContentLength);
        if (route.Rate is { } rate)
        {
            var wait = rate.Take(Key(http, limits));
            if (wait > TimeSpan.Zero)
                throw new TaktException(TaktError.TooMany, FormattableString.Invariant($"'{endpoint.ToString()}' takes {rate.PerSecond} requests a second of one {Who(limits)}, {rate.Burst} at once{(limits.Shared ? ", all servers together" : "")}; try again in {Seconds(wait)} s")) { RetryAfter = wait };
        }
        return limits.Timeout is { } timeout ? deadline.Or(Deadline.In(timeout)) : deadline;
    }

    /// <summary>Bytes that a request of this endpoint may have.</summary>
    public static long MostBody(this TaktApp app, ReadOnlySpan<char> endpoint) => app.Router.Find(endpoint)?.Limits?.Body ?? LimitSpec.MostBody;

    public static TaktException TooLarge(long most, long? has) => new(TaktError.TooLarge, has is { } bytes ? $"the request has {bytes} bytes; {most} are allowed" : $"the request has over {most} bytes");

    /// <summary>Tells when to come again, where that is known.</summary>
    /// <returns>Done when the answer may go out.</returns>
    public static ValueTask RetryAfter(this HttpContext http, TaktException e)
    {
        if (e.Error is not (TaktError.Unavailable or TaktError.TooMany)) return default;
        http.Response.Headers.RetryAfter = Seconds(e.RetryAfter ?? TimeSpan.FromSeconds(1));
        return e.Error == TaktError.Unavailable ? EarlyRetry.Hold(http) : default; // over a rate: nobody else's time is lost
    }

    static string Seconds(TimeSpan time) => ((long)Math.Max(1, Math.Ceiling(time.TotalSeconds))).ToString(System.Globalization.CultureInfo.InvariantCulture);

    static string Key(HttpContext http, LimitSpec limits)
    {
        const int LongestKey = 256;
        if (limits.By == LimitSpec.OfAll) return "";
        if (limits.Header is { } name && http.Request.Headers[name] is [{ Length: > 0 } value, ..]) return value.Length <= LongestKey ? value : value[..LongestKey];
        return http.Connection.RemoteIpAddress is not { } address ? "" : address.IsIPv4MappedToIPv6 ? address.MapToIPv4().ToString() : address.ToString();
    }

    static string Who(LimitSpec limits) => limits.Header ?? (limits.By == LimitSpec.OfAll ? "endpoint" : "client");

    static string Shown(string text) => text.Length > 40 ? text[..40] + "…" : text;
}
