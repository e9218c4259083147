namespace Takt.Client;

/// <param name="Path">Within the run.</param>
/// <param name="Size">In bytes; null for a folder.</param>
public sealed record ArtifactInfo(string Path, long? Size)
{
    public bool IsFolder => Size is null;
}
