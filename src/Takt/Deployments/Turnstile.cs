namespace Takt.Deployments;

/// <summary>Lets so many in at once, so many wait, and turns the rest away.</summary>
/// <remarks>
/// How many may wait goes by time, not by number: a short burst may wait up to 100 ms, but once nobody has found the queue empty for 100 ms, or somebody was turned away, it is overload until 2.5 seconds
/// without either have passed. Then no request is let in that would wait for longer than a quarter of what one takes (at least 1 ms): those that are let in are answered in less than twice the usual time,
/// whatever the load, and the others know at once.
/// After Maurer, "Fail at Scale", ACM Queue 13(8), 2015, which takes it from CoDel (Nichols and Jacobson 2012); the calm is ours: without it the queue, found empty once, fills again for 100 ms.
/// </remarks>
/// <param name="time">Null: the system's, by its cheapest clock.</param>
public sealed class Turnstile(int inside, int waiting, TimeProvider? time = null) : IDisposable
{
    /// <summary>What a burst may wait for, and for how long it counts as one, in ms.</summary>
    const double Burst = 100;

    /// <summary>A wait that never matters, in ms.</summary>
    const double Nothing = 1;

    /// <summary>An overload is over so long after the last was turned away, in ms: longer than those who were told to come again in a second, or are held that long, stay away.</summary>
    const double Calm = 2500;

    /// <summary>Weight of the newest request in the mean time.</summary>
    const double Newest = 0.05;

    readonly SemaphoreSlim _places = new(inside);
    int _waiting;
    long _turnedAway, _gone, _late, _free = Milliseconds(time), _overloaded = long.MinValue / 2;
    double _mean;

    /// <summary>Requests that were turned away.</summary>
    public long TurnedAway => Volatile.Read(ref _turnedAway);

    /// <summary>Requests that went away while they waited.</summary>
    public long Gone => Volatile.Read(ref _gone);

    /// <summary>Requests whose turn did not come within their deadline.</summary>
    public long Late => Volatile.Read(ref _late);

    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>What a request takes once it is inside, in ms; 0 before the first.</summary>
    public double MeanMs => Volatile.Read(ref _mean);

    public bool TryEnter()
    {
        if (_waiting != 0 || !_places.Wait(0, CancellationToken.None)) return false;
        Volatile.Write(ref _free, Milliseconds(time));
        return true;
    }

    /// <summary>Turns away whoever would be turned away later, before anything is done for it.</summary>
    /// <inheritdoc cref="Enter"/>
    public void Require(string what)
    {
        if (IsFull) throw TurnAway(what);
    }

    /// <summary>Whoever comes now is turned away.</summary>
    public bool IsFull => Waiting is > 0 and var now && !MayWait(now + 1);

    /// <summary>As <see cref="Require"/>, without the costs of an exception: in an overload most requests end here.</summary>
    public bool TurnsAway()
    {
        var full = IsFull;
        if (full) CountAway();
        return full;
    }

    /// <param name="what">Whose queue it is, for the message.</param>
    /// <exception cref="TaktException">Unavailable: there are too many. TimedOut: its turn would come, or came, too late.</exception>
    public async ValueTask Enter(string what, CancellationToken cancel, Deadline deadline = default)
    {
        var place = Interlocked.Increment(ref _waiting);
        if (!MayWait(place))
        {
            Interlocked.Decrement(ref _waiting);
            throw TurnAway(what);
        }
        try
        {
            if (deadline.Left is not { } left) await _places.WaitAsync(cancel);
            else if (place * MeanMs / inside > left.TotalMilliseconds || !await _places.WaitAsync(left, cancel))
            {
                Interlocked.Increment(ref _late);
                throw deadline.Over(what);
            }
        }
        catch (OperationCanceledException)
        {
            Interlocked.Increment(ref _gone);
            throw;
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }

    bool MayWait(int place)
    {
        if (place > waiting) return false;
        var mean = MeanMs;
        var wait = place * mean / inside;
        if (place == 1 || wait <= Math.Max(Nothing, mean / 4)) return true;
        var now = Milliseconds(time);
        return wait <= Burst && now - Volatile.Read(ref _free) <= Burst && now - Volatile.Read(ref _overloaded) > Calm;
    }

    /// <summary>Counts it.</summary>
    internal TaktException TurnAway(string what)
    {
        CountAway();
        return new TaktException(TaktError.Unavailable, $"'{what}' has more requests than it can answer: {Waiting} wait already; try again in a second");
    }

    void CountAway()
    {
        Interlocked.Increment(ref _turnedAway);
        Volatile.Write(ref _overloaded, Milliseconds(time));
    }

    /// <param name="took">How long it was inside.</param>
    public void Leave(TimeSpan took)
    {
        var mean = MeanMs;
        Volatile.Write(ref _mean, mean == 0 ? took.TotalMilliseconds : mean + ((took.TotalMilliseconds - mean) * Newest)); // of two at once one may be forgotten
        _places.Release();
    }

    static long Milliseconds(TimeProvider? time) => time is null ? Environment.TickCount64 : time.GetTimestamp() / (time.TimestampFrequency / 1000);

    public void Dispose() => _places.Dispose();
}
