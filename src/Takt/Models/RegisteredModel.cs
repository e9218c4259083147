namespace Takt.Models;

/// <summary>A name in the registry, as its clients see it.</summary>
/// <param name="Latest">The newest version of each stage.</param>
public sealed record RegisteredModel(
    string Name, string Description, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt, IReadOnlyList<KeyValuePair<string, string>> Tags,
    IReadOnlyList<KeyValuePair<string, long>> Aliases, IReadOnlyList<RegisteredVersion> Latest);
