namespace Takt.Data.Remotes;

/// <param name="Records">Chunks, small files, trees and versions that were sent, and whole files.</param>
/// <param name="Bytes">That were sent.</param>
/// <param name="Moved">Refs that were moved.</param>
/// <param name="Versions">That the remote did not have.</param>
public sealed record PushReport(long Records, long Bytes, int Packs, int Versions, IReadOnlyList<RefMove> Moved)
{
    /// <summary>What the remote had lost, in words.</summary>
    public IReadOnlyList<string> Lost { get; init; } = [];

    /// <summary>Records that were sent again for that.</summary>
    public long Mended { get; init; }

    /// <summary>What versions at the remote lack and this store can't give, in words.</summary>
    public IReadOnlyList<string> Lacking { get; init; } = [];
}
