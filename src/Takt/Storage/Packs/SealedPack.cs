namespace Takt.Storage.Packs;

/// <summary>A finished pack that has not been published yet: two files in flight.</summary>
/// <param name="Length">Of the pack's file, in bytes.</param>
sealed record SealedPack(ContentId Id, string PackFile, string IndexFile, long Length, int Records);
