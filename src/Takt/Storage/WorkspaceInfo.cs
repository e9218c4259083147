namespace Takt.Storage;

/// <param name="ArtifactRoot">Where artifacts of its experiments go instead of the server's own place; null: there.</param>
public sealed record WorkspaceInfo(string Name, string? Description, string? ArtifactRoot);
