namespace Takt.Storage.Packs;

/// <summary>What hashing a large file has come to on the way, to make a new version of it cheap.</summary>
/// <param name="Key">Of the MACs; a new version keeps it.</param>
/// <param name="States">Those of the SHA-256 of all at some ends of chunks, by the number of bytes that came before; ascending.</param>
/// <param name="Macs">One for each chunk, in order; see <see cref="ChunkMac"/>.</param>
sealed record FileHashes(byte[] Key, List<(long At, byte[] State)> States, List<UInt128> Macs);
