using Takt.Data;
using Takt.Monitors;

namespace Takt.Tests.Monitors;

public sealed class DistributionTests
{
    [Fact]
    public void Equal_shares_have_no_distance()
    {
        Assert.Equal(0, Distribution.Psi([100, 200, 700], [100, 200, 700]), 12);
        Assert.Equal(0, Distribution.Ks([1, 2, 7], [10, 20, 70]), 12);
    }

    [Fact]
    public void An_empty_bin_gives_a_finite_distance() => Assert.InRange(Distribution.Psi([500, 500], [1000, 0]), 0.5, 20);

    [Theory]
    [InlineData(1, 3.841458820694124, 0.05)] // the 95 % quantiles of chi-square with 1 and 10 degrees
    [InlineData(10, 18.307038053275146, 0.05)]
    [InlineData(5, 100, 5.285148360943241e-20)] // far tail, where 1 - CDF is 0; closed form erfc(√50) + e^-50 √50/Γ(3/2) (1 + 50/1.5)
    public void Chi_square_tails_agree_with_tables(int degrees, double x, double p)
    {
        var q = Distribution.UpperGamma(degrees / 2.0, x / 2);
        Assert.InRange(q / p, 0.999, 1.001);
    }

    [Fact]
    public void Ks_p_values_agree_with_the_limit_law()
    {
        // Kolmogorov: Q(1.3581) = 0.05
        var n = 1_000_000L;
        Assert.InRange(Distribution.KsP(1.3581 / Math.Sqrt(n / 2.0), n, n), 0.0495, 0.0505);
    }

    [Fact]
    public void Benjamini_Hochberg_agrees_with_the_paper_and_keeps_the_order() =>
        Assert.Equal([0.04, 0.06, 0.06, 0.2], Distribution.Adjust([0.01, 0.03, 0.045, 0.2]).Select(p => Math.Round(p, 6)));

    [Fact]
    public void Without_drift_no_column_reaches_the_threshold_in_200_windows()
    {
        var random = new Random(11);
        double Normal() => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
        var profile = Profiler.Profile(new Table([Column.Of("x", Enumerable.Range(0, 5000).Select(_ => Normal()).ToArray())]));
        for (var window = 0; window < 200; window++)
        {
            var drift = DriftTest.Run(profile, [("x", "x", Column.Of("x", Enumerable.Range(0, 1000).Select(_ => Normal()).ToArray()))]);
            Assert.True(drift[0].Psi < 0.2, $"window {window}: {drift[0].Psi}");
        }
    }

    [Fact]
    public void The_column_that_moved_comes_first()
    {
        var random = new Random(3);
        double[] Uniform(double shift) => Enumerable.Range(0, 2000).Select(_ => random.NextDouble() + shift).ToArray();
        var profile = Profiler.Profile(new Table([Column.Of("still", Uniform(0)), Column.Of("moved", Uniform(0))]));
        var drift = DriftTest.Run(profile, [("still", "still", Column.Of("still", Uniform(0))), ("moved", "moved", Column.Of("moved", Uniform(0.4)))]);
        Assert.Equal("moved", drift[0].Column);
        Assert.True(drift[0].Psi > 0.2 && drift[1].Psi < 0.05);
    }

    [Fact]
    public void A_new_category_and_missing_values_are_drift()
    {
        var profile = Profiler.Profile(new Table([Column.Of("c", Enumerable.Range(0, 1000).Select(i => (string?)(i % 2 == 0 ? "a" : "b")).ToArray())]));
        var fresh = DriftTest.Run(profile, [("c", "c", Column.Of("c", Enumerable.Range(0, 1000).Select(i => (string?)(i % 2 == 0 ? "a" : "new")).ToArray()))]);
        var gone = DriftTest.Run(profile, [("c", "c", Column.Of("c", new string?[1000]))]);
        Assert.True(fresh[0].Psi > 0.5 && gone[0].Psi > 0.5);
        Assert.Contains("(missing)", gone[0].Moved);
    }
}
