namespace Takt.Runs;

/// <summary>A large artifact on its way in parts.</summary>
/// <param name="Id">256 random bits as hex: who knows it may send parts, as with a presigned address.</param>
/// <param name="PartUrls">In order, where each part goes past the server; null: the parts come through it.</param>
public sealed record ArtifactUpload(string Id, IReadOnlyList<Uri>? PartUrls);
