using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Takt.Deployments;
using Takt.Server.Protocols.OpenInference;

namespace Takt.Server.Protocols.Prometheus;

/// <summary>How long requests took, by method, route, status and, where a model answered, endpoint and revision.</summary>
/// <remarks>At most 4,096 series are kept; what would be one more is counted under <see cref="Overflow"/>. Those of revisions that are no longer loaded go with the next <see cref="Forget"/>.</remarks>
sealed class HttpDurations
{
    /// <summary>The client went away before it was answered.</summary>
    public const int ClientGone = 499;

    const int MostSeries = 4096;
    static readonly Key Overflow = new("_OTHER", "", 0, "", 0);
    static readonly HashSet<string> Methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

    readonly ConcurrentDictionary<Key, DurationHistogram> _series = new();
    int _count;

    /// <param name="Route">As routing names it, not what was asked; empty: nothing is there.</param>
    /// <param name="Revision">0: no model answered.</param>
    /// <param name="Grpc">The call's status by gRPC, whose HTTP status is 200 whatever becomes of it; null: it was no such call.</param>
    public readonly record struct Key(string Method, string Route, int Status, string Endpoint, int Revision, string? Grpc = null);

    public IEnumerable<KeyValuePair<Key, DurationHistogram>> Series => _series;

    public void Count(Key key, TimeSpan took) => (_series.TryGetValue(key, out var known) ? known : Add(key)).Count(took);

    public void Forget(Func<Key, bool> gone)
    {
        foreach (var (key, _) in _series)
            if (gone(key) && _series.TryRemove(key, out _)) Interlocked.Decrement(ref _count);
    }

    DurationHistogram Add(Key key)
    {
        if (Volatile.Read(ref _count) >= MostSeries) return _series.GetOrAdd(Overflow, _ => new());
        var mine = new DurationHistogram();
        var known = _series.GetOrAdd(key, mine);
        if (known == mine) Interlocked.Increment(ref _count);
        return known;
    }

    /// <summary>Counts every request but those that <see cref="InferCall"/> counts itself. Goes before all else, so that it sees the status that was sent.</summary>
    public static void Use(IApplicationBuilder web, TaktApp app) => web.Use(next => http => InferCall.IsMine(http, out _) ? next(http) : Timed(next, http, app.Durations));

    static Task Timed(RequestDelegate next, HttpContext http, HttpDurations durations)
    {
        var start = Stopwatch.GetTimestamp();
        var answer = next(http);
        if (!answer.IsCompletedSuccessfully) return TimedLater(answer, http, durations, start);
        durations.Count(Of(http, http.Response.StatusCode), Stopwatch.GetElapsedTime(start));
        return answer;
    }

    static async Task TimedLater(Task answer, HttpContext http, HttpDurations durations, long start)
    {
        try
        {
            await answer;
            durations.Count(Of(http, http.RequestAborted.IsCancellationRequested && !http.Response.HasStarted ? ClientGone : http.Response.StatusCode), Stopwatch.GetElapsedTime(start));
        }
        catch (Exception e) when (e is not OperationCanceledException && IsGone(http))
        {
            durations.Count(new(http.Request.Method, "", ClientGone, "", 0), Stopwatch.GetElapsedTime(start)); // nobody is there to hear of it
        }
        catch (Exception e)
        {
            durations.Count(Of(http, e is OperationCanceledException ? ClientGone : 500), Stopwatch.GetElapsedTime(start));
            throw;
        }
    }

    static Key Of(HttpContext http, int status)
    {
        var by = http.Features.Get<Answerer>()?.Revision;
        var method = http.Request.Method;
        return new(Methods.Contains(method) ? method : "_OTHER", (http.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? "", status, by?.Endpoint ?? "", by?.Number ?? 0, GrpcStatus(http));
    }

    static string? GrpcStatus(HttpContext http)
    {
        const string Status = "grpc-status";
        if (http.Request.Protocol != HttpProtocol.Http2 || http.Request.ContentType?.StartsWith("application/grpc", StringComparison.Ordinal) != true) return null;
        // among the headers where there is no message
        return http.Response.Headers.TryGetValue(Status, out var alone) || (http.Features.Get<IHttpResponseTrailersFeature>() is { } trailers && trailers.Trailers.TryGetValue(Status, out alone)) ? alone.ToString() : "";
    }

    /// <summary>The connection is gone, or has been broken off by a server that stops: what goes wrong then is nobody's fault.</summary>
    public static bool IsGone(HttpContext http)
    {
        try
        {
            return http.RequestAborted.IsCancellationRequested;
        }
        catch (ObjectDisposedException)
        {
            return true;
        }
    }

    internal sealed record Answerer(Revision Revision);
}
