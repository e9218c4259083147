namespace Takt.Data;

/// <summary>A check as it was kept.</summary>
/// <param name="Seq">1, 2, 3 … per dataset.</param>
/// <param name="Commit">Null: the version was refused, so there is no commit.</param>
public sealed record StoredCheck(string Dataset, long Seq, string? Commit, DateTimeOffset At, CheckReport Report);
