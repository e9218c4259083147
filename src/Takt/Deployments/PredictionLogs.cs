using System.Collections.Concurrent;

namespace Takt.Deployments;

/// <summary>The prediction log of each endpoint, opened when it is first asked for. One process at a time writes them: the server of the folder.</summary>
public sealed class PredictionLogs(TaktFolder folder, TimeProvider time) : IAsyncDisposable
{
    readonly ConcurrentDictionary<string, PredictionLog> _logs = new(StringComparer.Ordinal);
    readonly Lock _opening = new();

    /// <exception cref="TaktException">Conflict: another process writes it. A later call tries anew.</exception>
    public PredictionLog Of(string endpoint)
    {
        if (_logs.TryGetValue(endpoint, out var open)) return open;
        lock (_opening)
        {
            if (_logs.TryGetValue(endpoint, out open)) return open;
            return _logs[endpoint] = new PredictionLog(Path.Combine(folder.Predictions, endpoint), time);
        }
    }

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
