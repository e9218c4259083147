namespace Takt.Runs;

/// <param name="Path">Within the run, with <c>/</c>.</param>
/// <param name="Size">In bytes.</param>
public sealed record Artifact(string Path, Digest Digest, long Size);
