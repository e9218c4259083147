namespace Takt.Deployments;

/// <summary>Holds a rollout back until every server that lives can answer for its revision.</summary>
/// <remarks>One caller at a time.</remarks>
/// <param name="fleet">Null: there are no other servers.</param>
sealed class ReplicaGate(Fleet? fleet, DeploymentBook book, TimeProvider time)
{
    static readonly TimeSpan TellAfter = TimeSpan.FromSeconds(10);

    readonly Dictionary<string, int> _told = new(StringComparer.Ordinal);

    /// <inheritdoc cref="Fleet.Tell"/>
    public ValueTask Tell(Revision revision, string? fault = null) => fleet?.Tell(revision, fault) ?? default;

    /// <inheritdoc cref="Fleet.Keep"/>
    public ValueTask Keep(string endpoint, Revision? revision = null) => fleet?.Keep(endpoint, revision) ?? default;

    /// <summary>Rolls back what a server can't load; what one has not loaded yet waits, and after a while the history tells for whom.</summary>
    /// <returns>Null: all have it. Else whether the rollout is still under way.</returns>
    public async Task<bool?> Holds(Rollout rollout, Revision revision)
    {
        if (fleet?.Behind(rollout.Endpoint, revision.Number) is not var (loading, failed)) return null;
        if (failed is [var (where, why), ..])
        {
            await book.Move(rollout, rollout with { State = RolloutState.RolledBack, Evidence = $"revision {revision.Number} ({revision.Name}) did not load on {where}: {why}" }, "rolled-back");
            return false;
        }
        if (loading.Count == 0) return null;
        if (_told.GetValueOrDefault(rollout.Endpoint) != rollout.Number && time.GetUtcNow() - rollout.CreatedAt > TellAfter)
        {
            _told[rollout.Endpoint] = rollout.Number;
            await book.Note(rollout, "waiting-for", $"{string.Join(", ", loading)}: revision {revision.Number} is not loaded there yet");
        }
        return true;
    }
}
