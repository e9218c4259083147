using System.Collections.Concurrent;

namespace Takt.Deployments;

/// <summary>The prediction log of each endpoint, opened when it is first asked for. One process at a time writes them: the server of the folder.</summary>
public sealed class PredictionLogs(TaktFolder folder, TimeProvider time) : IAsyncDisposable
{
    readonly ConcurrentDictionary<string, Lazy<PredictionLog>> _logs = new(StringComparer.Ordinal);

    public PredictionLog Of(string endpoint) =>
        _logs.GetOrAdd(endpoint, name => new Lazy<PredictionLog>(() => new PredictionLog(Path.Combine(folder.Predictions, name), time))).Value;

    public async ValueTask DisposeAsync()
    {
        foreach (var log in _logs.Values.Where(l => l.IsValueCreated)) await log.Value.DisposeAsync();
    }
}
