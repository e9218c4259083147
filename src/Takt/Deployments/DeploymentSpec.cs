using System.Text.Json.Serialization;
using Takt.Evaluation;
using Takt.Models;

namespace Takt.Deployments;

/// <summary>How traffic moves to a new revision.</summary>
/// <param name="Canary">Shares of the traffic for the new revision, rising, the last 1.</param>
/// <param name="StepTime">A step lasts at least this long; the last one, of a blue-green rollout, is the time for which the old revision is kept.</param>
/// <param name="StepRequests">And until the new revision has answered this many requests in it.</param>
/// <param name="AbortIf">Rules over the new revision's figures of the step (<c>error_rate</c>, <c>requests</c>, <c>p50_ms</c>, <c>p95_ms</c>, and <c>champion.…</c>): one that holds rolls back.</param>
/// <param name="ThenAlias">Alias that the version gets when the rollout has succeeded; null: none.</param>
/// <param name="LogSample">Share of the predictions that are logged, 0 to 1; monitors see only those.</param>
/// <param name="Redact">Inputs and outputs whose values are never logged.</param>
/// <param name="Sticky">As <see cref="StickyKey.Parse"/> takes it; null: requests are spread evenly.</param>
/// <param name="Shadows">Versions that get copies of the requests for as long as this revision is in charge.</param>
/// <param name="Shadow">A step before <paramref name="Canary"/>'s; null: none.</param>
/// <param name="Analysis">Null: nothing but <paramref name="AbortIf"/> is asked.</param>
/// <param name="Strategy">As takt.yaml calls it; how the rollout is told of.</param>
/// <param name="Limits">Null: what every endpoint takes.</param>
/// <param name="Traces">Null: no request is kept as a trace.</param>
/// <param name="Smoke">Requests, a JSON object of a row each, that the revision must answer before it gets any traffic.</param>
/// <param name="Remote">Who answers instead of a model of this server's; null: nobody else.</param>
/// <param name="Runtime">How its model is run; null: as the runtime likes.</param>
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
    IReadOnlyList<string>? Redact = null,
    string? Sticky = null,
    IReadOnlyList<ShadowSpec>? Shadows = null,
    ShadowStep? Shadow = null,
    AnalysisSpec? Analysis = null,
    string Strategy = "canary",
    IReadOnlyList<string>? Smoke = null,
    RuntimeSettings? Runtime = null,
    RemoteEndpoint? Remote = null,
    LimitSpec? Limits = null,
    TraceSpec? Traces = null)
{
    /// <summary>What answers elsewhere, as people are told; null: it is a model of this server's.</summary>
    [JsonIgnore]
    public string? Elsewhere => Upstream?.Model ?? Remote?.Url;

    /// <summary>Steps of the whole rollout.</summary>
    [JsonIgnore]
    public int Steps => Canary.Count + (Shadow is null ? 0 : 1);

    public bool IsShadow(int step) => Shadow is not null && step == 0;

    /// <summary>The new revision's part of the traffic in a step, 0 to 1.</summary>
    public double ShareAt(int step) => IsShadow(step) ? 0 : Canary[Math.Clamp(step - (Shadow is null ? 0 : 1), 0, Canary.Count - 1)];

    public IReadOnlyList<GateRule> Rules() => AbortIf.Select(GateRule.Parse).ToList();
}
