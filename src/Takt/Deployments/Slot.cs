using Takt.Models;

namespace Takt.Deployments;

/// <summary>A revision in memory: its model, ready to answer, and its counts. Replaced, never changed; disposed when the last request has left it.</summary>
public sealed class Slot(Revision revision, ILoadedModel? model) : IDisposable
{
    int _users = 1; // one is the router's own

    public Revision Revision { get; } = revision;

    /// <summary>Null for an LLM revision.</summary>
    public ILoadedModel? Model { get; } = model;

    public SlotStats Stats { get; } = new();

    /// <returns>False when the slot is on its way out: take the router's current one instead.</returns>
    public bool TryEnter()
    {
        for (var users = Volatile.Read(ref _users); users > 0; users = Volatile.Read(ref _users))
            if (Interlocked.CompareExchange(ref _users, users + 1, users) == users) return true;
        return false;
    }

    public void Leave()
    {
        if (Interlocked.Decrement(ref _users) == 0) Model?.Dispose();
    }

    /// <summary>The router lets go of it; requests inside end first.</summary>
    public void Dispose() => Leave();
}
