using Takt.Evaluation;

namespace Takt.Deployments;

/// <summary>How traffic moves to a new revision.</summary>
/// <param name="Canary">Shares of the traffic for the new revision, rising, the last 1.</param>
/// <param name="StepTime">A step lasts at least this long.</param>
/// <param name="StepRequests">And until the new revision has answered this many requests in it.</param>
/// <param name="AbortIf">Rules over the new revision's figures of the step (<c>error_rate</c>, <c>requests</c>, <c>p50_ms</c>, <c>p95_ms</c>, and <c>champion.…</c>): one that holds rolls back.</param>
/// <param name="ThenAlias">Alias that the version gets when the rollout has succeeded; null: none.</param>
/// <param name="LogSample">Share of the predictions that are logged, 0 to 1; monitors see only those.</param>
/// <param name="Redact">Inputs and outputs whose values are never logged.</param>
public sealed record DeploymentSpec(
    string Endpoint,
    IReadOnlyList<double> Canary,
    TimeSpan StepTime,
    long StepRequests,
    IReadOnlyList<string> AbortIf,
    string? ThenAlias,
    bool RollbackAutomatically,
    Upstream? Upstream,
    double LogSample = 1,
    IReadOnlyList<string>? Redact = null)
{
    public IReadOnlyList<GateRule> Rules() => AbortIf.Select(GateRule.Parse).ToList();
}
