namespace Takt.Runs.Import;

/// <summary>A logged model as another tracking server, or an mlruns folder, has it.</summary>
public sealed record ImportedLoggedModel(
    string Id, string Name, string Type, string? Run, string Status, DateTimeOffset Created, DateTimeOffset Updated, string ArtifactUri,
    IReadOnlyList<KeyValuePair<string, string>> Params, IReadOnlyList<KeyValuePair<string, string>> Tags)
{
    public string Mark => $"{Status}|{Updated.ToUnixTimeMilliseconds()}";
}
