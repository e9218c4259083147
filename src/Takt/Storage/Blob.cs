namespace Takt.Storage;

/// <param name="Length">In bytes.</param>
public readonly record struct Blob(Digest Id, long Length);
