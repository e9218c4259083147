namespace Takt.Data;

/// <param name="Name">The object's name in the store, or the version.</param>
/// <param name="Bytes">It takes now; of a rewrite, what it gives free; of a version, the size of its files.</param>
public sealed record GcStep(GcAction Do, string Name, long Bytes)
{
    internal Digest Id { get; init; }

    /// <summary>Of a version.</summary>
    internal string Dataset { get; init; } = "";

    /// <summary>0 a pack, 1 a whole blob, 2 a file that no row names.</summary>
    internal int Kind { get; init; }
}
