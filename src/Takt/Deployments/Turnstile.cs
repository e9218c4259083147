namespace Takt.Deployments;

/// <summary>Lets so many in at once, so many wait, and turns the rest away.</summary>
public sealed class Turnstile(int inside, int waiting) : IDisposable
{
    readonly SemaphoreSlim _places = new(inside);
    int _waiting;
    long _turnedAway;

    /// <summary>Requests that found the queue full.</summary>
    public long TurnedAway => Volatile.Read(ref _turnedAway);

    public int Waiting => Volatile.Read(ref _waiting);

    public bool TryEnter() => _waiting == 0 && _places.Wait(0, CancellationToken.None);

    /// <param name="what">Whose queue it is, for the message.</param>
    /// <exception cref="TaktException">Unavailable: the queue is full.</exception>
    public async ValueTask Enter(string what, CancellationToken cancel)
    {
        if (Interlocked.Increment(ref _waiting) > waiting)
        {
            Interlocked.Decrement(ref _waiting);
            Interlocked.Increment(ref _turnedAway);
            throw new TaktException(TaktError.Unavailable, $"'{what}' has {waiting} requests waiting; try again in a second");
        }
        try
        {
            await _places.WaitAsync(cancel);
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }

    public void Leave() => _places.Release();

    public void Dispose() => _places.Dispose();
}
