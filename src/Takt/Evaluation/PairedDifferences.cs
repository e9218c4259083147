namespace Takt.Evaluation;

/// <summary>
/// Differences between two things seen at the same time, each from -1 to 1, as counts on a grid of 1/64. All that a <see cref="BettingTest"/> needs, whatever
/// the order: counts of several servers, and of a server before and after a restart, simply add up.
/// </summary>
/// <remarks>A difference between two points of the grid is put on one of them by chance so that its mean is kept: the test stays exact. Not safe for concurrent use.</remarks>
public sealed class PairedDifferences
{
    /// <summary>Steps from 0 to 1.</summary>
    public const int Grid = 64;

    readonly long[] _counts;

    public PairedDifferences(IReadOnlyList<long>? counts = null)
    {
        if (counts is not null && counts.Count != (2 * Grid) + 1) throw new ArgumentException($"{counts.Count} counts; there are {(2 * Grid) + 1}", nameof(counts));
        _counts = counts is null ? new long[(2 * Grid) + 1] : [.. counts];
        foreach (var count in _counts) Pairs += count;
    }

    /// <summary>From -1 to 1, 129 of them.</summary>
    public IReadOnlyList<long> Counts => _counts;

    public long Pairs { get; private set; }

    public double Mean
    {
        get
        {
            var sum = 0.0;
            for (var i = 0; i < _counts.Length; i++) sum += _counts[i] * ValueAt(i);
            return Pairs == 0 ? 0 : sum / Pairs;
        }
    }

    public static double ValueAt(int place) => (double)(place - Grid) / Grid;

    /// <param name="difference">Taken as -1 or 1 when it is outside.</param>
    /// <param name="chance">Uniform from 0 to below 1; decides between two points of the grid.</param>
    public void Add(double difference, double chance)
    {
        var at = (Math.Clamp(difference, -1, 1) + 1) * Grid;
        var below = Math.Floor(at + 1e-9);
        _counts[Math.Min((int)(at - below > chance ? below + 1 : below), 2 * Grid)]++;
        Pairs++;
    }

    public void Add(PairedDifferences other)
    {
        for (var i = 0; i < _counts.Length; i++) _counts[i] += other._counts[i];
        Pairs += other.Pairs;
    }
}
