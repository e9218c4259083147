namespace Takt.Deployments;

/// <summary>The evidence as it was at one time.</summary>
/// <param name="Kind"><c>look</c>, or the event that it was the reason of: <c>step</c>, <c>paused</c>, <c>waiting</c>, <c>rolled-back</c>, <c>succeeded</c>.</param>
/// <param name="Share">The new revision's part of the traffic.</param>
public sealed record RolloutLook(int Rollout, int Step, string Kind, double Share, long Challenger, long Champion, IReadOnlyList<Evidence> Evidence, DateTimeOffset Time);
