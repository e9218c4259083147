using System.Collections.Concurrent;
using DuckDB.NET.Data;
using Takt.Storage;

namespace Takt.Deployments;

/// <summary>The prediction log of each endpoint, opened when it is first wanted.</summary>
/// <param name="shared">Where the logs of all servers come together; null: this folder is all that there is.</param>
public sealed class PredictionLogs(TaktFolder folder, TimeProvider time, SharedLog? shared = null) : IAsyncDisposable
{
    /// <summary>A log that could not be opened is not tried for every request.</summary>
    static readonly TimeSpan Between = TimeSpan.FromSeconds(1);

    readonly ConcurrentDictionary<string, PredictionLog> _logs = new(StringComparer.Ordinal);
    readonly ConcurrentDictionary<string, (long When, TaktException Why)> _failed = new(StringComparer.Ordinal);
    readonly Lock _opening = new();
    bool _ended; // guarded by _opening

    /// <exception cref="TaktException">Conflict: another process writes it. Unavailable: the disk refuses. A call a second later tries anew.</exception>
    public PredictionLog Of(string endpoint)
    {
        if (_logs.TryGetValue(endpoint, out var open)) return open;
        if (_failed.TryGetValue(endpoint, out var failed) && TimeProvider.System.GetElapsedTime(failed.When) < Between) throw failed.Why;
        lock (_opening)
        {
            if (_logs.TryGetValue(endpoint, out open)) return open;
            if (_ended) throw new TaktException(TaktError.Unavailable, $"the server stops: the prediction log of '{endpoint}' is opened no more");
            try
            {
                open = _logs[endpoint] = new PredictionLog(Path.Combine(folder.Predictions, endpoint), time, shared);
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

    /// <summary>Endpoints of which this server, or another that shares its log, has written something; in order.</summary>
    public IReadOnlyList<string> Endpoints()
    {
        var here = Directory.Exists(folder.Predictions) ? Directory.GetDirectories(folder.Predictions).Select(f => Path.GetFileName(f)) : [];
        return [.. here.Concat(shared?.Endpoints() ?? []).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
    }

    /// <summary>Beside a process that writes the folder: its finished segments, linked into <paramref name="target"/> so that they stay while they are read, and those of the other servers.</summary>
    internal async Task<DuckDBConnection?> OpenBeside(string endpoint, string target, LogRange range, CancellationToken cancel)
    {
        Directory.CreateDirectory(target);
        var there = Path.Combine(folder.Predictions, endpoint);
        foreach (var file in Directory.Exists(there) ? Directory.GetFiles(there, "*.parquet") : [])
        {
            try
            {
                Files.LinkOrCopy(file, Path.Combine(target, Path.GetFileName(file)));
            }
            catch (IOException) when (!File.Exists(file))
            {
                // merged or published since it was listed: its rows are in another one, now or at the next time
            }
        }
        List<(string Name, string File)> files = [.. Directory.GetFiles(target, "*.parquet").Select(file => (Path.GetFileNameWithoutExtension(file), file))];
        if (shared is null) return SegmentViews.Open(files, twice: true); // while a merge is under way a row can be seen twice
        var (segments, known) = shared.Find(endpoint, files.ConvertAll(f => f.Name));
        files.RemoveAll(f => known.Contains(f.Name));
        files.AddRange(await shared.Fetch([.. range.Of(segments).OfType<SharedSegment>()], cancel));
        return SegmentViews.Open(files);
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
        lock (_opening) _ended = true; // a request that outlives its server must not make files behind it
        foreach (var log in _logs.Values) await log.DisposeAsync();
    }
}
