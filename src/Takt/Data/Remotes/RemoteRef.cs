namespace Takt.Data.Remotes;

/// <summary>A branch or tag at a remote.</summary>
/// <param name="Step">How often it has been moved.</param>
public sealed record RemoteRef(string Dataset, string Name, bool IsTag, Digest Target, long Step);
