namespace Takt.Storage;

/// <param name="Length">In bytes.</param>
public readonly record struct Blob(Digest Id, long Length)
{
    /// <summary>Whether the store had it before it was put; no part of what it is.</summary>
    public bool WasThere { get; init; }

    public bool Equals(Blob other) => Id == other.Id && Length == other.Length;

    public override int GetHashCode() => Id.GetHashCode();
}
