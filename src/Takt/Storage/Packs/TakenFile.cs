namespace Takt.Storage.Packs;

/// <summary>A file whose content the store has now.</summary>
/// <param name="Stat">As it was when it was read.</param>
/// <param name="ReadAt">When reading began, in nanoseconds since 1970; null when it was not read now.</param>
public readonly record struct TakenFile(ContentId Id, FileStat Stat, long? ReadAt);
