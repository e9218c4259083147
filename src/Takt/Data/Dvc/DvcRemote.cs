namespace Takt.Data.Dvc;

/// <summary>A remote of DVC's configuration.</summary>
/// <param name="Url">A folder, or an address: <c>s3://bucket/prefix</c>, <c>https://…</c>; DVC knows more kinds than can be read here.</param>
/// <param name="Settings">All else that the configuration says of it, such as <c>endpointurl</c>, and keys: never to be shown.</param>
public sealed record DvcRemote(string Name, string Url, IReadOnlyDictionary<string, string> Settings)
{
    public string? this[string setting] => Settings.GetValueOrDefault(setting);

    public override string ToString() => $"{Name} ({Url})";
}
