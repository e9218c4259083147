namespace Takt.Deployments;

/// <summary>A server that serves models, as the others see it.</summary>
/// <param name="SeenAt">By its own clock.</param>
/// <param name="Live">Whether it has been heard of lately.</param>
/// <param name="Revisions">What it has loaded, or could not load.</param>
public sealed record Replica(string Name, DateTimeOffset StartedAt, DateTimeOffset SeenAt, bool Live, IReadOnlyList<ReplicaRevision> Revisions)
{
    /// <summary>What it tells of the revision; null: it has not loaded it yet.</summary>
    public ReplicaRevision? Of(string endpoint, int revision) => Revisions.FirstOrDefault(r => r.Endpoint == endpoint && r.Revision == revision);

    /// <summary>Whether it lives and can answer for the revision.</summary>
    public bool IsReady(string endpoint, int revision) => Live && Of(endpoint, revision) is { Fault: null };
}
