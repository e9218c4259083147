namespace Takt.Runs;

/// <summary>A group of runs.</summary>
/// <param name="Id">0 is the one named Default, which is always there.</param>
public sealed record Experiment(
    long Id, string Name, string ArtifactLocation, bool Deleted, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt, IReadOnlyList<KeyValuePair<string, string>> Tags);
