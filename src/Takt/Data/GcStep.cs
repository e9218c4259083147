namespace Takt.Data;

/// <param name="Name">The object's name in the store.</param>
/// <param name="Bytes">It takes now; of a rewrite, what it gives free.</param>
public sealed record GcStep(GcAction Do, string Name, long Bytes)
{
    internal Digest Id { get; init; }

    /// <summary>0 a pack, 1 a whole blob, 2 a file that no row names.</summary>
    internal int Kind { get; init; }
}
