namespace Takt.Client;

/// <summary>A version in the registry.</summary>
/// <param name="Source">Where its files are, such as <c>runs:/RUN/model</c> or <c>models:/m-…</c>.</param>
public sealed record ModelVersionInfo(string Name, int Version, string Source, string? RunId, IReadOnlyDictionary<string, string> Tags, IReadOnlyList<string> Aliases)
{
    /// <summary><c>churn@3</c>.</summary>
    public string Reference => $"{Name}@{Version}";
}
