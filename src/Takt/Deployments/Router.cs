using System.Collections.Concurrent;
using System.Diagnostics;
using Takt.Data;

namespace Takt.Deployments;

/// <summary>Takes a request to a revision of its endpoint, by the shares of the traffic, and counts and logs what became of it.</summary>
/// <remarks>A swap loses no request: a slot that is taken out answers those that are inside it.</remarks>
public sealed class Router(Func<string, PredictionLog> logs, TimeProvider time, int concurrency = 0, int queue = 1024)
{
    readonly ConcurrentDictionary<string, Route> _routes = new(StringComparer.Ordinal);
    readonly SemaphoreSlim _slots = new(concurrency > 0 ? concurrency : Math.Max(4, Environment.ProcessorCount * 2));
    long _turn;
    long _unlogged;
    int _waiting;

    public IReadOnlyCollection<string> Endpoints => (IReadOnlyCollection<string>)_routes.Keys;

    public Route? Find(string endpoint) => _routes.GetValueOrDefault(endpoint);

    /// <summary>The endpoint goes this way from now on; slots that are in the old route only are let go of.</summary>
    public void Set(string endpoint, Route route)
    {
        _routes.TryGetValue(endpoint, out var old);
        _routes[endpoint] = route;
        foreach (var slot in new[] { old?.Champion, old?.Challenger })
            if (slot is not null && slot != route.Champion && slot != route.Challenger) slot.Dispose();
    }

    public void Remove(string endpoint)
    {
        if (!_routes.TryRemove(endpoint, out var route)) return;
        route.Champion.Dispose();
        route.Challenger?.Dispose();
    }

    /// <summary>Answers rows, on the caller's thread.</summary>
    /// <param name="eventTime">When it happened, for the windows of monitors; null: now.</param>
    /// <exception cref="TaktException">NotFound: no such endpoint. Invalid: the rows. Unavailable: too many requests wait.</exception>
    public async Task<Answer> Infer(string endpoint, Table inputs, DateTimeOffset? eventTime, CancellationToken cancel)
    {
        var slot = Enter(endpoint);
        try
        {
            return await Infer(slot, inputs, eventTime, cancel);
        }
        finally
        {
            slot.Leave();
        }
    }

    /// <summary>Answers rows with a slot that the caller has entered, and leaves.</summary>
    /// <inheritdoc cref="Infer(string, Table, DateTimeOffset?, CancellationToken)"/>
    public async Task<Answer> Infer(Slot slot, Table inputs, DateTimeOffset? eventTime, CancellationToken cancel)
    {
        var endpoint = slot.Revision.Endpoint;
        if (slot.Model is null) throw TaktException.Invalid($"'{endpoint}' is an LLM deployment; ask it at /v1/chat/completions");
        await Turn(endpoint, cancel);
        var start = Stopwatch.GetTimestamp();
        var id = NewId();
        try
        {
            var outputs = slot.Model.Predict(inputs);
            Done(slot, id, eventTime, start, inputs, outputs, "", failed: false);
            return new Answer(id, slot.Revision, slot.Model.Signature, outputs);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // the rows fit the signature: whatever went wrong, the revision did it
            Done(slot, id, eventTime, start, null, null, e.Message, failed: true);
            throw;
        }
        finally
        {
            _slots.Release();
        }
    }

    /// <summary>Counts and logs that a revision refused what the one in charge takes.</summary>
    public void Refused(Slot slot, DateTimeOffset? eventTime, string why) => Done(slot, NewId(), eventTime, Stopwatch.GetTimestamp(), null, null, why, failed: true);

    /// <summary>A slot for one request, by the shares; the caller leaves it.</summary>
    /// <exception cref="TaktException">NotFound: no such endpoint, or none ready.</exception>
    public Slot Enter(string endpoint)
    {
        while (true)
        {
            if (!_routes.TryGetValue(endpoint, out var route)) throw TaktException.NotFound($"no model is served as '{endpoint}'");
            var slot = route.Challenger is { } challenger && TakesChallenger(route.Share) ? challenger : route.Champion;
            if (slot.TryEnter()) return slot;
        }
    }

    /// <summary>Logs and counts a request that was answered elsewhere, by an LLM's upstream.</summary>
    public void Done(Slot slot, string id, DateTimeOffset? eventTime, long start, Table? inputs, Table? outputs, string error, bool failed)
    {
        var latency = Stopwatch.GetElapsedTime(start);
        slot.Stats.Count(latency, failed);
        var now = time.GetUtcNow();
        try
        {
            logs(slot.Revision.Endpoint).Append(new PredictionBatch(id, eventTime ?? now, now, slot.Revision.Number,
            slot.Revision.Model ?? slot.Revision.Spec.Upstream?.Model ?? "", latency, inputs, outputs, error));
        }
        catch (Exception e) when (e is TaktException or IOException or UnauthorizedAccessException)
        {
            Interlocked.Increment(ref _unlogged); // an answer is worth more than its record
        }
    }

    /// <summary>Requests that could not be logged because their log could not be opened.</summary>
    public long Unlogged => Volatile.Read(ref _unlogged);

    /// <summary>Sorts by time.</summary>
    public static string NewId() => "p-" + Guid.CreateVersion7().ToString("N");

    async Task Turn(string endpoint, CancellationToken cancel)
    {
        if (_slots.Wait(0, CancellationToken.None)) return;
        if (Interlocked.Increment(ref _waiting) > queue)
        {
            Interlocked.Decrement(ref _waiting);
            throw new TaktException(TaktError.Unavailable, $"'{endpoint}' has {queue} requests waiting; try again in a second");
        }
        try
        {
            await _slots.WaitAsync(cancel);
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }

    /// <summary>Spread evenly instead of by chance: the golden ratio's multiples (a low-discrepancy sequence) leave no long runs.</summary>
    bool TakesChallenger(double share)
    {
        const double Golden = 0.6180339887498949;
        var x = Interlocked.Increment(ref _turn) * Golden;
        return x - Math.Floor(x) < share;
    }
}
