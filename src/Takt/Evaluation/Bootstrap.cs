namespace Takt.Evaluation;

/// <summary>
/// Percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13): rows drawn with replacement, every metric
/// computed anew, the middle 95 % kept. Rows are taken as independent; rows of one user or one day are not, and the interval is then too narrow.
/// </summary>
public static class Bootstrap
{
    public const int Draws = 300;
    const uint Seed = 20010101;

    /// <summary>Each metric of each model, and of the first model minus each later one, on the same draws.</summary>
    /// <param name="models">Models scored on the same rows; the first is the one being judged.</param>
    public static (IReadOnlyDictionary<string, Estimate>[] Models, IReadOnlyDictionary<string, Estimate>[] Differences) Of(params Scores[] models)
    {
        var names = models[0].Names;
        var rows = models[0].Rows;
        var point = new double[models.Length][];
        for (var m = 0; m < models.Length; m++) models[m].Compute(null, point[m] = new double[names.Count]);
        var draws = new double[models.Length, names.Count, Draws];
        Parallel.For(0, rows > 1 ? Draws : 0, draw =>
        {
            // a stream of its own per draw: the result does not depend on which thread takes which draw
            var random = new Random(Mix(Seed, (uint)draw));
            var weight = new int[rows];
            for (var i = 0; i < rows; i++) weight[random.Next(rows)]++;
            Span<double> metrics = stackalloc double[names.Count];
            for (var m = 0; m < models.Length; m++)
            {
                models[m].Compute(weight, metrics);
                for (var k = 0; k < names.Count; k++) draws[m, k, draw] = metrics[k];
            }
        });
        var estimates = new IReadOnlyDictionary<string, Estimate>[models.Length];
        var differences = new IReadOnlyDictionary<string, Estimate>[models.Length - 1];
        for (var m = 0; m < models.Length; m++)
        {
            var (own, against) = (new Dictionary<string, Estimate>(), new Dictionary<string, Estimate>());
            for (var k = 0; k < names.Count; k++)
            {
                var (model, metric) = (m, k);
                own[names[k]] = Summarize(names[k], point[m][k], rows, draw => draws[model, metric, draw]);
                if (m > 0) against[names[k]] = Summarize(names[k], point[0][k] - point[m][k], rows, draw => draws[0, metric, draw] - draws[model, metric, draw]);
            }
            estimates[m] = own;
            if (m > 0) differences[m - 1] = against;
        }
        return (estimates, differences);
    }

    static Estimate Summarize(string name, double value, int rows, Func<int, double> draw)
    {
        if (rows == 0) return new Estimate(null, null, null, "no rows");
        if (double.IsNaN(value)) return new Estimate(null, null, null, name switch
        {
            "auc" => "all rows are of one class",
            "precision" => "no row is predicted positive",
            "r2" => "the target does not vary",
            _ => "no row is positive",
        });
        if (rows < 2) return new Estimate(value, null, null);
        var values = Enumerable.Range(0, Draws).Select(draw).Where(v => !double.IsNaN(v)).Order().ToArray();
        return values.Length < Draws * 0.9 ? new Estimate(value, null, null) : new Estimate(value, At(values, 0.025), At(values, 0.975));
    }

    static double At(double[] sorted, double share)
    {
        var at = share * (sorted.Length - 1);
        var low = (int)at;
        return low + 1 < sorted.Length ? sorted[low] + ((at - low) * (sorted[low + 1] - sorted[low])) : sorted[low];
    }

    /// <summary>Mixes seed and draw (splitmix64, Steele et al., OOPSLA 2014), so that neighbouring draws start far apart.</summary>
    static int Mix(uint seed, uint draw)
    {
        var z = (((ulong)seed << 32) | draw) + 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return (int)(z ^ (z >> 31));
    }
}
