using Takt.Models;

namespace Takt.ML.Runtimes;

/// <summary>
/// Merges requests that wait into one run along their first dimension, and gives each its part of the answer. A model whose outputs turn out not to follow that dimension, or that fails for a merged run but
/// for none of its parts, is asked one by one from then on.
/// </summary>
/// <remarks>
/// Safe for concurrent use. As many runs at once as there are cores, each on a thread of its own. Measured: it pays where a run reads more weights than it computes, dense layers above all, which one row
/// uses as much of as sixteen do; convolutions and trees gain nothing, so it is off where a deployment does not ask for it.
/// </remarks>
sealed class TensorBatches : IDisposable
{
    readonly object _gate = new();
    readonly LinkedList<TensorCall> _waiting = new();
    readonly TensorModel _model;
    readonly int _rows;
    readonly TimeSpan _delay;
    readonly Action _ended;
    int _workers;
    bool _stopping;
    volatile bool _merges;
    long _runs;

    /// <param name="rows">Of one run, at most.</param>
    /// <param name="delay">How long an idle thread waits for more; zero: it begins at once, and merges what came while all were busy.</param>
    /// <param name="ended">Told by the last thread when it ends, after <see cref="Dispose"/>.</param>
    public TensorBatches(TensorModel model, int rows, TimeSpan delay, Action ended)
    {
        (_model, _rows, _delay, _ended) = (model, rows, delay, ended);
        _merges = rows > 1 && model.Inputs.Count > 0 && model.Inputs.All(f => f.Shape is [< 0, ..]) && model.Outputs.All(f => f.Shape is [] or [< 0, ..]); // many outputs declare no shape: what they are is seen
        _workers = Math.Max(1, Environment.ProcessorCount);
        for (var i = _workers; i > 0; i--) new Thread(Work) { IsBackground = true, Name = "takt batches" }.Start();
    }

    /// <summary>Requests that may be in here at once: two full runs for each thread.</summary>
    public int Inside => Math.Clamp(2 * _rows * Environment.ProcessorCount, 16, 1024);

    /// <summary>Runs of the model so far, merged or not.</summary>
    public long Runs => Volatile.Read(ref _runs);

    /// <inheritdoc cref="TensorModel.Answer"/>
    public async ValueTask<IReadOnlyList<Tensor>> Ask(IReadOnlyList<Tensor> inputs, IReadOnlyCollection<string> outputs, CancellationToken cancel)
    {
        var call = new TensorCall(inputs, outputs);
        lock (_gate)
        {
            if (_stopping) throw new TaktException(TaktError.Unavailable, "the model is being unloaded; ask again");
            _waiting.AddLast(call);
            Monitor.Pulse(_gate);
        }
        await using var gone = cancel.CanBeCanceled ? cancel.UnsafeRegister(state => ((TensorCall)state!).Cancel(cancel), call) : default;
        return await call.Answer;
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _stopping = true;
            foreach (var call in _waiting) call.Fail(new TaktException(TaktError.Unavailable, "the model is being unloaded; ask again"));
            _waiting.Clear();
            Monitor.PulseAll(_gate);
        }
    }

    void Work()
    {
        var calls = new List<TensorCall>();
        while (Take(calls)) Answer(calls);
        if (Interlocked.Decrement(ref _workers) == 0) _ended();
    }

    bool Take(List<TensorCall> calls)
    {
        calls.Clear();
        lock (_gate)
        {
            while (!_stopping && !More(calls)) Monitor.Wait(_gate);
            if (calls.Count == 0) return false;
            var until = Environment.TickCount64 + (long)_delay.TotalMilliseconds;
            for (long left; _merges && !_stopping && calls[0].Rows > 0 && Rows(calls) < _rows && (left = until - Environment.TickCount64) > 0; More(calls)) Monitor.Wait(_gate, (int)left);
            if (_waiting.Count > 0) Monitor.Pulse(_gate); // for one of the others
            return true;
        }
    }

    bool More(List<TensorCall> calls)
    {
        var rows = Rows(calls);
        for (var node = _waiting.First; node is not null;)
        {
            var (next, call) = (node.Next, node.Value);
            if (calls.Count > 0 && (!_merges || rows >= _rows)) break;
            if (calls.Count == 0 || (rows + call.Rows <= _rows && call.IsLike(calls[0])))
            {
                _waiting.Remove(node);
                if (call.TryTake()) // or nobody waits for it any more
                {
                    calls.Add(call);
                    rows += call.Rows;
                }
            }
            node = next;
        }
        return calls.Count > 0;
    }

    static long Rows(List<TensorCall> calls)
    {
        var rows = 0L;
        foreach (var call in calls) rows += call.Rows;
        return rows;
    }

    void Answer(List<TensorCall> calls)
    {
        if (calls.Count > 1 && Together(calls)) return;
        var failed = false;
        foreach (var call in calls)
            try
            {
                Interlocked.Increment(ref _runs);
                call.Done(_model.Run(call.Inputs, call.Outputs));
            }
            catch (Exception e)
            {
                failed = true;
                call.Fail(e);
            }
        if (calls.Count > 1 && !failed) _merges = false; // it was the company
    }

    /// <returns>False: nobody has been answered; each is to be asked for itself.</returns>
    bool Together(List<TensorCall> calls)
    {
        try
        {
            var rows = Rows(calls);
            Interlocked.Increment(ref _runs);
            var given = _model.Run(TensorCall.Merge(calls, rows), calls[0].Outputs);
            foreach (var tensor in given)
                if (tensor.Shape is not [var first, ..] || first != rows) return false;
            var parts = calls.ConvertAll(_ => new Tensor[given.Count]);
            for (var o = 0; o < given.Count; o++) TensorCall.Split(given[o], calls, parts, o);
            for (var i = 0; i < calls.Count; i++) calls[i].Done(parts[i]);
            return true;
        }
        catch (Exception e) when (e is TaktException or ArgumentException or OverflowException)
        {
            return false;
        }
    }
}
