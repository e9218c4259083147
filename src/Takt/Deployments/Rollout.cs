namespace Takt.Deployments;

/// <summary>The controlled move of an endpoint's traffic to a revision.</summary>
/// <param name="Champion">The revision that had the traffic when it began; null: the endpoint was new.</param>
/// <param name="Step">Place in the canary's shares, from 0.</param>
/// <param name="Evidence">Why it ended as it did; empty before.</param>
public sealed record Rollout(
    string Endpoint, int Number, int Revision, int? Champion, RolloutState State, int Step, DateTimeOffset? StepStartedAt, string Evidence,
    DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt)
{
    public bool Active => State is RolloutState.Pending or RolloutState.Rolling or RolloutState.Paused;
}
