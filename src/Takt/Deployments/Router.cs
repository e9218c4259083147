using System.Collections.Concurrent;
using System.Diagnostics;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using Takt.Data;
using Takt.Models;

namespace Takt.Deployments;

/// <summary>Takes a request to a revision of its endpoint, by the shares of the traffic, and counts and logs what became of it.</summary>
/// <remarks>A swap loses no request: a slot that is taken out answers those that are inside it.</remarks>
public sealed class Router
{
    readonly ConcurrentDictionary<string, Route> _routes;
    readonly ConcurrentDictionary<string, Route>.AlternateLookup<ReadOnlySpan<char>> _byName;
    readonly AnswerLog _log;
    readonly TimeProvider _time;
    long _turn;
    int _servers = 1;

    public Router(Func<string, PredictionLog> logs, TimeProvider time)
    {
        (_log, _time) = (new AnswerLog(logs, time), time);
        _routes = new(StringComparer.Ordinal);
        _byName = _routes.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>An endpoint goes another way, or is there no more; on the thread that changed it.</summary>
    public event Action<string>? Changed;

    /// <summary>So many servers answer beside each other, this one among them: they divide the rates that are shared.</summary>
    public int Servers
    {
        get => Volatile.Read(ref _servers);
        set
        {
            if (value == Servers) return;
            Volatile.Write(ref _servers, value);
            foreach (var route in _routes.Values)
                if (route is { Rate: { } rate, Limits.Shared: true }) rate.Parts = value;
        }
    }

    public IReadOnlyCollection<string> Endpoints => (IReadOnlyCollection<string>)_routes.Keys;

    public Route? Find(string endpoint) => _routes.GetValueOrDefault(endpoint);

    /// <summary>The endpoint goes this way from now on; slots that are in the old route only are let go of.</summary>
    public void Set(string endpoint, Route route)
    {
        _routes.TryGetValue(endpoint, out var old);
        if (route.Challenger is not null) route.Challenger.Shadows = null;
        if (route.Limits is { PerSecond: { } rate } limits)
            route.Rate = old?.Rate is { } before && before.PerSecond == rate && before.Burst == limits.Burst && old.Limits is { } was && was.By == limits.By && was.Shared == limits.Shared ? before : new RateLimit(rate, limits.Burst, _time) { Parts = limits.Shared ? Servers : 1 };
        route.Champion.Shadows = route.Shadows.Count == 0 ? null : [.. route.Shadows];
        _routes[endpoint] = route;
        if (old is not null) LetGo(old, route);
        Changed?.Invoke(endpoint);
    }

    public void Remove(string endpoint)
    {
        if (!_routes.TryRemove(endpoint, out var route)) return;
        LetGo(route, null);
        Changed?.Invoke(endpoint);
    }

    static void LetGo(Route old, Route? now)
    {
        if (old.Champion != now?.Champion) old.Champion.Shadows = null;
        foreach (var shadow in old.Shadows)
            if (now?.Shadows.Contains(shadow) != true) shadow.Stop();
        foreach (var slot in old.Slots)
            if (now?.Slots.Contains(slot) != true) slot.Dispose();
    }

    /// <summary>Copies of the champion's requests for a slot, once it is in a route.</summary>
    public Shadow Shadow(Slot slot, double sample) => new(slot, sample, this);

    /// <summary>Where the endpoint's requests go now, with its limits; null: there is no such endpoint.</summary>
    public Route? Find(ReadOnlySpan<char> endpoint) => _byName.TryGetValue(endpoint, out var route) ? route : null;

    /// <summary>The header whose value the façade gives as the key; null: it matters to nobody now.</summary>
    public string? KeyHeader(ReadOnlySpan<char> endpoint) => _byName.TryGetValue(endpoint, out var route) && route is { Challenger: not null, Sticky: { IsHeader: true } sticky } ? sticky.Name : null;

    /// <summary>Whether the key is a column's value now; <see cref="Ask"/> reads it.</summary>
    public bool KeyIsColumn(ReadOnlySpan<char> endpoint) => _byName.TryGetValue(endpoint, out var route) && route is { Challenger: not null, Sticky.IsHeader: false };

    /// <summary>Answers rows, on the caller's thread.</summary>
    /// <param name="eventTime">When it happened, for the windows of monitors; null: now.</param>
    /// <exception cref="TaktException">NotFound: no such endpoint. Invalid: the rows. Unavailable: too many requests wait.</exception>
    public async Task<Answer> Infer(string endpoint, Table inputs, DateTimeOffset? eventTime, CancellationToken cancel, Deadline deadline = default)
    {
        var slot = Enter(endpoint);
        try
        {
            return await Infer(slot, inputs, eventTime, cancel, deadline);
        }
        finally
        {
            slot.Leave();
        }
    }

    /// <summary>Answers rows with a slot that the caller has entered, and leaves.</summary>
    /// <inheritdoc cref="Infer(string, Table, DateTimeOffset?, CancellationToken)"/>
    public Task<Answer> Infer(Slot slot, Table inputs, DateTimeOffset? eventTime, CancellationToken cancel, Deadline deadline = default, string? parameters = null, PredictionKeys? keys = null)
    {
        slot.RequireRows(inputs.Rows);
        return Infer(slot, inputs, null, [], eventTime, cancel, deadline, parameters, keys);
    }

    /// <summary>Answers tensors with a slot that the caller has entered, and leaves.</summary>
    /// <param name="outputs">Those that are wanted; none: all.</param>
    /// <exception cref="TaktException">Invalid: the model takes other tensors, or none. Unavailable: too many requests wait.</exception>
    public Task<Answer> Infer(Slot slot, IReadOnlyList<Tensor> inputs, IReadOnlyCollection<string> outputs, DateTimeOffset? eventTime, CancellationToken cancel, Deadline deadline = default, PredictionKeys? keys = null)
    {
        slot.Model?.Tensors?.Require(inputs, outputs); // the caller's mistake is not the revision's
        if (slot.Revision.Spec.Limits is not null && inputs.Count > 0 && inputs.All(t => t.Shape.Length > 0 && t.Shape[0] == inputs[0].Shape[0])) slot.RequireRows((int)Math.Min(int.MaxValue, inputs[0].Shape[0]));
        return Infer(slot, null, inputs, outputs, eventTime, cancel, deadline, keys: keys);
    }

    /// <param name="rows">Or <paramref name="tensors"/>.</param>
    async Task<Answer> Infer(Slot slot, Table? rows, IReadOnlyList<Tensor>? tensors, IReadOnlyCollection<string> wanted, DateTimeOffset? eventTime, CancellationToken cancel, Deadline deadline, string? parameters = null, PredictionKeys? keys = null)
    {
        (Table Inputs, Table Outputs, IReadOnlyList<Tensor>? Tensors) Asked() => rows is not null ? (rows, slot.Model!.Predict(rows), null) : TensorLog.Ask(slot, tensors!, wanted);

        var endpoint = slot.Revision.Endpoint;
        if (slot.Model is null) throw TaktException.Invalid($"'{endpoint}' is an LLM deployment; ask it at /v1/chat/completions");
        var named = keys?.Of(rows?.Rows ?? TensorLog.Rows(tensors!, []));
        deadline.Require(endpoint);
        if (!slot.Turn.TryEnter()) await Wait(slot, cancel, deadline);
        var start = Stopwatch.GetTimestamp();
        var id = PredictionId.New(_time.GetUtcNow()).ToString();
        ServingTrace.Is(id);
        Table inputs, outputs;
        IReadOnlyList<Tensor>? given;
        var step = ServingTrace.Step("compute");
        try
        {
            (inputs, outputs, given) = slot.Model.Inside > 0
                ? rows is not null ? (rows, await slot.Model.Answer(rows, parameters, cancel), null) : await TensorLog.Answer(slot, tensors!, wanted, cancel)
                : slot.Turn.MeanMs < Workbench.From ? Asked() : await Workbench.Run(Asked);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // the rows fit the signature: whatever went wrong, the revision did it
            step.Failed(e);
            step?.Dispose();
            await Done(slot, id, eventTime, start, null, null, e.Message, failed: true, named);
            throw;
        }
        finally
        {
            slot.Turn.Leave(Stopwatch.GetElapsedTime(start));
            step?.Dispose();
        }
        if (slot.Shadows is { } shadows) ShadowCopy.Offer(shadows, _time.GetUtcNow(), id, eventTime, start, inputs, outputs, tensors);
        await Done(slot, id, eventTime, start, inputs, outputs, "", failed: false, named);
        return new Answer(id, slot.Revision, slot.Model.Signature, outputs) { Tensors = given };
    }

    /// <summary>
    /// Answers a request by the shares. A challenger that can't do what the champion can, refuses it, crashes or is not there, has failed, not the caller: it is counted against it, and the champion
    /// answers.
    /// </summary>
    /// <param name="rows">Reads the request for the slot's signature; called again for the champion where the challenger can't.</param>
    /// <param name="parameters">What the slot's model takes beside them, as <see cref="ModelParams.Enforce"/> gives it.</param>
    /// <inheritdoc cref="Infer(string, Table, DateTimeOffset?, CancellationToken)"/>
    public Task<Answer> Ask(string endpoint, Func<Slot, Table> rows, DateTimeOffset? eventTime, CancellationToken cancel, string? key = null, Deadline deadline = default, Func<Slot, string?>? parameters = null, PredictionKeys? keys = null) =>
        Ask(endpoint, slot => Infer(slot, Read(slot, rows), eventTime, cancel, deadline, parameters?.Invoke(slot), keys), eventTime, key ?? KeyIn(endpoint, rows));

    /// <summary>As <see cref="Ask(string, Func{Slot, Table}, DateTimeOffset?, CancellationToken, string?)"/>, for whoever reads the request otherwise.</summary>
    /// <param name="ask">Reads the request for the slot, which has a model or not, and answers it.</param>
    public async Task<Answer> Ask(string endpoint, Func<Slot, Task<Answer>> ask, DateTimeOffset? eventTime, string? key)
    {
        var slot = Enter(endpoint, key);
        try
        {
            try
            {
                return await ask(slot);
            }
            catch (Exception e) when (!IsOfTheCaller(e) && EnterChampionInsteadOf(slot) is { } champion)
            {
                var challenger = slot;
                slot = champion;
                try
                {
                    var answer = await ask(champion); // refused by both: the caller's mistake
                    if (e is TaktException { Error: TaktError.Invalid }) await Refused(challenger, eventTime, e.Message);
                    return answer;
                }
                finally
                {
                    challenger.Leave();
                }
            }
        }
        finally
        {
            slot.Leave();
        }
    }

    /// <summary>Answers with this slot and no other; leaves it.</summary>
    /// <inheritdoc cref="Infer(string, Table, DateTimeOffset?, CancellationToken)"/>
    public Task<Answer> AskOne(Slot entered, Func<Slot, Table> rows, DateTimeOffset? eventTime, CancellationToken cancel, Deadline deadline = default, PredictionKeys? keys = null) =>
        AskOne(entered, slot => Infer(slot, Read(slot, rows), eventTime, cancel, deadline, keys: keys));

    /// <inheritdoc cref="AskOne(Slot, Func{Slot, Table}, DateTimeOffset?, CancellationToken)"/>
    public async Task<Answer> AskOne(Slot entered, Func<Slot, Task<Answer>> ask)
    {
        try
        {
            return await ask(entered);
        }
        finally
        {
            entered.Leave();
        }
    }

    /// <summary>What decides by a column's value who answers; null: nothing does, now.</summary>
    public string? KeyIn(string endpoint, Func<Slot, Table> rows) =>
        Find(endpoint) is { Challenger: not null, Sticky: { IsHeader: false } sticky, Champion: { Model.Signature.Inputs.Count: > 0 } first } ? KeyIn(first, rows, sticky.Name) : null;

    /// <summary>The column's value in the first row, as text; null when the rows can't be read: then whoever is asked says why.</summary>
    static string? KeyIn(Slot slot, Func<Slot, Table> rows, string column)
    {
        try
        {
            var table = rows(slot);
            return table.Rows > 0 && table.Find(column) is { } values && !values.IsMissing(0) ? values.TextAt(0) : null;
        }
        catch (TaktException)
        {
            return null;
        }
    }

    static Table Read(Slot slot, Func<Slot, Table> rows)
    {
        if (slot.Model is { Tensors: not null, Signature.Inputs.Count: 0 }) throw TaktException.Invalid($"'{slot.Revision.Endpoint}' takes tensors, not rows; ask it at /v2/models/{slot.Revision.Endpoint}/infer");
        if (slot.Model is null) throw TaktException.Invalid($"'{slot.Revision.Endpoint}' is an LLM deployment; ask it at /v1/chat/completions");
        return rows(slot);
    }

    /// <summary>No other revision would do better: the caller went away, its time is over, or it asks for too much at once.</summary>
    public static bool IsOfTheCaller(Exception e) => e is OperationCanceledException or TaktException { Error: TaktError.TimedOut or TaktError.TooLarge };

    static async ValueTask Wait(Slot slot, CancellationToken cancel, Deadline deadline)
    {
        var since = Stopwatch.GetTimestamp();
        using var queued = ServingTrace.Step("queue");
        await slot.Turn.Enter(slot.Revision.Endpoint, cancel, deadline);
        slot.Stats.Waited(Stopwatch.GetElapsedTime(since));
    }

    /// <summary>The loaded slot that answers with this model version, such as <c>flights@3</c>; one in charge first.</summary>
    public Slot? FindModel(string version) => _routes.Values.Select(r => r.Champion).FirstOrDefault(s => s.Revision.Model == version)
        ?? _routes.Values.Select(r => r.Challenger).FirstOrDefault(s => s?.Revision.Model == version);

    /// <summary>The short way for rows of a model that has <see cref="Models.ILoadedModel.Rows"/>; the scores are in the batch afterwards.</summary>
    /// <inheritdoc cref="Infer(string, Table, DateTimeOffset?, CancellationToken)"/>
    public ValueTask<PredictionId> Score(Slot slot, RowBatch rows, CancellationToken cancel, Deadline deadline = default)
    {
        slot.RequireRows(rows.Rows);
        deadline.Require(slot.Revision.Endpoint);
        return slot.Turn.TryEnter() ? Inside(slot, rows, cancel) : Later(slot, rows, cancel, deadline);
    }

    /// <summary>Counts and logs that a revision refused what the one in charge takes.</summary>
    public ValueTask Refused(Slot slot, DateTimeOffset? eventTime, string why)
    {
        slot.Stats.Refused(why);
        return Done(slot, NewId(), eventTime, Stopwatch.GetTimestamp(), null, null, why, failed: true);
    }

    /// <summary>A slot for one request, by the shares; the caller leaves it.</summary>
    /// <param name="key">Of whoever asks: the same key keeps to the same revision. Null: requests are spread evenly.</param>
    /// <exception cref="TaktException">NotFound: no such endpoint, or none ready. Unavailable: more requests wait than can be answered.</exception>
    public Slot Enter(ReadOnlySpan<char> endpoint, string? key = null)
    {
        while (true)
        {
            if (!_byName.TryGetValue(endpoint, out var route)) throw TaktException.NotFound($"no model is served as '{endpoint}'");
            var slot = route.Challenger is { } challenger && TakesChallenger(route.Share, key, challenger) ? challenger : route.Champion;
            if (slot != route.Champion && (slot.Turn.IsFull || slot.Model?.Unready is not null)) slot = route.Champion; // the clients of a challenger that is slow, or is not there, need not suffer from it
            if (!slot.TryEnter()) continue;
            if (!slot.Turn.IsFull) return slot;
            slot.Leave();
            throw slot.Turn.TurnAway(slot.Revision.Endpoint);
        }
    }

    /// <summary>The slot in charge, when that is another than the one given; the caller leaves it.</summary>
    /// <returns>Null: the given one is in charge.</returns>
    public Slot? EnterChampionInsteadOf(Slot slot)
    {
        while (Find(slot.Revision.Endpoint)?.Champion is { } champion && champion != slot)
            if (champion.TryEnter()) return champion;
        return null;
    }

    /// <inheritdoc cref="AnswerLog.Done"/>
    public ValueTask Done(Slot slot, string id, DateTimeOffset? eventTime, long start, Table? inputs, Table? outputs, string error, bool failed, IReadOnlyList<string>? keys = null) =>
        _log.Done(slot, id, eventTime, start, inputs, outputs, error, failed, keys);

    /// <inheritdoc cref="AnswerLog.Shadow"/>
    internal Task LogShadow(Slot slot, ShadowCopy copy, TimeSpan latency, double[]? difference, Table? outputs, string error) => _log.Shadow(slot, copy, latency, difference, outputs, error);

    /// <inheritdoc cref="AnswerLog.Unlogged"/>
    public long Unlogged => _log.Unlogged;

    /// <summary>Sorts by time.</summary>
    public string NewId() => PredictionId.New(_time.GetUtcNow()).ToString();

    ValueTask<PredictionId> Scored(Slot slot, RowBatch rows, CancellationToken cancel)
    {
        var scorer = slot.Model!.Rows!;
        var start = Stopwatch.GetTimestamp();
        var now = _time.GetUtcNow();
        var id = PredictionId.New(now);
        var trace = ServingTrace.Id;
        try
        {
            scorer.Score(rows.Matrix, rows.Rows, rows.Scores);
        }
        catch (Exception e)
        {
            slot.Turn.Leave(Stopwatch.GetElapsedTime(start));
            return Failed(slot, id, start, e);
        }
        var latency = Stopwatch.GetElapsedTime(start);
        slot.Turn.Leave(latency);
        slot.Stats.Count(latency, error: false, rows.Rows);
        if (trace is not null) ServingTrace.Computed(id, start);
        if (slot.Shadows is { } shadows) ShadowCopy.Offer(shadows, _time.GetUtcNow(), slot, id, start, rows);
        if (!slot.TakesSample() || _log.Of(slot) is not { } log) return new(id);
        var source = slot.Source(log, scorer);
        var writer = RecordWriter.OfThread();
        if (trace is { } of) BatchCodec.WriteTrace(writer, of);
        writer.Byte(BatchCodec.RowsRecord);
        writer.Int(source.Number);
        writer.Id(id);
        var milliseconds = now.ToUnixTimeMilliseconds();
        writer.Long(milliseconds);
        writer.Long(milliseconds);
        writer.Long(latency.Ticks);
        writer.Int(rows.Rows);
        rows.Write(writer, scorer.Features, slot.Redacted, slot.Redacted is not null && slot.IsRedacted(scorer.Output.Name));
        var logged = log.Append(writer, rows.Rows, cancel);
        return logged.IsCompletedSuccessfully ? new(id) : Logged(logged, id);
    }

    async ValueTask<PredictionId> Later(Slot slot, RowBatch rows, CancellationToken cancel, Deadline deadline)
    {
        await Wait(slot, cancel, deadline);
        return await Inside(slot, rows, cancel);
    }

    ValueTask<PredictionId> Inside(Slot slot, RowBatch rows, CancellationToken cancel) => slot.Turn.MeanMs < Workbench.From ? Scored(slot, rows, cancel) : Elsewhere(slot, rows, cancel);

    async ValueTask<PredictionId> Elsewhere(Slot slot, RowBatch rows, CancellationToken cancel) => await await Workbench.Run(() => Scored(slot, rows, cancel));

    static async ValueTask<PredictionId> Logged(ValueTask<bool> logged, PredictionId id)
    {
        using var step = ServingTrace.Step("log");
        await logged;
        return id;
    }

    async ValueTask<PredictionId> Failed(Slot slot, PredictionId id, long start, Exception why)
    {
        await Done(slot, id.ToString(), null, start, null, null, why.Message, failed: true);
        System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(why);
        return id;
    }

    /// <summary>By the key's hash; without one spread evenly instead of by chance: the golden ratio's multiples (a low-discrepancy sequence) leave no long runs.</summary>
    /// <remarks>The hash goes with the endpoint and the revision: it is not always the same clients that try what is new. Within a rollout a larger share only adds clients.</remarks>
    bool TakesChallenger(double share, string? key, Slot challenger)
    {
        const double Golden = 0.6180339887498949;
        const double Whole = 18446744073709551616.0; // 2^64
        if (key is not null) return XxHash3.HashToUInt64(MemoryMarshal.AsBytes(key.AsSpan()), challenger.Salt) / Whole < share;
        var x = Interlocked.Increment(ref _turn) * Golden;
        return x - Math.Floor(x) < share;
    }
}
