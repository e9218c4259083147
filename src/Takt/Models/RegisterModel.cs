namespace Takt.Models;

/// <param name="Folder">The model package to register.</param>
/// <param name="Run">The run that made it.</param>
public sealed record RegisterModel(
    string Name,
    string Folder,
    RunId? Run,
    string? CodeCommit,
    IReadOnlyList<string> DatasetCommits,
    IReadOnlyDictionary<string, string> Params,
    IReadOnlyDictionary<string, double> Metrics);
