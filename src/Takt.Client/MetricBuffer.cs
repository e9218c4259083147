using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace Takt.Client;

/// <summary>Points of one run on their way: a bounded queue, sent in batches by one task, in order.</summary>
/// <remarks>A batch that is sent twice is stored once: the server keeps equal points once.</remarks>
sealed class MetricBuffer : IAsyncDisposable
{
    /// <summary>What the protocol takes in one call.</summary>
    const int MostPoints = 1000;

    readonly TaktClient _client;
    readonly string _run;
    readonly Channel<(MetricPoint Point, TaskCompletionSource? Flushed)> _queue;
    readonly CancellationTokenSource _stop = new();
    readonly Task _sending;
    TaktClientException? _fault;

    public MetricBuffer(TaktClient client, string run)
    {
        (_client, _run) = (client, run);
        _queue = Channel.CreateBounded<(MetricPoint, TaskCompletionSource?)>(new BoundedChannelOptions(client.Options.MetricQueue) { SingleReader = true });
        _sending = Task.Run(Send);
    }

    public ValueTask Add(MetricPoint point, CancellationToken cancel)
    {
        if (_fault is { } fault) throw fault;
        return _queue.Writer.TryWrite((point, null)) ? ValueTask.CompletedTask : _queue.Writer.WriteAsync((point, null), cancel);
    }

    public async Task Flush(CancellationToken cancel)
    {
        if (_fault is { } fault) throw fault;
        var flushed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await _queue.Writer.WriteAsync((default, flushed), cancel).ConfigureAwait(false);
        await flushed.Task.WaitAsync(cancel).ConfigureAwait(false);
    }

    async Task Send()
    {
        var batch = new List<MetricPoint>(MostPoints);
        while (await _queue.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            TaskCompletionSource? flushed = null;
            using var delay = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            var due = Task.Delay(_client.Options.MetricDelay, _client.Options.Time, delay.Token);
            while (flushed is null && batch.Count < MostPoints)
            {
                if (_queue.Reader.TryRead(out var next))
                {
                    flushed = next.Flushed;
                    if (flushed is null) batch.Add(next.Point);
                    continue;
                }
                var more = _queue.Reader.WaitToReadAsync().AsTask();
                if (await Task.WhenAny(more, due).ConfigureAwait(false) == due || !await more.ConfigureAwait(false)) break;
            }
            await delay.CancelAsync().ConfigureAwait(false);
            await Post(batch).ConfigureAwait(false);
            batch.Clear();
            if (flushed is null) continue;
            if (_fault is { } fault) flushed.TrySetException(fault);
            else flushed.TrySetResult();
        }
    }

    async Task Post(List<MetricPoint> batch)
    {
        if (batch.Count == 0 || _fault is not null) return;
        try
        {
            _ = await _client.Wire.Post(TaktClient.Api + "runs/log-batch", new JsonObject
            {
                ["run_id"] = _run,
                ["metrics"] = new JsonArray([.. batch.Select(p => new JsonObject { ["key"] = p.Key, ["value"] = Wire.Number(p.Value), ["timestamp"] = p.Time.ToUnixTimeMilliseconds(), ["step"] = p.Step })]),
            }, _stop.Token).ConfigureAwait(false);
        }
        catch (TaktClientException e)
        {
            _fault = new TaktClientException(e.Status, e.Code, $"{batch.Count} points of run {_run} could not be logged, nor those after them: {e.Message}", e);
        }
        catch (OperationCanceledException)
        {
            _fault = new TaktClientException(null, "", $"{batch.Count} points of run {_run} were not logged: the run was disposed");
        }
        catch (Exception e)
        {
            // whatever it is: who waits for a flush must hear of it
            _fault = new TaktClientException(null, "", $"{batch.Count} points of run {_run} could not be logged, nor those after them: {e.Message}", e);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await _stop.CancelAsync().ConfigureAwait(false);
        await _sending.ConfigureAwait(false);
        _stop.Dispose();
    }
}
