namespace Takt.Data;

/// <summary>Distances and tests between a reference's counts and a window's, bin by bin.</summary>
public static class Distribution
{
    /// <summary>Added to every bin, so that an empty one gives a finite distance (Jeffreys' prior for a multinomial).</summary>
    const double Smoothing = 0.5;

    /// <summary>
    /// Population stability index, Σ (p − q) ln(p / q): the symmetric Kullback–Leibler divergence of the smoothed shares. 0.1 is small and 0.25
    /// large by custom (Siddiqi, Credit Risk Scorecards, 2006).
    /// </summary>
    /// <param name="reference">Counts, at least one above 0.</param>
    /// <returns>0 or more.</returns>
    public static double Psi(ReadOnlySpan<long> reference, ReadOnlySpan<long> window)
    {
        var (n, m) = (Sum(reference) + (Smoothing * reference.Length), Sum(window) + (Smoothing * window.Length));
        var psi = 0.0;
        for (var i = 0; i < reference.Length; i++)
        {
            var (p, q) = ((reference[i] + Smoothing) / n, (window[i] + Smoothing) / m);
            psi += (q - p) * Math.Log(q / p);
        }
        return psi;
    }

    /// <summary>
    /// Jensen and Shannon's distance with logarithms to base 2, the square root of their divergence (Endres and Schindelin, IEEE Trans. Inf.
    /// Theory 49, 2003); as <c>scipy.spatial.distance.jensenshannon(p, q, base=2)</c>. Counts are not smoothed: an empty bin is no trouble here.
    /// </summary>
    /// <returns>0 (equal) to 1 (no bin in common).</returns>
    public static double JensenShannon(ReadOnlySpan<long> reference, ReadOnlySpan<long> window)
    {
        double n = Sum(reference), m = Sum(window), divergence = 0;
        if (n == 0 || m == 0) return 0;
        for (var i = 0; i < reference.Length; i++)
        {
            var (p, q) = (reference[i] / n, window[i] / m);
            var middle = (p + q) / 2;
            if (p > 0) divergence += p * Math.Log2(p / middle) / 2;
            if (q > 0) divergence += q * Math.Log2(q / middle) / 2;
        }
        return Math.Sqrt(Math.Clamp(divergence, 0, 1));
    }

    /// <summary>Largest distance of the two distribution functions at the bins' edges: a lower bound of the Kolmogorov–Smirnov statistic.</summary>
    public static double Ks(ReadOnlySpan<long> reference, ReadOnlySpan<long> window)
    {
        double n = Sum(reference), m = Sum(window), a = 0, b = 0, d = 0;
        if (n == 0 || m == 0) return 0;
        for (var i = 0; i < reference.Length; i++)
        {
            a += reference[i] / n;
            b += window[i] / m;
            d = Math.Max(d, Math.Abs(a - b));
        }
        return d;
    }

    /// <summary>
    /// Chance of a distance of at least <paramref name="d"/> without drift: Kolmogorov's limit with Stephens' correction for small samples
    /// (J. R. Stat. Soc. B 32, 1970). Conservative here, since d is a lower bound.
    /// </summary>
    public static double KsP(double d, long n, long m)
    {
        if (d <= 0 || n == 0 || m == 0) return 1;
        var root = Math.Sqrt((double)n * m / (n + m));
        var lambda = (root + 0.12 + (0.11 / root)) * d;
        double sum = 0, sign = 1;
        for (var k = 1; k <= 100; k++)
        {
            var term = Math.Exp(-2.0 * k * k * lambda * lambda);
            sum += sign * term;
            if (term < 1e-16) break;
            sign = -sign;
        }
        return Math.Clamp(2 * sum, 0, 1);
    }

    /// <summary>
    /// Pearson's chi-square test of homogeneity (2 × k). Bins that expect fewer than five are pooled (Cochran 1954).
    /// </summary>
    /// <returns>Chance of counts at least this unlike each other without drift.</returns>
    public static double ChiSquareP(ReadOnlySpan<long> reference, ReadOnlySpan<long> window)
    {
        const double Fewest = 5;
        double n = Sum(reference), m = Sum(window), total = n + m, statistic = 0, restR = 0, restW = 0;
        if (n == 0 || m == 0) return 1;
        var bins = 0;
        for (var i = 0; i < reference.Length; i++)
        {
            double both = reference[i] + window[i];
            if (both == 0) continue;
            if (both * Math.Min(n, m) / total < Fewest)
            {
                restR += reference[i];
                restW += window[i];
                continue;
            }
            statistic += Cell(reference[i], window[i]);
            bins++;
        }
        if (restR + restW > 0)
        {
            statistic += Cell(restR, restW);
            bins++;
        }
        return bins < 2 ? 1 : UpperGamma((bins - 1) / 2.0, statistic / 2);

        double Cell(double r, double w)
        {
            var (er, ew) = ((r + w) * n / total, (r + w) * m / total);
            return ((r - er) * (r - er) / er) + ((w - ew) * (w - ew) / ew);
        }
    }

    /// <summary>
    /// Benjamini–Hochberg (J. R. Stat. Soc. B 57, 1995): each p-value as the smallest false-discovery rate at which it would be called a discovery.
    /// </summary>
    public static double[] Adjust(IReadOnlyList<double> p)
    {
        var order = Enumerable.Range(0, p.Count).OrderByDescending(i => p[i]).ToArray();
        var adjusted = new double[p.Count];
        var least = 1.0;
        for (var k = 0; k < order.Length; k++)
        {
            least = Math.Min(least, p[order[k]] * p.Count / (p.Count - k));
            adjusted[order[k]] = least;
        }
        return adjusted;
    }

    /// <summary>Regularised upper incomplete gamma Q(a, x): series below a + 1, Lentz's continued fraction above (Numerical Recipes, 3rd ed., §6.2).</summary>
    internal static double UpperGamma(double a, double x)
    {
        const double Tiny = 1e-300;
        if (x <= 0) return 1;
        var scale = Math.Exp((a * Math.Log(x)) - x - LogGamma(a));
        if (x < a + 1)
        {
            double term = 1 / a, sum = term;
            for (var n = 1; n < 10_000 && term > sum * 1e-17; n++) sum += term *= x / (a + n);
            return Math.Clamp(1 - (sum * scale), 0, 1);
        }
        double b = x + 1 - a, c = 1 / Tiny, d = 1 / b, h = d;
        for (var i = 1; i < 10_000; i++)
        {
            var an = -i * (i - a);
            b += 2;
            d = 1 / NotZero((an * d) + b);
            c = NotZero(b + (an / c));
            h *= d * c;
            if (Math.Abs((d * c) - 1) < 1e-16) break;
        }
        return scale * h;

        static double NotZero(double value) => Math.Abs(value) < Tiny ? Tiny : value;
    }

    /// <summary>Lanczos' approximation, g = 7, nine terms; relative error about 1e-15.</summary>
    static double LogGamma(double x)
    {
        ReadOnlySpan<double> c =
        [
            0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
            -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
        ];
        if (x < 0.5) return Math.Log(Math.PI / Math.Abs(Math.Sin(Math.PI * x))) - LogGamma(1 - x);
        x--;
        var sum = c[0];
        for (var i = 1; i < c.Length; i++) sum += c[i] / (x + i);
        var t = x + 7.5;
        return (0.5 * Math.Log(2 * Math.PI)) + ((x + 0.5) * Math.Log(t)) - t + Math.Log(sum);
    }

    static long Sum(ReadOnlySpan<long> counts)
    {
        var sum = 0L;
        foreach (var count in counts) sum += count;
        return sum;
    }
}
