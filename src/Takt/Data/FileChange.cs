namespace Takt.Data;

/// <param name="SizeBefore">In bytes; null: it was not there.</param>
/// <param name="SizeNow">In bytes; null: it is gone.</param>
public sealed record FileChange(string Path, long? SizeBefore, long? SizeNow);
