namespace Takt.Deployments;

/// <summary>An endpoint: which revision is in charge, and the rollout that is under way.</summary>
/// <param name="Live">The revision in charge; null before the first is ready.</param>
/// <param name="Rollout">The newest rollout.</param>
public sealed record Deployment(string Endpoint, Revision? Live, Revision? Challenger, Rollout? Rollout, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt)
{
    /// <summary>Since when nobody serves it, on purpose; null: it is served.</summary>
    public DateTimeOffset? StoppedAt { get; init; }

    /// <summary>The share of the traffic that goes to <see cref="Challenger"/>, 0 to 1.</summary>
    public double ChallengerShare => Rollout is { Active: true, State: not RolloutState.Pending, StepStartedAt: not null } rollout && Challenger is { } challenger ? challenger.Spec.ShareAt(rollout.Step) : 0;

    /// <summary>Whether the rollout's revision gets copies of requests only.</summary>
    public bool ChallengerIsShadow => Rollout is { Active: true, State: not RolloutState.Pending, StepStartedAt: not null } rollout && Challenger is { } challenger && challenger.Spec.IsShadow(rollout.Step);
}
