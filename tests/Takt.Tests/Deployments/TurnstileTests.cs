using Microsoft.Extensions.Time.Testing;
using Takt.Deployments;

namespace Takt.Tests.Deployments;

public sealed class TurnstileTests
{
    readonly FakeTimeProvider _time = new();

    static TimeSpan Ms(double ms) => TimeSpan.FromMilliseconds(ms);

    /// <summary>One place, taken; a request takes 10 ms as far as is known.</summary>
    Turnstile Busy(int waiting = 1000)
    {
        var turn = new Turnstile(1, waiting, _time);
        Assert.True(turn.TryEnter());
        turn.Leave(Ms(10));
        Assert.True(turn.TryEnter());
        return turn;
    }

    [Fact]
    public async Task Whoever_finds_no_place_waits_until_one_leaves()
    {
        using var turn = Busy();
        Assert.False(turn.TryEnter());
        var next = turn.Enter("m", TestContext.Current.CancellationToken).AsTask();
        Assert.False(next.IsCompleted);
        Assert.Equal(1, turn.Waiting);
        Assert.False(turn.TryEnter()); // nobody overtakes
        turn.Leave(Ms(10));
        await next;
        Assert.Equal(0, turn.Waiting);
        Assert.Equal(0, turn.TurnedAway);
    }

    [Fact]
    public async Task A_full_queue_turns_away_and_counts()
    {
        using var turn = Busy(waiting: 2);
        Task[] waiting = [turn.Enter("m", default).AsTask(), turn.Enter("m", default).AsTask()];
        var e = await Assert.ThrowsAsync<TaktException>(() => turn.Enter("m", default).AsTask());
        Assert.Equal(TaktError.Unavailable, e.Error);
        Assert.Contains("'m' has more requests than it can answer: 2 wait already", e.Message);
        Assert.Equal((2, 1), (turn.Waiting, turn.TurnedAway));
        turn.Leave(Ms(10));
        turn.Leave(Ms(10));
        await Task.WhenAll(waiting);
    }

    [Fact]
    public async Task A_burst_may_wait_for_as_long_as_a_burst_and_no_longer()
    {
        using var turn = Busy();
        for (var i = 1; i <= 10; i++) _ = turn.Enter("m", default); // the tenth waits for about 100 ms
        Assert.Equal((10, 0), (turn.Waiting, turn.TurnedAway));
        await Assert.ThrowsAsync<TaktException>(() => turn.Enter("m", default).AsTask());
        Assert.Equal((10, 1), (turn.Waiting, turn.TurnedAway));
    }

    [Fact]
    public async Task Once_nobody_has_found_it_empty_for_long_only_those_are_let_in_that_hardly_wait()
    {
        using var turn = new Turnstile(4, 1000, _time);
        for (var i = 0; i < 4; i++) Assert.True(turn.TryEnter());
        turn.Leave(Ms(10));
        Assert.True(turn.TryEnter());
        _time.Advance(Ms(101));
        var first = turn.Enter("m", default).AsTask(); // one of four places: a quarter of 10 ms
        await Assert.ThrowsAsync<TaktException>(() => turn.Enter("m", default).AsTask());
        Assert.Equal((1, 1), (turn.Waiting, turn.TurnedAway));
        Assert.Throws<TaktException>(() => turn.Require("m")); // before its rows are read
        for (var i = 0; i < 5; i++) turn.Leave(Ms(10));
        await first;
        turn.Require("m");

        for (var i = 0; i < 4; i++) Assert.True(turn.TryEnter()); // it was found empty, but somebody was turned away just now
        _ = turn.Enter("m", default);
        await Assert.ThrowsAsync<TaktException>(() => turn.Enter("m", default).AsTask());
    }

    [Fact]
    public async Task Once_nobody_was_turned_away_for_two_and_a_half_seconds_bursts_may_wait_again()
    {
        using var turn = Busy();
        _time.Advance(Ms(101));
        var first = turn.Enter("m", default).AsTask();
        Assert.Equal(TaskStatus.Faulted, turn.Enter("m", default).AsTask().Status);
        turn.Leave(Ms(10));
        await first;
        turn.Leave(Ms(10));
        _time.Advance(Ms(2501));
        Assert.True(turn.TryEnter());
        for (var i = 1; i <= 10; i++) _ = turn.Enter("m", default);
        Assert.Equal((10, 1), (turn.Waiting, turn.TurnedAway));
    }

    [Fact]
    public void Waits_of_under_a_millisecond_never_matter()
    {
        using var turn = new Turnstile(2, 1000, _time);
        Assert.True(turn.TryEnter());
        turn.Leave(Ms(0.02));
        Assert.True(turn.TryEnter() && turn.TryEnter());
        _time.Advance(Ms(5000));
        for (var i = 1; i <= 100; i++) _ = turn.Enter("m", default); // 100 x 0.02 ms on two places
        Assert.Equal((100, 0), (turn.Waiting, turn.TurnedAway));
        Assert.Equal(TaskStatus.Faulted, turn.Enter("m", default).AsTask().Status);
    }

    [Fact]
    public async Task Whoever_goes_away_while_waiting_makes_room()
    {
        using var turn = Busy(waiting: 1);
        using var gone = new CancellationTokenSource();
        var waiting = turn.Enter("m", gone.Token).AsTask();
        Assert.Equal(TaskStatus.Faulted, turn.Enter("m", default).AsTask().Status);
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        Assert.Equal(0, turn.Waiting);
        turn.Leave(Ms(10));
        Assert.True(turn.TryEnter()); // its turn was not taken
    }

    [Fact]
    public void What_a_request_takes_follows_slowly()
    {
        using var turn = new Turnstile(1, 1, _time);
        Assert.Equal(0, turn.MeanMs);
        void One(double ms)
        {
            Assert.True(turn.TryEnter());
            turn.Leave(Ms(ms));
        }
        One(10);
        Assert.Equal(10, turn.MeanMs);
        One(30);
        Assert.Equal(11, turn.MeanMs, 1e-9);
        for (var i = 0; i < 200; i++) One(30);
        Assert.Equal(30, turn.MeanMs, 0.01);
    }

    [Fact]
    public async Task However_many_come_at_once_no_more_are_inside_than_places()
    {
        using var turn = new Turnstile(3, 100_000);
        var (inside, most, done) = (0, 0, 0);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            for (var i = 0; i < 500; i++)
            {
                if (!turn.TryEnter()) await turn.Enter("m", default);
                var now = Interlocked.Increment(ref inside);
                for (int seen; (seen = Volatile.Read(ref most)) < now && Interlocked.CompareExchange(ref most, now, seen) != seen;) { }
                if (i % 50 == 0) await Task.Yield();
                Interlocked.Decrement(ref inside);
                turn.Leave(TimeSpan.FromTicks(1));
                Interlocked.Increment(ref done);
            }
        })));
        Assert.Equal((0, 4000, 0), (inside, done, turn.Waiting));
        Assert.InRange(most, 1, 3);
    }
}
