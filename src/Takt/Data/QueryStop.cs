using DuckDB.NET.Data;

namespace Takt.Data;

/// <summary>Ends a running query when a token says so, and keeps asking: an interrupt that comes before the engine has begun is lost.</summary>
sealed class QueryStop : IDisposable
{
    static readonly TimeSpan AskAgain = TimeSpan.FromMilliseconds(100);

    readonly DuckDBCommand _command;
    readonly Timer _timer;
    readonly CancellationTokenRegistration _registration;
    bool _over;

    /// <exception cref="OperationCanceledException">It is cancelled already.</exception>
    public QueryStop(DuckDBCommand command, CancellationToken stop)
    {
        stop.ThrowIfCancellationRequested();
        _command = command;
        _timer = new Timer(_ => Ask(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _registration = stop.Register(() => _timer.Change(TimeSpan.Zero, AskAgain));
    }

    void Ask()
    {
        lock (_timer)
            if (!_over) _command.Cancel();
    }

    public void Dispose()
    {
        _registration.Dispose();
        lock (_timer) _over = true;
        _timer.Dispose();
    }
}
