namespace Takt.Runs;

/// <summary>A dataset that a run read, as its client describes it.</summary>
public sealed record RunInput(
    string Name, string Digest, string SourceType, string Source, string? Schema, string? Profile, IReadOnlyDictionary<string, string> Tags)
{
    public const string ContextTag = "mlflow.data.context";
}
