namespace Takt.Models;

/// <summary>One immutable version of a registered model, and where it came from.</summary>
/// <param name="Package">Id of the package: the SHA-256 over its files' names and digests; null for a version that a foreign client registered by a URI.</param>
/// <param name="Files">The package's files and their SHA-256.</param>
/// <param name="DatasetCommits">What it learned from, such as <c>flights@sha256:…</c>.</param>
/// <param name="Metrics">Of its evaluation at registration.</param>
public sealed record ModelVersion(
    string Name,
    int Version,
    RunId? Run,
    string? CodeCommit,
    IReadOnlyList<string> DatasetCommits,
    IReadOnlyDictionary<string, string> Params,
    IReadOnlyDictionary<string, double> Metrics,
    DateTimeOffset CreatedAt,
    IReadOnlyList<string> Aliases,
    Digest? Package,
    IReadOnlyDictionary<string, string> Files,
    string Source)
{
    public Workspace Workspace { get; init; }

    /// <summary>Where its files are when <see cref="Source"/> names something that names them; null: at the source.</summary>
    public string? Storage { get; init; }

    /// <summary><c>flights@3</c>.</summary>
    public string Reference => $"{Name}@{Version}";
}
