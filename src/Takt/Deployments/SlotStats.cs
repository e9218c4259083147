namespace Takt.Deployments;

/// <summary>Counts of one revision's answers; latency in buckets that grow by a fifth, so that a quantile is right to 10 %.</summary>
/// <remarks>Lock-free; a reader may see a count of a request whose latency is not in its bucket yet.</remarks>
public sealed class SlotStats
{
    const double Growth = 1.2;
    const double FirstBucketMs = 0.01;
    const int Buckets = 96; // 0.01 ms × 1.2^95 ≈ 330 s

    readonly long[] _buckets = new long[Buckets];
    long _requests;
    long _errors;
    long _refused;
    long _rows;
    long _computed, _failed, _queued, _last = long.MinValue;
    string? _whyRefused;

    /// <summary>Of the requests that were answered.</summary>
    public BatchSizes Sizes { get; } = new();

    public long Requests => Volatile.Read(ref _requests);

    public long Errors => Volatile.Read(ref _errors);

    /// <summary>Requests that this revision refused although the one in charge takes them; they are among <see cref="Errors"/>.</summary>
    public long Refusals => Volatile.Read(ref _refused);

    /// <summary>What it said the first time; null when it refused none.</summary>
    public string? WhyRefused => Volatile.Read(ref _whyRefused);

    /// <summary>Rows that were answered.</summary>
    public long Rows => Volatile.Read(ref _rows);

    /// <summary>What all requests took once their turn had come.</summary>
    public TimeSpan Computed => TimeSpan.FromTicks(Volatile.Read(ref _computed));

    /// <summary>What those took that failed; it is in <see cref="Computed"/>.</summary>
    public TimeSpan Failed => TimeSpan.FromTicks(Volatile.Read(ref _failed));

    /// <summary>How long ago the newest request ended, right to some 15 ms; null: there was none.</summary>
    public TimeSpan? SinceLast => Volatile.Read(ref _last) is not long.MinValue and var at ? TimeSpan.FromMilliseconds(Environment.TickCount64 - at) : null;

    /// <summary>What all requests waited for their turn.</summary>
    public TimeSpan Queued => TimeSpan.FromTicks(Volatile.Read(ref _queued));

    public void Waited(TimeSpan queued) => Interlocked.Add(ref _queued, queued.Ticks);

    public void Refused(string why)
    {
        Interlocked.CompareExchange(ref _whyRefused, why, null);
        Interlocked.Increment(ref _refused);
    }

    /// <param name="rows">That were answered.</param>
    public void Count(TimeSpan latency, bool error, int rows = 0)
    {
        var bucket = latency.TotalMilliseconds <= FirstBucketMs ? 0 : (int)Math.Ceiling(Math.Log(latency.TotalMilliseconds / FirstBucketMs, Growth));
        Interlocked.Increment(ref _buckets[Math.Min(bucket, Buckets - 1)]);
        if (error)
        {
            Interlocked.Increment(ref _errors);
            Interlocked.Add(ref _failed, latency.Ticks);
        }
        Volatile.Write(ref _last, Environment.TickCount64);
        Interlocked.Add(ref _rows, rows);
        if (rows > 0) Sizes.Count(rows, latency);
        Interlocked.Add(ref _computed, latency.Ticks);
        Interlocked.Increment(ref _requests);
    }

    /// <summary>A copy of the counts, to take a difference from later.</summary>
    public Snapshot Now() => new(Requests, Errors, (long[])_buckets.Clone());

    public sealed record Snapshot(long Requests, long Errors, long[] Latency)
    {
        public static readonly Snapshot Empty = new(0, 0, new long[Buckets]);

        /// <summary>What came since <paramref name="earlier"/>.</summary>
        public Snapshot Since(Snapshot earlier) =>
            new(Requests - earlier.Requests, Errors - earlier.Errors, Latency.Zip(earlier.Latency, (now, then) => now - then).ToArray());

        public Snapshot Plus(Snapshot other) => new(Requests + other.Requests, Errors + other.Errors, Latency.Zip(other.Latency, (a, b) => a + b).ToArray());

        /// <summary>The share of answers that took longer than <paramref name="ms"/>, which is a bucket's edge; null without a request.</summary>
        public double? Over(double ms) => Latency.Sum() is var all and > 0 ? (double)CountOver(ms) / all : null;

        internal long CountOver(double ms)
        {
            var bucket = (int)Math.Round(Math.Log(ms / FirstBucketMs, Growth));
            var over = 0L;
            for (var i = bucket + 1; i < Latency.Length; i++) over += Latency[i];
            return over;
        }

        /// <summary>The upper edge of the bucket that holds the quantile, in ms; null without a request.</summary>
        public double? EdgeAt(double share)
        {
            var rank = share * Latency.Sum();
            for (var (i, seen) = (0, 0L); i < Latency.Length && rank > 0; i++)
                if ((seen += Latency[i]) >= rank) return FirstBucketMs * Math.Pow(Growth, i);
            return null;
        }

        /// <summary>Null without a request.</summary>
        public double? Value(string name) => name switch
        {
            "requests" => Requests,
            "errors" => Errors,
            "error_rate" => Requests > 0 ? (double)Errors / Requests : null,
            "p50_ms" => Quantile(0.5),
            "p95_ms" => Quantile(0.95),
            "p99_ms" => Quantile(0.99),
            _ => null,
        };

        double? Quantile(double share)
        {
            var total = Latency.Sum();
            if (total == 0) return null;
            var rank = share * total;
            for (var (i, seen) = (0, 0L); i < Latency.Length; i++)
                if ((seen += Latency[i]) >= rank) return FirstBucketMs * Math.Pow(Growth, i - 0.5);
            return null;
        }
    }
}
