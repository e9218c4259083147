namespace Takt.Deployments;

/// <summary>The controlled move of an endpoint's traffic to a revision.</summary>
/// <param name="Champion">The revision that had the traffic when it began; null: the endpoint was new.</param>
/// <param name="Step">Place in the spec's steps, from 0.</param>
/// <param name="Evidence">Why it ended as it did; empty before.</param>
/// <param name="JudgedFrom">What was seen before counts no more: the first step's beginning, or the last time that somebody resumed it.</param>
/// <param name="OverMs">Answers that took longer are slow: the champion's p95 when there were enough of its answers; the same on all servers.</param>
public sealed record Rollout(
    string Endpoint, int Number, int Revision, int? Champion, RolloutState State, int Step, DateTimeOffset? StepStartedAt, string Evidence,
    DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt, DateTimeOffset? JudgedFrom = null, double? OverMs = null)
{
    public bool Active => State is RolloutState.Pending or RolloutState.Rolling or RolloutState.Paused or RolloutState.Waiting or RolloutState.Promoting;
}
