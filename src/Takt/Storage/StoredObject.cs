namespace Takt.Storage;

/// <param name="Length">In bytes.</param>
/// <param name="ModifiedAt">When it was published.</param>
public readonly record struct StoredObject(string Name, long Length, DateTimeOffset ModifiedAt);
