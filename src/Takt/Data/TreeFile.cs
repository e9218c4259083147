namespace Takt.Data;

/// <param name="Path">Within the dataset, with <c>/</c>; never absolute, never with <c>..</c>.</param>
/// <param name="Size">In bytes.</param>
public sealed record TreeFile(string Path, Digest Digest, long Size, TreeFileMode Mode = TreeFileMode.File);
