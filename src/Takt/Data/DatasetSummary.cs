namespace Takt.Data;

/// <param name="Tip">The newest commit of main, or of the first ref when there is no main.</param>
/// <param name="Commits">How many versions there are, on all refs.</param>
public sealed record DatasetSummary(string Name, DatasetCommit Tip, IReadOnlyList<DatasetRef> Refs, int Commits);
