using Microsoft.Extensions.Time.Testing;
using Takt.Deployments;

namespace Takt.Tests.Deployments;

public sealed class RateLimitTests
{
    readonly FakeTimeProvider _time = new();

    [Fact]
    public void A_key_may_ask_in_a_burst_and_then_at_its_rate()
    {
        var limit = new RateLimit(10, 3, _time);
        for (var i = 0; i < 3; i++) Assert.Equal(TimeSpan.Zero, limit.Take("a"));
        Assert.Equal(TimeSpan.FromMilliseconds(100), limit.Take("a"));
        Assert.Equal(TimeSpan.FromMilliseconds(100), limit.Take("a")); // asking in vain costs nothing
        _time.Advance(TimeSpan.FromMilliseconds(60));
        Assert.Equal(TimeSpan.FromMilliseconds(40), limit.Take("a"));
        _time.Advance(TimeSpan.FromMilliseconds(40));
        Assert.Equal(TimeSpan.Zero, limit.Take("a"));
        Assert.NotEqual(TimeSpan.Zero, limit.Take("a"));
        Assert.Equal(TimeSpan.Zero, limit.Take("b"));
        Assert.Equal(4, limit.Refused);
        _time.Advance(TimeSpan.FromHours(1));
        for (var i = 0; i < 3; i++) Assert.Equal(TimeSpan.Zero, limit.Take("a")); // no more than a burst is saved up
        Assert.NotEqual(TimeSpan.Zero, limit.Take("a"));
    }

    [Fact]
    public void Servers_that_share_a_rate_take_together_what_one_would()
    {
        var limits = Enumerable.Range(0, 4).Select(_ => new RateLimit(40, 8, _time) { Parts = 4 }).ToList();
        var taken = 0;
        for (var i = 0; i < 1000; i++)
        {
            foreach (var limit in limits)
                if (limit.Take("a") == TimeSpan.Zero) taken++;
            _time.Advance(TimeSpan.FromMilliseconds(10));
        }
        Assert.InRange(taken, 395, 410); // 10 s at 40, and a burst of 8
        limits[0].Parts = 1; // the others are gone
        for (var i = 0; i < 1000; i++)
        {
            if (limits[0].Take("a") == TimeSpan.Zero) taken++;
            _time.Advance(TimeSpan.FromMilliseconds(10));
        }
        Assert.InRange(taken, 793, 820);
    }

    [Theory]
    [InlineData(0.5, 2)]
    [InlineData(7, 2)]
    [InlineData(250, 20)]
    [InlineData(100_000, 1000)]
    public void Over_a_long_time_the_rate_is_kept(double perSecond, int burst)
    {
        var limit = new RateLimit(perSecond, burst, _time);
        var taken = 0;
        const int Steps = 20_000;
        var seconds = Steps / (perSecond * 4); // asked four times as often as allowed
        for (var i = 0; i < Steps; i++)
        {
            if (limit.Take("a") == TimeSpan.Zero) taken++;
            _time.Advance(TimeSpan.FromSeconds(seconds / Steps));
        }
        Assert.InRange(taken, (perSecond * seconds * 0.98) - 1, (perSecond * seconds * 1.02) + burst + 1);
    }

    [Fact]
    public void Many_at_once_get_no_more_than_the_burst()
    {
        var limit = new RateLimit(1, 500, _time);
        var taken = 0;
        Parallel.For(0, 4000, _ =>
        {
            if (limit.Take("a") == TimeSpan.Zero) Interlocked.Increment(ref taken);
        });
        Assert.Equal(500, taken);
    }

    [Fact]
    public void Keys_without_end_share_one_bucket_until_others_are_full_again()
    {
        var limit = new RateLimit(1, 1, _time);
        for (var i = 0; i < RateLimit.MostKeys; i++) Assert.Equal(TimeSpan.Zero, limit.Take(i.ToString()));
        Assert.Equal(TimeSpan.Zero, limit.Take("one more"));
        Assert.NotEqual(TimeSpan.Zero, limit.Take("and another"));
        _time.Advance(TimeSpan.FromSeconds(2)); // the others have not been there for so long that they need not be known
        Assert.Equal(TimeSpan.Zero, limit.Take("and another"));
        Assert.Equal(TimeSpan.Zero, limit.Take("and yet another"));
    }
}
