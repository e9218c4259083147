using System.Diagnostics;
using Takt.Data;
using Takt.Deployments;
using Takt.ML.Runtimes;
using Takt.Models;

namespace Takt.ML.Python;

/// <summary>
/// Workers of one model, a thread each. Requests that wait are merged into one call. A worker that ends takes the requests it was asked with it (503) and is started again: at
/// once the first time, then after pauses that double to 30 s.
/// </summary>
/// <remarks>Safe for concurrent use. Its threads begin with the first <see cref="Start"/> and end after <see cref="Dispose"/>, which does not wait for them.</remarks>
sealed class PythonPool : IDisposable
{
    /// <summary>Requests that may be in a pool at once: more wait at the slot's turnstile, which is bounded too.</summary>
    public int Inside => Math.Max(64, 32 * _limits.Workers);

    const int MostCallsInOne = 512;
    const int FirstPause = 500;
    const int LongestPause = 30_000;

    /// <summary>How much longer requests wait while there is no worker but one is being started, milliseconds.</summary>
    const int WhileStarting = 30_000;

    /// <summary>How often time and memory are looked at, milliseconds.</summary>
    const int Watching = 250;

    readonly object _gate = new();
    readonly LinkedList<PythonCall> _waiting = new();
    readonly IReadOnlyList<SignatureField> _fields;
    readonly SignatureOutputs _outputs;
    readonly PythonStart _start;
    readonly PythonLimits _limits;
    readonly PythonWorker?[] _workers;
    readonly string?[] _down; // why a worker can't be started
    readonly string?[] _failing; // why one that ended twice in a row is not there yet
    readonly Timer _timer;
    bool _stopping;
    volatile bool _merges = true;
    long _restarts;

    PythonPool(PythonStart start, PythonLimits limits, IReadOnlyList<SignatureField> fields, SignatureOutputs outputs)
    {
        (_start, _limits, _fields, _outputs) = (start, limits, fields, outputs);
        _workers = new PythonWorker?[limits.Workers];
        _down = new string?[limits.Workers];
        _failing = new string?[limits.Workers];
        _timer = new Timer(_ => Watch(), null, Watching, Watching);
    }

    /// <summary>Workers that were replaced since the start.</summary>
    public long Restarts => Volatile.Read(ref _restarts);

    /// <summary>Why no worker can be started, or why all of them ended as often as they were asked; null: one could answer, or will soon.</summary>
    public string? Unready
    {
        get
        {
            lock (_gate)
            {
                for (var i = 0; i < _down.Length; i++)
                    if ((_down[i] ?? _failing[i]) is null) return null;
                return _down[0] ?? _failing[0];
            }
        }
    }

    /// <summary>Process ids of the workers that are there now.</summary>
    public IReadOnlyList<int> Processes => _workers.Select(w => w?.Id).OfType<int>().ToList();

    /// <summary>What the first worker said of itself.</summary>
    public string With { get; private set; } = "";

    /// <summary>Starts the first worker and asks it once; the others are started when it has the model.</summary>
    /// <param name="blank">A row to ask with where the model has no example.</param>
    /// <exception cref="TaktException">The model can't be loaded.</exception>
    public static PythonPool Start(PythonStart start, PythonLimits limits, IReadOnlyList<SignatureField> fields, SignatureOutputs outputs, PythonCall blank)
    {
        var pool = new PythonPool(start, limits, fields, outputs);
        PythonWorker? first = null;
        try
        {
            first = pool.Start(0);
            pool.With = first.With;
            try
            {
                outputs.Learn(FrameReader.Table(first.Ask(PythonWorker.WarmUp, fields, [blank]).Span, out _));
            }
            catch (TaktException e) when (e.Error == TaktError.Invalid)
            {
                // it did not like a row of nothing, which is its right
            }
        }
        catch (Exception e)
        {
            first?.Dispose();
            pool.Dispose();
            pool._timer.Dispose();
            throw e is WorkerEnded ? new TaktException(TaktError.Unavailable, $"the Python worker ended while it was asked for the first time: {e.Message}", e) : e;
        }
        for (var i = 0; i < limits.Workers; i++)
        {
            var (number, own) = (i, i == 0 ? first : null);
            new Thread(() => pool.Work(number, own)) { IsBackground = true, Name = "takt python" }.Start();
        }
        return pool;
    }

    /// <exception cref="TaktException">Invalid: the model refuses the rows. Unavailable: no worker, or it ended, or it took too long.</exception>
    public async ValueTask<Table> Ask(Column[] columns, int rows, CancellationToken cancel, string? parameters = null)
    {
        var call = new PythonCall(columns, rows, parameters);
        lock (_gate)
        {
            if (_stopping) throw new TaktException(TaktError.Unavailable, "the model is being unloaded; ask again");
            if (_down.All(d => d is not null)) throw new TaktException(TaktError.Unavailable, $"no Python worker can be started: {_down[0]}");
            _waiting.AddLast(call);
            Monitor.Pulse(_gate);
        }
        await using var gone = cancel.CanBeCanceled ? cancel.UnsafeRegister(state => ((PythonCall)state!).Cancel(cancel), call) : default;
        var answer = await call.Answer;
        if (call.Ended > 0 && ServingTrace.Measured("python", call.Began, call.Ended) is { } step)
        {
            step.SetTag("takt.batch.rows", call.Together);
            step.Dispose();
        }
        return answer;
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

    PythonWorker Start(int number) => PythonWorker.Start(_start, worker =>
    {
        lock (_gate) _workers[number] = worker;
    }, _ =>
    {
        lock (_gate) Monitor.PulseAll(_gate);
    });

    /// <summary>A worker's thread.</summary>
    void Work(int number, PythonWorker? worker)
    {
        var failures = 0;
        var calls = new List<PythonCall>();
        while (true)
        {
            if (worker is null)
            {
                if (!Pause(failures)) break;
                try
                {
                    worker = Start(number);
                    lock (_gate) _down[number] = _failing[number] = null;
                }
                catch (TaktException e)
                {
                    failures++;
                    Down(number, e.Message);
                    continue;
                }
            }
            calls.Clear();
            if (!Take(worker, calls)) break;
            try
            {
                if (calls.Count > 0)
                {
                    Answer(worker, calls);
                    failures = 0;
                }
                if (!worker.Gone && !worker.Worn) continue;
                if (worker.Gone) failures++; // in its idle time
            }
            catch (Exception e) // whatever a model made its worker answer: it costs the worker, not this process
            {
                failures++;
                if (failures > 1)
                    lock (_gate) _failing[number] = $"the Python worker ended {failures} times in a row: {e.Message}";
                Ended(calls, e as WorkerEnded ?? new WorkerEnded(e.Message));
            }
            Interlocked.Increment(ref _restarts);
            Release(number, worker);
            worker = null;
        }
        if (worker is not null) Release(number, worker);
        lock (_gate)
            if (_stopping && _workers.All(w => w is null)) _timer.Dispose();
    }

    void Release(int number, PythonWorker worker)
    {
        worker.Dispose();
        lock (_gate) _workers[number] = null;
    }

    /// <summary>Requests that wait for nothing any more are told so.</summary>
    void Down(int number, string why)
    {
        lock (_gate)
        {
            _down[number] = why;
            _workers[number] = null;
            if (_down.Any(d => d is null)) return;
            foreach (var call in _waiting) call.Fail(new TaktException(TaktError.Unavailable, $"no Python worker can be started: {why}"));
            _waiting.Clear();
        }
    }

    void Ended(List<PythonCall> calls, WorkerEnded why)
    {
        foreach (var call in calls)
        {
            if (call.Answer.IsCompleted) continue;
            if (why.Untouched && !call.TriedAgain)
            {
                call.TriedAgain = true;
                lock (_gate)
                {
                    _waiting.AddFirst(call);
                    Monitor.Pulse(_gate);
                }
            }
            else call.Fail(new TaktException(TaktError.Unavailable, $"the Python worker ended while it computed the answer: {why.Message}"));
        }
    }

    /// <returns>False: the pool stops.</returns>
    bool Pause(int failures)
    {
        var until = failures < 2 ? 0 : Environment.TickCount64 + Math.Min(LongestPause, FirstPause << Math.Min(failures - 2, 10));
        lock (_gate)
        {
            for (long left; !_stopping && (left = until - Environment.TickCount64) > 0;) Monitor.Wait(_gate, (int)left);
            return !_stopping;
        }
    }

    /// <summary>Waits for requests and takes as many as may be merged; none when the worker has to be replaced.</summary>
    /// <returns>False: the pool stops.</returns>
    bool Take(PythonWorker worker, List<PythonCall> calls)
    {
        lock (_gate)
        {
            while (!_stopping && !worker.Gone && !worker.Worn && !More(calls)) Monitor.Wait(_gate);
            if (calls.Count == 0) return !_stopping;
            var until = Environment.TickCount64 + (long)_limits.BatchDelay.TotalMilliseconds;
            for (long left; _merges && !_stopping && Rows(calls) < _limits.BatchRows && (left = until - Environment.TickCount64) > 0; More(calls)) Monitor.Wait(_gate, (int)left);
            if (_waiting.Count > 0) Monitor.Pulse(_gate); // for one of the others
            return true;
        }
    }

    bool More(List<PythonCall> calls)
    {
        var rows = Rows(calls);
        while (_waiting.First is { Value: var next })
        {
            var fits = calls.Count == 0 || (_merges && calls.Count < MostCallsInOne && rows + next.Rows <= _limits.BatchRows && next.Parameters == calls[0].Parameters);
            if (!next.Answer.IsCompleted && !fits) break;
            _waiting.RemoveFirst();
            if (next.Answer.IsCompleted) continue; // nobody waits for it
            calls.Add(next);
            rows += next.Rows;
        }
        return calls.Count > 0;
    }

    static int Rows(List<PythonCall> calls)
    {
        var rows = 0;
        foreach (var call in calls) rows += call.Rows;
        return rows;
    }

    void Answer(PythonWorker worker, List<PythonCall> calls)
    {
        try
        {
            var rows = Rows(calls);
            var began = Stopwatch.GetTimestamp();
            var columns = FrameReader.Table(worker.Ask(calls[0].Parameters is null ? PythonWorker.Predict : PythonWorker.PredictWith, _fields, calls).Span, out var answered);
            var ended = Stopwatch.GetTimestamp();
            foreach (var call in calls) (call.Began, call.Ended, call.Together) = (began, ended, rows);
            if (answered != rows) throw TaktException.Invalid($"the model answered {answered} rows for {rows}");
            var table = _outputs.Fit(columns, rows);
            if (calls.Count == 1)
            {
                calls[0].Done(table);
                return;
            }
            var from = 0;
            foreach (var call in calls)
            {
                call.Done(Slice(table, from, call.Rows));
                from += call.Rows;
            }
        }
        catch (TaktException e) when (calls.Count > 1 && e.Error is TaktError.Invalid or TaktError.TooLarge && !worker.Worn)
        {
            // one of them is to blame, or the model does not like company: each is asked for itself
            var failed = false;
            foreach (var call in calls)
            {
                if (call.Answer.IsCompleted) continue;
                Answer(worker, [call]);
                failed |= call.Answer.IsFaulted;
            }
            if (!failed) _merges = false; // it was the company
        }
        catch (TaktException e)
        {
            foreach (var call in calls) call.Fail(e);
        }
    }

    static Table Slice(Table table, int from, int rows) => new(table.Columns.Select(c =>
    {
        var missing = c.Missing?[from..(from + rows)];
        return c.Type switch
        {
            ColumnType.Boolean => Column.Of(c.Name, c.Booleans[from..(from + rows)], missing),
            ColumnType.Number => Column.Of(c.Name, c.Numbers[from..(from + rows)], missing),
            ColumnType.Text => Column.Of(c.Name, c.Texts[from..(from + rows)], missing),
            _ => Column.Over(c.Name, c.Type, c.Integers[from..(from + rows)], rows, missing),
        };
    }).ToList());

    /// <summary>Ends what takes too long or too much.</summary>
    void Watch()
    {
        var now = Environment.TickCount64;
        // while a worker is being started requests may wait longer: there will be somebody
        var patience = _limits.Timeout.TotalMilliseconds + (_workers.Any(w => w is { IsLoaded: true, Gone: false }) ? 0 : WhileStarting);
        lock (_gate)
        {
            for (var node = _waiting.First; node is not null;)
            {
                var next = node.Next;
                if (now - node.Value.Since > patience)
                {
                    node.Value.Fail(new TaktException(TaktError.Unavailable, $"no Python worker was free within {patience / 1000:0.#} s"));
                    _waiting.Remove(node);
                }
                node = next;
            }
        }
        foreach (var worker in _workers)
        {
            if (worker is null || worker.Gone) continue;
            var limit = worker.IsLoaded ? _limits.Timeout : _limits.LoadTimeout;
            if (worker.BusySince is > 0 and var since && now - since > limit.TotalMilliseconds) worker.Kill($"it took longer than {limit.TotalSeconds:0.#} s");
            var memory = worker.Memory();
            if (memory <= _limits.Memory) continue;
            if (memory > _limits.Memory * 1.25) worker.Kill($"it held {memory >> 20} MiB; {_limits.Memory >> 20} MiB are allowed");
            lock (_gate)
            {
                worker.Worn = true;
                Monitor.PulseAll(_gate);
            }
        }
    }
}
