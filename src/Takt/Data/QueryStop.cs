using DuckDB.NET.Data;

namespace Takt.Data;

/// <summary>Ends what a connection runs when a token says so, as long as it lives, and keeps asking: an interrupt that comes between two queries is lost. <see cref="DuckDb.Guard{T}(string, Func{T}, IReadOnlyList{string}?)"/> makes a cancellation of it.</summary>
sealed class QueryStop : IDisposable
{
    static readonly TimeSpan AskAgain = TimeSpan.FromMilliseconds(100);

    readonly DuckDBCommand _command;
    readonly Timer _timer;
    readonly CancellationTokenRegistration _registration;
    bool _over;

    /// <exception cref="OperationCanceledException">It is cancelled already.</exception>
    public QueryStop(DuckDBConnection connection, CancellationToken stop)
    {
        stop.ThrowIfCancellationRequested();
        _command = connection.CreateCommand();
        _timer = new Timer(_ => Ask(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _registration = stop.Register(() => _timer.Change(TimeSpan.Zero, AskAgain));
    }

    void Ask()
    {
        lock (_timer)
            if (!_over) _command.Cancel(); // of the connection, whatever it runs
    }

    public void Dispose()
    {
        _registration.Dispose();
        lock (_timer) _over = true;
        _timer.Dispose();
        _command.Dispose();
    }
}
