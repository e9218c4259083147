namespace Takt.Deployments;

/// <param name="Fault">Why it could not be loaded; null: it is ready to answer.</param>
public sealed record ReplicaRevision(string Endpoint, int Revision, string? Fault);
