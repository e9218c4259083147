using System.Collections.Concurrent;

namespace Takt.Deployments;

/// <summary>The prediction log of each endpoint, opened when it is first wanted.</summary>
public sealed class PredictionLogs(TaktFolder folder, TimeProvider time) : IAsyncDisposable
{
    /// <summary>A log that could not be opened is not tried for every request.</summary>
    static readonly TimeSpan Between = TimeSpan.FromSeconds(1);

    readonly ConcurrentDictionary<string, PredictionLog> _logs = new(StringComparer.Ordinal);
    readonly ConcurrentDictionary<string, (long When, TaktException Why)> _failed = new(StringComparer.Ordinal);
    readonly Lock _opening = new();

    /// <exception cref="TaktException">Conflict: another process writes it. Unavailable: the disk refuses. A call a second later tries anew.</exception>
    public PredictionLog Of(string endpoint)
    {
        if (_logs.TryGetValue(endpoint, out var open)) return open;
        if (_failed.TryGetValue(endpoint, out var failed) && TimeProvider.System.GetElapsedTime(failed.When) < Between) throw failed.Why;
        lock (_opening)
        {
            if (_logs.TryGetValue(endpoint, out open)) return open;
            try
            {
                open = _logs[endpoint] = new PredictionLog(Path.Combine(folder.Predictions, endpoint), time);
                _failed.TryRemove(endpoint, out _);
                return open;
            }
            catch (Exception e) when (e is TaktException or IOException or UnauthorizedAccessException)
            {
                var why = e as TaktException ?? new TaktException(TaktError.Unavailable, $"the prediction log of '{endpoint}' can't be opened: {e.Message}", e);
                _failed[endpoint] = (TimeProvider.System.GetTimestamp(), why);
                throw why;
            }
        }
    }

    /// <summary>The logs that are open, by endpoint.</summary>
    public IReadOnlyCollection<KeyValuePair<string, PredictionLog>> Open => _logs;

    /// <summary>Closes every log and deletes what it holds; for tests.</summary>
    public async Task Clear()
    {
        foreach (var endpoint in _logs.Keys)
            if (_logs.TryRemove(endpoint, out var log)) await log.DisposeAsync();
        if (Directory.Exists(folder.Predictions)) Directory.Delete(folder.Predictions, recursive: true);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var log in _logs.Values) await log.DisposeAsync();
    }
}
