namespace Takt.Runs;

/// <summary>Why a stage would run now, or would not.</summary>
/// <param name="Changes">Parts of its key that differ from its last run.</param>
public sealed record StageReason(string Stage, bool UpToDate, string Reason, string? Key, IReadOnlyList<PartChange> Changes);
