using System.Diagnostics;
using System.Globalization;
using System.Threading.Channels;
using Takt.Deployments;
using Takt.Runs.Traces;

namespace Takt.Server;

/// <summary>Keeps the spans of requests in Takt's own store, for deployments that say <c>traces:</c>. Off the requests' path; what comes faster than rows can be written is dropped and counted.</summary>
/// <remarks>It listens only while some deployment on this server wants traces.</remarks>
public sealed class ServingTraces : IAsyncDisposable
{
    const string Kept = "takt.kept";

    /// <summary>Traces that wait for the database.</summary>
    const int MostWaiting = 1024;

    /// <summary>Traces in one transaction.</summary>
    const int Together = 64;

    /// <summary>Spans of one request; the request's own is the last to end and always kept.</summary>
    const int MostSpans = 64;

    readonly TaktApp _app;
    readonly Channel<(TraceSpec Spec, string Endpoint, List<NewSpan> Spans)> _ended = Channel.CreateBounded<(TraceSpec, string, List<NewSpan>)>(new BoundedChannelOptions(MostWaiting) { SingleReader = true });
    readonly ActivityListener _listener;
    readonly Lock _gate = new();
    readonly Task _writer;
    bool _listens;
    long _dropped, _stored;

    internal ServingTraces(TaktApp app)
    {
        _app = app;
        _listener = new ActivityListener
        {
            ShouldListenTo = source => ReferenceEquals(source, Source),
            Sample = Sample,
            ActivityStarted = Started,
            ActivityStopped = Stopped,
        };
        app.Router.Changed += _ => Listen();
        _writer = Task.Run(Write);
    }

    /// <summary>Of this server's requests.</summary>
    internal ActivitySource Source { get; } = new(ServingTrace.SourceName, TaktHost.Version);

    /// <summary>Traces that were not kept because the database was too slow, or refused.</summary>
    public long Dropped => Volatile.Read(ref _dropped);

    /// <summary>Traces that were kept since the start.</summary>
    public long Stored => Volatile.Read(ref _stored);

    /// <summary>Listening makes each request's span be considered; nobody who wants none pays for that.</summary>
    void Listen()
    {
        lock (_gate)
        {
            if (_listens || !_app.Router.Endpoints.Any(e => SpecOf(e) is not null)) return;
            _listens = true;
        }
        ActivitySource.AddActivityListener(_listener);
    }

    TraceSpec? SpecOf(string endpoint) => _app.Router.Find(endpoint) is { } route ? (route.Challenger ?? route.Champion).Revision.Spec.Traces : null;

    ActivitySamplingResult Sample(ref ActivityCreationOptions<ActivityContext> options)
    {
        if (options.Kind != ActivityKind.Server) return Activity.Current?.GetCustomProperty(Kept) is null ? ActivitySamplingResult.None : ActivitySamplingResult.AllDataAndRecorded;
        return Wanted(Endpoint(options.Tags), options.TraceId, options.Parent) is null ? ActivitySamplingResult.None : ActivitySamplingResult.AllDataAndRecorded;
    }

    static string? Endpoint(IEnumerable<KeyValuePair<string, object?>>? tags)
    {
        foreach (var (key, value) in tags ?? [])
            if (key == "takt.endpoint") return value as string;
        return null;
    }

    /// <summary>A sender that has decided against its trace is not overruled.</summary>
    TraceSpec? Wanted(string? endpoint, ActivityTraceId trace, ActivityContext parent) =>
        endpoint is not null && SpecOf(endpoint) is { } spec && (parent.SpanId == default || parent.TraceFlags.HasFlag(ActivityTraceFlags.Recorded)) && spec.Takes(trace.ToHexString()) ? spec : null;

    void Started(Activity activity)
    {
        if (activity.Kind != ActivityKind.Server)
        {
            if (activity.Parent?.GetCustomProperty(Kept) is { } of) activity.SetCustomProperty(Kept, of);
            return;
        }
        var parent = activity.ParentSpanId == default ? default : new ActivityContext(activity.TraceId, activity.ParentSpanId, ParentFlags(activity));
        var endpoint = Endpoint(activity.TagObjects);
        if (Wanted(endpoint, activity.TraceId, parent) is { } spec) activity.SetCustomProperty(Kept, new Pending(spec, endpoint!));
    }

    /// <summary>That it was created at all says that its sender had not decided against it, unless somebody else wanted it.</summary>
    static ActivityTraceFlags ParentFlags(Activity activity) => activity.ParentId is [.., var last] && int.TryParse([last], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var flags) ? (ActivityTraceFlags)flags : ActivityTraceFlags.Recorded;

    void Stopped(Activity activity)
    {
        if (activity.GetCustomProperty(Kept) is not Pending pending) return;
        var root = activity.Kind == ActivityKind.Server;
        lock (pending)
        {
            if (pending.Ended || (!root && pending.Spans.Count >= MostSpans - 1)) return;
            pending.Spans.Add(Of(activity));
            if (!root) return;
            pending.Ended = true;
        }
        if (!_ended.Writer.TryWrite((pending.Spec, pending.Endpoint, pending.Spans))) Interlocked.Increment(ref _dropped);
    }

    static NewSpan Of(Activity activity)
    {
        static byte[] Bytes(string hex) => Convert.FromHexString(hex);
        static ulong Nanoseconds(DateTime utc) => (ulong)(utc - DateTime.UnixEpoch).Ticks * 100;
        var attributes = activity.TagObjects.Select(t => KeyValuePair.Create(t.Key, t.Value switch { int n => (long)n, null or bool or long or double or string => t.Value, var other => other.ToString() })).ToList();
        attributes.Add(new("service.name", "takt"));
        if (!attributes.Exists(a => a.Key == "gen_ai.operation.name")) attributes.Add(new(TraceKeys.SpanType, activity.Kind == ActivityKind.Server ? "CHAIN" : "TASK"));
        return new NewSpan(Bytes(activity.TraceId.ToHexString()), Bytes(activity.SpanId.ToHexString()), activity.ParentSpanId == default ? [] : Bytes(activity.ParentSpanId.ToHexString()), activity.DisplayName,
            Nanoseconds(activity.StartTimeUtc), Nanoseconds(activity.StartTimeUtc + activity.Duration), activity.Status == ActivityStatusCode.Error ? 2 : activity.Kind == ActivityKind.Server ? 1 : 0, activity.StatusDescription ?? "", attributes, []);
    }

    async Task Write()
    {
        var batch = new List<(TraceSpec Spec, string Endpoint, List<NewSpan> Spans)>();
        while (await _ended.Reader.WaitToReadAsync())
        {
            batch.Clear();
            while (batch.Count < Together && _ended.Reader.TryRead(out var one)) batch.Add(one);
            foreach (var group in batch.GroupBy(b => b.Spec.Experiment ?? b.Endpoint, StringComparer.Ordinal))
                try
                {
                    var experiment = await Experiment(group.Key);
                    await _app.Traces.AddSpans(experiment, [.. group.SelectMany(g => g.Spans)], parts: true);
                    Interlocked.Add(ref _stored, group.Count());
                }
                catch (Exception e) when (e is not OutOfMemoryException)
                {
                    Interlocked.Add(ref _dropped, group.Count()); // a trace is worth less than the server
                }
        }
    }

    async Task<long> Experiment(string name)
    {
        try
        {
            return (await _app.Experiments.FindByName(name))?.Id ?? await _app.Experiments.Create(name, null, []);
        }
        catch (TaktException e) when (e.Error == TaktError.Conflict)
        {
            if (await _app.Experiments.FindByName(name) is { } other) return other.Id; // another server was first
            throw; // a deleted one has the name
        }
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        Source.Dispose();
        _ended.Writer.TryComplete();
        await _writer;
    }

    sealed class Pending(TraceSpec spec, string endpoint)
    {
        public TraceSpec Spec { get; } = spec;

        public string Endpoint { get; } = endpoint;

        public List<NewSpan> Spans { get; } = [];

        public bool Ended { get; set; }
    }
}
