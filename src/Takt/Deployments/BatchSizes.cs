using System.Collections.Concurrent;

namespace Takt.Deployments;

/// <summary>How often a revision answered requests of so many rows, and what that took. Safe for concurrent use.</summary>
public sealed class BatchSizes
{
    /// <summary>Up to here a size has a place of its own; of larger ones the first <see cref="MostLarge"/> that came are counted.</summary>
    const int Small = 64, MostLarge = 64;

    readonly long[] _counts = new long[Small + 1], _ticks = new long[Small + 1];
    readonly ConcurrentDictionary<int, long[]> _large = new();

    /// <param name="rows">At least 1.</param>
    public void Count(int rows, TimeSpan took)
    {
        if (rows <= Small)
        {
            Interlocked.Increment(ref _counts[rows]);
            Interlocked.Add(ref _ticks[rows], took.Ticks);
            return;
        }
        if (!_large.TryGetValue(rows, out var found))
        {
            if (_large.Count >= MostLarge) return;
            found = _large.GetOrAdd(rows, _ => new long[2]);
        }
        Interlocked.Increment(ref found[0]);
        Interlocked.Add(ref found[1], took.Ticks);
    }

    /// <summary>Those that came, the smallest first.</summary>
    public IEnumerable<(int Rows, long Count, TimeSpan Took)> All() => Enumerable.Range(1, Small).Select(rows => (Rows: rows, Count: Volatile.Read(ref _counts[rows]), Ticks: Volatile.Read(ref _ticks[rows])))
        .Concat(_large.Select(l => (l.Key, Volatile.Read(ref l.Value[0]), Volatile.Read(ref l.Value[1])))).Where(s => s.Item2 > 0).OrderBy(s => s.Item1).Select(s => (s.Item1, s.Item2, TimeSpan.FromTicks(s.Item3)));
}
