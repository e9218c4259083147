namespace Takt.Data;

/// <summary>What came of a commit or collect.</summary>
/// <param name="IsNew">False when the tip already held exactly these files; <paramref name="Commit"/> is then the tip.</param>
/// <param name="Added">Files that the tip did not have.</param>
/// <param name="Changed">Files whose content differs from the tip's.</param>
public sealed record Committed(DatasetCommit Commit, bool IsNew, int Added, int Changed)
{
    /// <summary>What the expectations found; null: there were none.</summary>
    public CheckReport? Report { get; init; }
}
