namespace Takt.Models.Import;

/// <summary>A registered model of another tracking server, or an mlruns folder, with its versions.</summary>
/// <param name="Versions">Their numbers are kept, gaps included.</param>
public sealed record ImportedModel(
    string Name, string Description, DateTimeOffset Created, DateTimeOffset Updated, IReadOnlyList<KeyValuePair<string, string>> Tags,
    IReadOnlyList<KeyValuePair<string, long>> Aliases, IReadOnlyList<RegisteredVersion> Versions);
