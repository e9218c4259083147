namespace Takt.Data;

/// <summary>A name that points to a commit and may be moved: a branch or a tag.</summary>
public sealed record DatasetRef(string Name, Digest Target, DateTimeOffset MovedAt);
