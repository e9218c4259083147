namespace Takt.Models;

/// <summary>A version as the registry's clients see it.</summary>
/// <param name="Stage">None, Staging, Production or Archived.</param>
public sealed record RegisteredVersion(
    string Name, long Version, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt, string Stage, string Description, string Source, string Run, string Status,
    IReadOnlyList<KeyValuePair<string, string>> Tags, IReadOnlyList<string> Aliases)
{
    /// <summary>Where the client's own page of the run is; empty: it gave none.</summary>
    public string RunLink { get; init; } = "";
}
