namespace Takt.Data.Remotes;

/// <param name="Versions">That were not known here.</param>
/// <param name="Records">That were received, with whole files.</param>
/// <param name="Bytes">Of content that was received, decompressed.</param>
/// <param name="Moved">Refs that were moved, such as <c>data@main</c>.</param>
/// <param name="Diverged">Refs that both sides moved; the remote's is here as <c>REMOTE.NAME</c>.</param>
public sealed record FetchReport(int Versions, long Records, long Bytes, IReadOnlyList<string> Moved, IReadOnlyList<string> Diverged);
