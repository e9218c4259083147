using Takt.Evaluation;

namespace Takt.Tests.Evaluation;

public sealed class BettingTestTests
{
    const double Alpha = 0.05;

    static PairedDifferences Of(IEnumerable<double> differences)
    {
        var pairs = new PairedDifferences();
        foreach (var d in differences) pairs.Add(d, 0.5);
        return pairs;
    }

    static IEnumerable<double> Case(string name) => name switch
    {
        "a" => Enumerable.Repeat(1.0, 3).Concat(Enumerable.Repeat(0.0, 47)),
        "b" => Enumerable.Repeat(0.0, 200),
        "c" => Enumerable.Repeat((double[])[1, 0, 0, -1, 0, 0, 0, 0.5, -0.25, 0], 10).SelectMany(x => x),
        _ => Enumerable.Repeat(0.25, 20).Concat(Enumerable.Repeat(-0.125, 10)),
    };

    /// <summary>Golden: plain products over the pairs one after another, bounds by bisection over those, in Python.</summary>
    [Theory]
    [InlineData("a", 0.5064953160352937, -0.37243392268263287, -0.0656999468962632, 0.23606445491919875)]
    [InlineData("b", -0.27764680537575726, 0.6095379382576092, -0.027372676016635348, 0.027372676016635348)]
    [InlineData("c", -0.23755356632274977, -0.4149149143950767, -0.13277720663256337, 0.18043238562056824)]
    [InlineData("d", 1.068600900921654, -0.4126558539905893, -0.07534709785872214, 0.28452472547077445)]
    public void Evalues_and_bounds_are_those_of_the_product_taken_pair_by_pair(string name, double above, double below, double lower, double upper)
    {
        var pairs = Of(Case(name));
        Assert.Equal(above, BettingTest.LogAbove(pairs, 0.01), 9);
        Assert.Equal(below, BettingTest.LogBelow(pairs, 0.01), 9);
        var interval = BettingTest.Interval(pairs, Alpha);
        Assert.Equal(lower, interval.Lower, 8);
        Assert.Equal(upper, interval.Upper, 8);
    }

    [Fact]
    public void A_bound_and_its_evalue_say_the_same()
    {
        var random = new Random(1);
        for (var i = 0; i < 200; i++)
        {
            var pairs = Of(Enumerable.Range(0, random.Next(1, 400)).Select(_ => random.NextDouble() < 0.3 ? (random.Next(129) - 64) / 64.0 : 0));
            var (lower, upper) = BettingTest.Interval(pairs, Alpha);
            Assert.True(lower <= pairs.Mean && pairs.Mean <= upper);
            if (lower > -1) Assert.Equal(-Math.Log(Alpha), BettingTest.LogAbove(pairs, lower), 4);
            if (upper < 1) Assert.Equal(-Math.Log(Alpha), BettingTest.LogBelow(pairs, upper), 4);
        }
    }

    [Fact]
    public void Counts_add_up_and_the_grid_keeps_the_mean()
    {
        var random = new Random(2);
        var pairs = new PairedDifferences();
        for (var i = 0; i < 200_000; i++) pairs.Add(0.013, random.NextDouble());
        Assert.Equal(0.013, pairs.Mean, 3);
        var sum = new PairedDifferences(pairs.Counts);
        sum.Add(pairs);
        Assert.Equal((400_000, pairs.Mean), (sum.Pairs, sum.Mean));
        Assert.Throws<ArgumentException>(() => new PairedDifferences([1, 2]));
    }

    /// <summary>One rollout, looked at after every few requests; whether harm beyond the margin was ever shown.</summary>
    static (bool Harm, bool NoHarm, long At, bool Missed) Rollout(Random random, int looks, int requests, double share, double margin, Func<int, double> champion, Func<int, double> challenger)
    {
        var outcomes = new PairedOutcomes(random);
        var pairs = new PairedDifferences();
        var (harm, safe, missed, at) = (false, false, false, 0L);
        for (var look = 0; look < looks; look++)
        {
            var (left, right, leftYes, rightYes) = (0L, 0L, 0L, 0L);
            for (var i = 0; i < requests; i++)
                if (random.NextDouble() < share)
                {
                    left++;
                    if (random.NextDouble() < challenger(look)) leftYes++;
                }
                else
                {
                    right++;
                    if (random.NextDouble() < champion(look)) rightYes++;
                }
            outcomes.Add(left, leftYes, right, rightYes, share, pairs);
            if (!harm && BettingTest.LogAbove(pairs, margin) >= -Math.Log(Alpha)) (harm, at) = (true, pairs.Pairs);
            safe |= BettingTest.LogBelow(pairs, margin) >= -Math.Log(Alpha);
            if (look % 10 == 9 && BettingTest.Interval(pairs, Alpha) is var (lower, upper) && challenger(look) - champion(look) is var truth) missed |= truth < lower || truth > upper;
        }
        return (harm, safe, at, missed);
    }

    public static TheoryData<string, double, double, double> Harmless => new()
    {
        { "no difference", 0.1, 0.02, 0.02 },
        { "just the tolerated difference", 0.1, 0.02, 0.03 },
        { "just the tolerated difference, where errors are many", 0.5, 0.3, 0.31 },
        { "most of the traffic with the challenger", 0.8, 0.05, 0.06 },
    };

    [Theory]
    [MemberData(nameof(Harmless))]
    public void Of_2000_harmless_rollouts_that_are_looked_at_all_the_time_at_most_alpha_are_rolled_back(string what, double share, double champion, double challenger)
    {
        const int Rollouts = 2000;
        var random = new Random(what.Length);
        var wrong = Enumerable.Range(0, Rollouts).Count(_ => Rollout(random, 60, 50, share, 0.01, _ => champion, _ => challenger).Harm);
        Assert.True(wrong <= Rollouts * Alpha, $"{what}: {wrong} of {Rollouts} were rolled back");
    }

    [Fact]
    public void An_outage_that_hits_both_alike_is_no_evidence_against_the_challenger()
    {
        const int Rollouts = 1000;
        var random = new Random(5);
        double Outage(int look) => look is > 10 and < 30 ? 0.6 : 0.001; // shared, and most of it while the traffic is what it is
        var wrong = Enumerable.Range(0, Rollouts).Count(_ => Rollout(random, 60, 50, 0.1, 0.01, Outage, Outage).Harm);
        Assert.True(wrong <= Rollouts * Alpha, $"{wrong} of {Rollouts} were rolled back");
    }

    [Fact]
    public void Bounds_hold_the_truth_at_all_looks_in_all_but_twice_alpha_of_the_rollouts()
    {
        const int Rollouts = 500;
        var random = new Random(6);
        var missed = Enumerable.Range(0, Rollouts).Count(_ => Rollout(random, 60, 50, 0.3, 0.01, _ => 0.1, _ => 0.13).Missed);
        Assert.True(missed <= Rollouts * 2 * Alpha, $"{missed} of {Rollouts} missed");
    }

    /// <summary>5 % errors against 1 %, with 10 % of the traffic: found in nearly all rollouts within 1,500 of the challenger's requests.</summary>
    [Fact]
    public void A_real_regression_is_found()
    {
        const int Rollouts = 300;
        var random = new Random(7);
        var found = Enumerable.Range(0, Rollouts).Select(_ => Rollout(random, 300, 50, 0.1, 0.01, _ => 0.01, _ => 0.05)).ToList();
        Assert.True(found.Count(f => f.Harm) >= Rollouts * 0.95, $"{found.Count(f => f.Harm)} of {Rollouts}");
        Assert.True(found.Where(f => f.Harm).Select(f => f.At).Order().ElementAt(Rollouts / 2) < 700);
    }

    [Fact]
    public void A_revision_that_always_fails_is_found_within_a_few_requests_and_a_good_one_is_shown_to_be_good()
    {
        Assert.InRange(Rollout(new Random(8), 300, 5, 0.5, 0.01, _ => 0, _ => 1).At, 1, 15);
        Assert.True(Rollout(new Random(9), 300, 50, 0.5, 0.01, _ => 0.001, _ => 0.001).NoHarm);
    }
}
