using System.Collections.Concurrent;

namespace Takt.Deployments;

/// <summary>So many requests a second of each key, and so many at once.</summary>
/// <remarks>
/// The generic cell rate algorithm (ITU-T I.371, annex A): one number a key, the time at which its bucket will be full again. Lock-free; a rejected request costs its key nothing. At most 100,000 keys are
/// known: full buckets are forgotten, and when all are in use new keys share one. Each server counts by itself: with <see cref="Parts"/> a part of what all may take together, which is exact where a balancer spreads each key evenly.
/// </remarks>
public sealed class RateLimit(double perSecond, int burst, TimeProvider? time = null)
{
    public const int MostKeys = 100_000;

    readonly TimeProvider _time = time ?? TimeProvider.System;
    readonly ConcurrentDictionary<string, Bucket> _buckets = new(StringComparer.Ordinal);
    readonly Bucket _others = new();
    int _keys, _parts = 1;
    long _swept = long.MinValue / 2, _refused;

    public double PerSecond => perSecond;

    public int Burst => burst;

    /// <summary>So many servers share the rate, 1 at least; the burst too, of which each has one.</summary>
    public int Parts
    {
        get => Volatile.Read(ref _parts);
        set => Volatile.Write(ref _parts, Math.Max(1, value));
    }

    /// <summary>Requests that were told to come later.</summary>
    public long Refused => Volatile.Read(ref _refused);

    /// <returns>Zero: come in. Else how long the key must wait before its next request.</returns>
    public TimeSpan Take(string key)
    {
        var frequency = (double)_time.TimestampFrequency;
        var parts = Parts;
        var (each, most, now) = (Math.Max(1, (long)(frequency / perSecond * parts)), Math.Max(1, burst / parts), _time.GetTimestamp());
        var bucket = Find(key, now);
        while (true)
        {
            var full = Volatile.Read(ref bucket.FullAt);
            var next = Math.Max(full, now) + each;
            if (next - now > each * most)
            {
                Interlocked.Increment(ref _refused);
                return TimeSpan.FromSeconds((next - now - (each * most)) / frequency);
            }
            if (Interlocked.CompareExchange(ref bucket.FullAt, next, full) == full) return TimeSpan.Zero;
        }
    }

    Bucket Find(string key, long now)
    {
        if (_buckets.TryGetValue(key, out var known)) return known;
        if (Volatile.Read(ref _keys) >= MostKeys && !Sweep(now)) return _others;
        var mine = new Bucket();
        var bucket = _buckets.GetOrAdd(key, mine);
        if (bucket == mine) Interlocked.Increment(ref _keys);
        return bucket;
    }

    /// <summary>Forgets full buckets, once a second at most.</summary>
    /// <returns>Whether there is room.</returns>
    bool Sweep(long now)
    {
        var swept = Volatile.Read(ref _swept);
        if (now - swept < _time.TimestampFrequency || Interlocked.CompareExchange(ref _swept, now, swept) != swept) return false;
        foreach (var (key, bucket) in _buckets)
            if (Volatile.Read(ref bucket.FullAt) <= now && _buckets.TryRemove(key, out _)) Interlocked.Decrement(ref _keys);
        return Volatile.Read(ref _keys) < MostKeys;
    }

    sealed class Bucket
    {
        public long FullAt;
    }
}
