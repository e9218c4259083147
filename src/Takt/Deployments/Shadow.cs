using System.Diagnostics;
using System.Threading.Channels;
using Takt.Data;
using Takt.Evaluation;

namespace Takt.Deployments;

/// <summary>
/// A revision that is asked what the champion was asked, off the request's path: copies wait in a queue of its own and are answered one at a time; when the queue is full
/// they are dropped and counted. Nothing that it does reaches a client. Its answers are in the prediction log's <c>shadows</c>, under the champion's prediction id.
/// </summary>
public sealed class Shadow
{
    /// <summary>Copies that wait, at most.</summary>
    public const int MostWaiting = 256;

    /// <summary>Values in the copies that wait, at most: 16 MB of numbers.</summary>
    const long MostValues = 2 << 20;

    readonly Router _router;
    readonly Channel<ShadowCopy> _queue = Channel.CreateBounded<ShadowCopy>(new BoundedChannelOptions(MostWaiting) { SingleReader = true });
    readonly CancellationTokenSource _stop = new();
    readonly Lock _gate = new();
    StepFigures _figures = new(); // guarded by _gate
    long _values, _dropped, _compared, _agreed;
    double _difference;
    readonly Task _worker;

    internal Shadow(Slot slot, double sample, Router router)
    {
        (Slot, Sample, _router) = (slot, sample, router);
        _worker = Task.Run(Work);
    }

    public Slot Slot { get; }

    /// <summary>Share of the requests that are copied.</summary>
    public double Sample { get; }

    /// <summary>From which latency on an answer is slow; null: not compared.</summary>
    public double? OverMs { get; set; }

    /// <summary>Copies that found the queue full.</summary>
    public long Dropped => Volatile.Read(ref _dropped);

    /// <summary>Rows whose answers were compared with the champion's.</summary>
    public long Compared => Volatile.Read(ref _compared);

    /// <summary>Of these, rows with the same answer: equal; for numbers from 0 to 1 on the same side of 0.5, for others within 1 %.</summary>
    public long Agreed => Volatile.Read(ref _agreed);

    /// <summary>Mean of the absolute differences of numbers; null before there is one.</summary>
    public double? MeanDifference => Compared > 0 ? Volatile.Read(ref _difference) / Compared : null;

    /// <summary>What was seen since it was last asked for.</summary>
    internal StepFigures Take()
    {
        lock (_gate)
        {
            var taken = _figures;
            _figures = new StepFigures();
            return taken;
        }
    }

    internal bool TakesSample() => Sample >= 1 || Random.Shared.NextDouble() < Sample;

    internal void Offer(ShadowCopy copy)
    {
        var values = copy.Values;
        if (Interlocked.Add(ref _values, values) <= MostValues && _queue.Writer.TryWrite(copy)) return;
        Interlocked.Add(ref _values, -values);
        Interlocked.Increment(ref _dropped);
    }

    /// <summary>No further copy is answered; the slot is the caller's.</summary>
    internal void Stop()
    {
        _queue.Writer.TryComplete();
        _stop.Cancel();
    }

    async Task Work()
    {
        try
        {
            while (await _queue.Reader.WaitToReadAsync(_stop.Token))
                while (!_stop.IsCancellationRequested && _queue.Reader.TryRead(out var copy))
                {
                    Interlocked.Add(ref _values, -copy.Values);
                    if (!Slot.TryEnter()) return;
                    try
                    {
                        await Answer(copy);
                    }
                    finally
                    {
                        Slot.Leave();
                    }
                }
        }
        catch (OperationCanceledException)
        {
            // it was taken out of the route
        }
    }

    async Task Answer(ShadowCopy copy)
    {
        var start = Stopwatch.GetTimestamp();
        Table? outputs = null;
        var error = "";
        try
        {
            outputs = copy.Tensors is { } tensors ? TensorLog.Ask(Slot, tensors, []).Outputs : await Slot.Model!.Answer(copy.Inputs, _stop.Token);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            error = e is TaktException ? e.Message : $"{e.GetType().Name}: {e.Message}";
        }
        var latency = Stopwatch.GetElapsedTime(start);
        Slot.Stats.Count(latency, outputs is null);
        var own = outputs is null || copy.Champion is null ? null : outputs.Find(copy.Champion.Name);
        var difference = Differences(copy, own);
        lock (_gate)
        {
            var chance = Random.Shared.NextDouble();
            _figures.Of(AnalysisSpec.OfErrors).Add(outputs is null ? 1 : 0, chance);
            if (outputs is not null && OverMs is { } limit)
                _figures.Of(AnalysisSpec.OfLatency).Add((latency.TotalMilliseconds > limit ? 1 : 0) - (copy.Latency.TotalMilliseconds > limit ? 1 : 0), chance);
            var scale = Slot.Revision.Spec.Analysis?.Scale ?? 1;
            if (own is not null && difference is not null && copy.Inputs.Rows > 0)
            {
                // a request is one comparison, however many rows it has: its rows are not independent of each other
                double sum = 0, count = 0;
                for (var row = 0; row < copy.Inputs.Rows; row++)
                    if (double.IsFinite(difference[row])) (sum, count) = (sum + (Scaled(own.NumberAt(row), scale) - Scaled(copy.Champion!.NumberAt(row), scale)), count + 1);
                if (count > 0) _figures.Of(AnalysisSpec.OfScore).Add(sum / count, chance);
            }
        }
        await _router.LogShadow(Slot, copy, latency, difference, outputs, error);
    }

    internal static double Scaled(double value, double scale) => Math.Clamp(value / scale, 0, 1);

    /// <summary>A number a row where both are numbers; null: not comparable as numbers. Counts who agrees.</summary>
    double[]? Differences(ShadowCopy copy, Column? own)
    {
        if (own is null || own.Length != copy.Champion!.Length) return null;
        var numbers = own.Type != ColumnType.Text && copy.Champion.Type != ColumnType.Text;
        var differences = numbers ? new double[own.Length] : null;
        for (var row = 0; row < own.Length; row++)
        {
            bool agrees;
            if (numbers)
            {
                double a = copy.Champion.NumberAt(row), b = own.NumberAt(row);
                differences![row] = b - a;
                agrees = a is >= 0 and <= 1 && b is >= 0 and <= 1 ? a >= 0.5 == b >= 0.5 : Math.Abs(b - a) <= 0.01 * Math.Abs(a) || a.Equals(b);
                if (double.IsFinite(b - a)) Volatile.Write(ref _difference, _difference + Math.Abs(b - a));
            }
            else agrees = copy.Champion.TextAt(row) == own.TextAt(row);
            if (agrees) Interlocked.Increment(ref _agreed);
            Interlocked.Increment(ref _compared);
        }
        return differences;
    }
}
