namespace Takt.Runs;

/// <summary>Metrics on this dataset only.</summary>
/// <param name="Name">Null: any, of this digest.</param>
/// <param name="Digest">Null: any.</param>
public sealed record DatasetFilter(string? Name, string? Digest);
