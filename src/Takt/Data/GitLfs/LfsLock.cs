namespace Takt.Data.GitLfs;

/// <summary>A file of a git repository that one person changes, and nobody else meanwhile.</summary>
/// <param name="Path">From the repository's root.</param>
public sealed record LfsLock(string Id, string Path, string Owner, DateTimeOffset LockedAt);
