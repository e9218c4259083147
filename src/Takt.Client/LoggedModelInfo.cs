namespace Takt.Client;

/// <summary>A model that a run made, before or without being registered.</summary>
/// <param name="Id"><c>m-</c> and 32 hex digits.</param>
public sealed record LoggedModelInfo(string Id, string Name, string ArtifactUri)
{
    /// <summary>What a version is registered from: <c>models:/m-…</c>.</summary>
    public string Uri => $"models:/{Id}";
}
