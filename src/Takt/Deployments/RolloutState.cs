namespace Takt.Deployments;

/// <summary>Stored by name: only ever add.</summary>
public enum RolloutState
{
    /// <summary>Wanted; no server has begun it.</summary>
    Pending,
    /// <summary>The new revision takes part of the traffic.</summary>
    Rolling,
    Paused,
    /// <summary>The new revision has all traffic and is the one that stays.</summary>
    Succeeded,
    /// <summary>A rule held, or the revision did not load: the old one has all traffic again.</summary>
    RolledBack,
    /// <summary>Somebody stopped it.</summary>
    Aborted,
    /// <summary>A newer rollout took its place before it ended.</summary>
    Superseded,
    /// <summary>The copies are compared; a person says whether it goes on.</summary>
    Waiting,
    /// <summary>Somebody wants it to succeed now, without the steps that are left.</summary>
    Promoting,
}
