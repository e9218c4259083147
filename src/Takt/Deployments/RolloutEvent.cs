namespace Takt.Deployments;

/// <param name="Kind"><c>created</c>, <c>step</c>, <c>analysis</c>, <c>waiting</c>, <c>promoted</c>, <c>succeeded</c>, <c>rolled-back</c>, <c>paused</c>, <c>resumed</c>, <c>aborted</c>.</param>
public sealed record RolloutEvent(int Rollout, string Kind, string Detail, DateTimeOffset Time);
