namespace Takt.Server.Protocols.Prometheus;

/// <summary>Counts of durations in buckets. Lock-free; a reader may see a count whose bucket is not there yet, by a hair.</summary>
sealed class DurationHistogram
{
    /// <summary>Upper edges in seconds: those that OpenTelemetry advises for http.server.request.duration, and finer ones below, where tabular models are.</summary>
    public static readonly double[] Edges = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

    static readonly long[] Ticks = [.. Edges.Select(e => (long)Math.Round(e * TimeSpan.TicksPerSecond))];

    readonly long[] _buckets = new long[Edges.Length + 1];
    long _sum;

    public void Count(TimeSpan took)
    {
        var bucket = 0;
        while (bucket < Ticks.Length && took.Ticks > Ticks[bucket]) bucket++;
        Interlocked.Increment(ref _buckets[bucket]);
        Interlocked.Add(ref _sum, took.Ticks);
    }

    public double SumSeconds => Volatile.Read(ref _sum) / (double)TimeSpan.TicksPerSecond;

    /// <summary>How many took at most each edge; the last, however long.</summary>
    public long[] Cumulative()
    {
        var counts = new long[_buckets.Length];
        var all = 0L;
        for (var i = 0; i < counts.Length; i++) counts[i] = all += Volatile.Read(ref _buckets[i]);
        return counts;
    }
}
