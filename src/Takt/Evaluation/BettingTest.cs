namespace Takt.Evaluation;

/// <summary>
/// A test of a mean that stays valid however often and whenever one looks. Somebody who doubts "the mean difference is at most m" bets a part c of
/// what he has on each pair, at odds that are fair if it were exactly m: his wealth is an e-process (Waudby-Smith and Ramdas, "Estimating means of bounded random
/// variables by betting", JRSS B 2024, section 4), so by Ville's inequality the chance that it ever reaches 1/alpha is at most alpha when the doubt is wrong. The wealth here is
/// the mean over twelve gamblers, from timid to bold, so nothing needs tuning. Inverted, it is a confidence sequence.
/// </summary>
/// <remarks>
/// Assumes that each pair's expected difference, given all before, is at most m under the hypothesis; not that pairs are alike or that rates stand still over time.
/// Pairs of one sticky client after another are not independent in this sense when a client's faults follow from the client.
/// </remarks>
public static class BettingTest
{
    /// <summary>Parts of the wealth that are bet: 0.95 × 0.6^k.</summary>
    static readonly double[] Bets = Enumerable.Range(0, 12).Select(k => 0.95 * Math.Pow(0.6, k)).ToArray();

    const int Halvings = 40;
    const double Edge = 1e-9;

    /// <summary>ln of the e-value against "the mean difference is at most <paramref name="m"/>". Falls as m rises.</summary>
    public static double LogAbove(PairedDifferences pairs, double m) => Log(pairs, m, 1);

    /// <summary>ln of the e-value against "the mean difference is at least <paramref name="m"/>". Rises with m.</summary>
    public static double LogBelow(PairedDifferences pairs, double m) => Log(pairs, -m, -1);

    /// <summary>ln of the e-value against "the mean is between -m and m": half the wealth on either side.</summary>
    public static double LogOutside(PairedDifferences pairs, double m)
    {
        double above = LogAbove(pairs, m), below = LogBelow(pairs, -m), most = Math.Max(above, below);
        return most + Math.Log(0.5 * (Math.Exp(above - most) + Math.Exp(below - most)));
    }

    /// <summary>All means that neither side's bets refute at <paramref name="alpha"/>: each bound alone is wrong with a chance of at most alpha, ever.</summary>
    public static (double Lower, double Upper) Interval(PairedDifferences pairs, double alpha)
    {
        var enough = -Math.Log(alpha);
        return (Bound(pairs, 1, enough), -Bound(pairs, -1, enough));
    }

    /// <summary>The largest m that bets on more than m refute.</summary>
    static double Bound(PairedDifferences pairs, int sign, double enough)
    {
        double low = -1, high = 1;
        if (Log(pairs, low + Edge, sign) < enough) return -1;
        for (var i = 0; i < Halvings; i++)
        {
            var middle = (low + high) / 2;
            if (Log(pairs, middle, sign) >= enough) low = middle;
            else high = middle;
        }
        return low;
    }

    static double Log(PairedDifferences pairs, double m, int sign)
    {
        // in terms of x = 1 + difference, from 0 to 2, whose mean is 1 + m: each pair multiplies by 1 - c + c x / (1 + m)
        var mean = Math.Max(1 + m, Edge);
        Span<double> logs = stackalloc double[Bets.Length];
        logs.Clear();
        var counts = pairs.Counts;
        for (var i = 0; i < counts.Count; i++)
        {
            if (counts[i] == 0) continue;
            var odds = (1 + (sign * PairedDifferences.ValueAt(i))) / mean;
            for (var k = 0; k < Bets.Length; k++) logs[k] += counts[i] * Math.Log(1 - Bets[k] + (Bets[k] * odds));
        }
        var most = logs[0];
        foreach (var log in logs) most = Math.Max(most, log);
        var sum = 0.0;
        foreach (var log in logs) sum += Math.Exp(log - most);
        return most + Math.Log(sum / Bets.Length);
    }
}
