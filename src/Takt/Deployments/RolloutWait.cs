using System.Globalization;

namespace Takt.Deployments;

/// <summary>What a rollout waits for now, so that nobody has to guess why it stands still.</summary>
public static class RolloutWait
{
    /// <param name="spec">Of the new revision.</param>
    /// <param name="requests">That it has answered in this step, on all servers.</param>
    /// <param name="evidence">The newest look's.</param>
    /// <param name="behind">Servers that have not loaded the revision yet.</param>
    /// <returns>A sentence without its end; null: the rollout is over.</returns>
    public static string? InWords(Rollout rollout, DeploymentSpec spec, long requests, IReadOnlyList<Evidence> evidence, IReadOnlyList<string> behind, DateTimeOffset now)
    {
        switch (rollout.State)
        {
            case RolloutState.Pending: return behind.Count > 0 ? $"waiting for {string.Join(", ", behind)} to load revision {rollout.Revision}" : "waiting for a server to begin it";
            case RolloutState.Paused: return $"paused until somebody decides: `takt deploy resume {rollout.Endpoint}` lets it go on, promote or abort ends it";
            case RolloutState.Waiting: return $"waiting for an approval: `takt deploy resume {rollout.Endpoint}` lets it go on, abort ends it";
            case RolloutState.Promoting: return "waiting for the server to move the rest of the traffic";
            case RolloutState.Rolling: break;
            default: return null;
        }
        var (needed, least) = spec.IsShadow(rollout.Step) ? (spec.Shadow!.Requests, spec.Shadow.Time) : (spec.StepRequests, spec.StepTime);
        var passed = now - (rollout.StepStartedAt ?? now);
        var waits = new List<string>();
        if (requests < needed) waits.Add(string.Create(CultureInfo.InvariantCulture, $"traffic: {requests:N0} of {needed:N0} {(spec.IsShadow(rollout.Step) ? "copies of requests" : "requests")}"));
        if (passed < least) waits.Add($"time: {Took(passed)} of {Took(least)}");
        if (waits.Count > 0) return $"waiting for {string.Join(" and ", waits)} in this step";
        var open = evidence.Where(e => e.Verdict == EvidenceVerdict.Open).Select(e => e.Metric).ToList();
        return open.Count > 0 && spec.Analysis?.Pass == StepPass.Evidence ? $"waiting for evidence about {string.Join(" and ", open)}: neither harm nor its absence is shown yet" : "about to go on";
    }

    static string Took(TimeSpan time) => time.TotalSeconds < 120 ? $"{Math.Floor(time.TotalSeconds):0} s" : time.TotalMinutes < 120 ? $"{Math.Floor(time.TotalMinutes):0} min" : string.Create(CultureInfo.InvariantCulture, $"{time.TotalHours:0.#} h");
}
