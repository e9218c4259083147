namespace Takt.Models;

/// <summary>What a purge removes for good, or has removed.</summary>
/// <param name="Experiments">Deleted experiments, with all that is in them.</param>
/// <param name="Runs">Deleted runs, those of the experiments among them.</param>
/// <param name="LoggedModels">Deleted logged models, those of the experiments among them.</param>
/// <param name="Kept">Deleted long enough ago, and kept: each with why.</param>
/// <param name="Blobs">Blobs that this purge leaves without a row, or that an earlier one did.</param>
public sealed record PurgePlan(IReadOnlyList<string> Experiments, IReadOnlyList<string> Runs, IReadOnlyList<string> LoggedModels, IReadOnlyList<string> Kept, long Blobs)
{
    /// <summary>Blobs whose bytes are gone.</summary>
    public long Freed { get; init; }

    /// <summary>Uploads that were never completed and are ended now.</summary>
    public int Uploads { get; init; }

    /// <summary>Of the freed blobs.</summary>
    public long FreedBytes { get; init; }
}
