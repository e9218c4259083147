using System.Diagnostics;

namespace Takt.Deployments;

/// <summary>
/// The steps of a request as spans (System.Diagnostics.ActivitySource): whoever answers a protocol starts the request's own, everything below takes its source from that. Without a listener there is
/// none, and nothing here costs more than a look at the current activity.
/// </summary>
public static class ServingTrace
{
    /// <summary>Of every source that requests come from; what an OpenTelemetry SDK subscribes to.</summary>
    public const string SourceName = "Takt.Serving";

    /// <summary>A step of the request that is under way.</summary>
    /// <returns>Null: it is not traced.</returns>
    public static Activity? Step(string name, ActivityKind kind = ActivityKind.Internal) => Mine is { } request ? request.Source.StartActivity(name, kind) : null;

    /// <summary>A step that was measured by somebody else.</summary>
    /// <param name="start">As <see cref="Stopwatch.GetTimestamp"/> gave it.</param>
    public static Activity? Measured(string name, long start, long end)
    {
        if (Mine is not { } request) return null;
        var now = (Utc: TimeProvider.System.GetUtcNow().UtcDateTime, At: Stopwatch.GetTimestamp());
        var step = request.Source.StartActivity(name, ActivityKind.Internal, default(ActivityContext), startTime: now.Utc - Stopwatch.GetElapsedTime(start, now.At)); // its parent is the current one
        step?.SetEndTime(now.Utc - Stopwatch.GetElapsedTime(end, now.At));
        return step;
    }

    /// <summary>The prediction that the current request has become.</summary>
    public static void Is(string prediction) => Mine?.SetTag("takt.prediction_id", prediction);

    /// <summary>A prediction that was computed on this thread, since <paramref name="start"/>.</summary>
    internal static void Computed(PredictionId id, long start)
    {
        if (Mine is not { } request) return;
        request.SetTag("takt.prediction_id", id.ToString());
        Measured("compute", start, Stopwatch.GetTimestamp())?.Dispose();
    }

    /// <summary>Sends the trace on with a request to somebody else (W3C traceparent and tracestate).</summary>
    /// <remarks>By hand: the handler of HttpClient would name a span between that nobody keeps.</remarks>
    public static void Send(HttpRequestMessage request)
    {
        if (Activity.Current is { } current && Id is not null)
            DistributedContextPropagator.Current.Inject(current, request, static (to, name, value) => ((HttpRequestMessage)to!).Headers.TryAddWithoutValidation(name, value));
    }

    /// <summary>The id of the trace that the current request belongs to: its own, or the one that its sender named; null: neither.</summary>
    public static ActivityTraceId? Id => Activity.Current is { } current && (current.Source.Name == SourceName || current is { Parent: null, ParentId: not null }) ? current.TraceId : null;

    /// <summary>A failure, in OpenTelemetry's words.</summary>
    public static void Failed(this Activity? step, Exception e) => step?.SetStatus(ActivityStatusCode.Error, e.Message).SetTag("error.type", e is TaktException known ? known.Error.ToString() : e.GetType().FullName);

    static Activity? Mine => Activity.Current is { } current && current.Source.Name == SourceName ? current : null;
}
